"""What a feature view promises: its document, its Avro form, and the checks that hold every message to it.

Pure: text, bytes and columns in, verdicts out. Nothing is imported here or in the rooms below: a publisher without
Arrow takes `odcs`, `checks.rows` and `codec.encode`; only what handles columns needs pyarrow.
"""
