"""Bytes on a topic: framing, keys, headers, control records and dead letters. Pure; log.md is the specification."""
