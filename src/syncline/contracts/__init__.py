"""What a feature view promises: its document, its Avro form, and the checks that hold every message to it.

Pure: text, bytes and columns in, verdicts out. Nothing is imported here: a publisher without Arrow takes `document`,
`model`, `avro`, `rows` and `encode`; only `arrow`, `columns`, `decode`, `decode_fast`, `encode_columns`, `entries` and
`widths` need pyarrow.
"""
