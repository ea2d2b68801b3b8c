"""Avro's single-object encoding, for our own records: they are read without asking any registry.

The marker C3 01, the schema's 64-bit Rabin fingerprint (little-endian), then the body (Avro 1.12 specification,
"Single object encoding"). A fingerprint that is not known here was written by a newer Syncline.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import fastavro

from syncline.errors import UnknownFormat, WireError

_MARKER = b"\xc3\x01"
_HEAD_BYTES = 10


class Format:
    """One record type in all its versions so far: written as the newest, read as whichever it was written in.

    Times stay numbers, and a record in a union comes and goes as (full name, fields).
    """

    def __init__(self, newest: dict[str, Any], *, older: Sequence[dict[str, Any]] = ()) -> None:
        self._name = str(newest["name"])
        self._newest = fastavro.parse_schema(_plain(newest))
        self._head = _MARKER + _fingerprint(newest)
        self._schemas = {
            _MARKER + _fingerprint(schema): fastavro.parse_schema(_plain(schema))
            for schema in (newest, *older)
        }

    def wrote(self, data: bytes | None) -> bool:
        """Whether these bytes say that they are this record, in a version that is known here."""
        return data is not None and data[:_HEAD_BYTES] in self._schemas

    def encode(self, record: dict[str, Any]) -> bytes:
        """The record's bytes."""
        out = io.BytesIO()
        out.write(self._head)
        fastavro.schemaless_writer(out, self._newest, record, strict=True)
        return out.getvalue()

    def decode(self, data: bytes | None) -> dict[str, Any]:
        """The record behind the bytes.

        Raises:
            UnknownFormat: written in a version that this program does not know.
            WireError: these bytes are no such record.
        """
        if data is None or data[:2] != _MARKER or len(data) < _HEAD_BYTES:
            raise WireError(f"the record is not {self._name} in Avro's single-object encoding")
        schema = self._schemas.get(data[:_HEAD_BYTES])
        if schema is None:
            raise UnknownFormat(
                f"the {self._name} was written by a newer Syncline: upgrade this one to read on"
            )
        stream = io.BytesIO(data)
        stream.seek(_HEAD_BYTES)
        try:
            record = fastavro.schemaless_reader(stream, schema, self._newest, return_record_name=True)
        except Exception as error:
            raise WireError(f"the {self._name} cannot be decoded: {error}") from error
        if stream.read(1):
            raise WireError(f"the {self._name} has bytes after its end")
        if not isinstance(record, dict):
            raise WireError(f"the {self._name} is not a record")
        return record


def _plain(schema: Any) -> Any:  # noqa: ANN401 - an Avro schema is any JSON
    """The schema without logical types, which no fingerprint counts: `microseconds` is what our code works with."""
    if isinstance(schema, list):
        return [_plain(branch) for branch in schema]
    if isinstance(schema, dict):
        return {name: _plain(value) for name, value in schema.items() if name != "logicalType"}
    return schema


def _fingerprint(schema: dict[str, Any]) -> bytes:
    canonical = fastavro.schema.to_parsing_canonical_form(json.loads(json.dumps(schema)))
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
