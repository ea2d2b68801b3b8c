"""A contract on the wire: its Avro form, and rows and columns to bytes and back."""
