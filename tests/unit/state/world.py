"""A small feature view, its schemas, and records for it: what the tests of the fold are played with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from syncline.contracts.codec.avro import avro_text, contract_hash
from syncline.contracts.codec.encode import Encoder
from syncline.contracts.model import Contract
from syncline.contracts.odcs.document import contract_from_document
from syncline.state.rows import Rows
from syncline.state.view_schema import ViewMajor, ViewSchema
from syncline.wire.framing import prefix as framing
from syncline.wire.headers import encode_time
from syncline.wire.keys import encode_key, partition_for

MINUTE_MS = 60_000
NOW_MS = 1_700_000_000_000
"""About when the records of these tests arrive."""


def document(
    *,
    view: str = "delay",
    version: str = "1.0.0",
    keys: Sequence[tuple[str, str]] = (("airport", "string"),),
    partitions: int = 1,
    late_arrival: str | None = None,
    max_ahead: str | None = None,
    on_violation: str = "deadLetter",
    extra: bool = False,
    frequency_h: int | None = None,
) -> dict[str, Any]:
    """An ODCS document with one bounded required number, one nullable number, and `extra` of a later MINOR."""
    properties: list[dict[str, Any]] = [
        {
            "name": name,
            "logicalType": "string" if kind == "string" else "integer",
            "physicalType": kind,
            "required": True,
            "primaryKey": True,
            "primaryKeyPosition": place + 1,
        }
        for place, (name, kind) in enumerate(keys)
    ]
    properties += [
        {"name": "event_time", "logicalType": "timestamp", "required": True},
        {
            "name": "mean",
            "logicalType": "number",
            "physicalType": "double",
            "required": True,
            "logicalTypeOptions": {"minimum": -100, "maximum": 100},
            "customProperties": [{"property": "unit", "value": "min"}],
        },
        {
            "name": "count",
            "logicalType": "integer",
            "physicalType": "long",
            "required": False,
            "logicalTypeOptions": {"minimum": 0, "maximum": 1_000},
            "customProperties": [
                {"property": "unit", "value": "1"},
                {"property": "syncline.default", "value": None},
            ],
        },
    ]
    if extra:
        properties.append(
            {
                "name": "extra",
                "logicalType": "string",
                "physicalType": "string",
                "required": False,
                "customProperties": [{"property": "syncline.default", "value": None}],
            }
        )
    custom: list[dict[str, Any]] = [
        {"property": "syncline.partitions", "value": partitions},
        {"property": "syncline.onViolation", "value": on_violation},
        {"property": "syncline.maxAge", "value": "3 d"},
    ]
    if late_arrival is not None:
        custom.append({"property": "syncline.lateArrival", "value": late_arrival})
    if max_ahead is not None:
        custom.append({"property": "syncline.maxAhead", "value": max_ahead})
    return {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": view,
        "name": view,
        "version": version,
        "status": "active",
        "team": {"name": "tests"},
        "description": {"purpose": "Tests.", "usage": "Tests.", "limitations": "None."},
        "schema": [
            {
                "name": view,
                "logicalType": "object",
                "physicalType": "topic",
                "properties": properties,
            }
        ],
        "slaProperties": [{"property": "retention", "value": 7, "unit": "d"}],
        "customProperties": custom,
    }


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the view under a schema id, with what its records look like."""

    schema_id: int
    contract: Contract
    schema: ViewSchema
    encoder: Encoder

    @classmethod
    def make(cls, schema_id: int, *, prefix: str = "syncline", **stated: Any) -> Version:
        """The version that the document so stated describes."""
        import json

        contract = contract_from_document(document(**stated), prefix=prefix)
        schema = ViewSchema.compile(
            schema_id=schema_id,
            contract_json=json.dumps(contract.document, default=str),
            avro_schema=avro_text(contract),
            topic=contract.topic,
        )
        return cls(schema_id, contract, schema, Encoder(contract))

    @property
    def hash(self) -> str:
        """The contract's hash."""
        return contract_hash(self.contract)

    def body(self, airport: str = "EWR", *, at_us: int, **values: Any) -> bytes:
        """The Avro body of a row."""
        row = {"airport": airport, "event_time": at_us, "mean": 1.5, "count": 3}
        if any(feature.name == "extra" for feature in self.contract.features):
            row["extra"] = None
        return self.encoder.encode({**row, **values})

    def value(self, airport: str = "EWR", *, at_us: int, **values: Any) -> bytes:
        """The framed value of a row."""
        return framing(self.schema_id) + self.body(airport, at_us=at_us, **values)

    def record(self, airport: str = "EWR", *, at_us: int, ms: int | None = None, **values: Any) -> Record:
        """A good record."""
        stamp = at_us // 1_000 if ms is None else ms
        return Record(encode_key([airport]), self.value(airport, at_us=at_us, **values), ms=stamp)


@dataclass(frozen=True, slots=True)
class Record:
    """One record as the log holds it."""

    key: bytes | None
    value: bytes | None
    ms: int
    headers: tuple[tuple[str, bytes | None], ...] = ()


def delete(airport: str = "EWR", *, at_us: int, ms: int | None = None) -> Record:
    """A delete."""
    headers = (("ce_time", encode_time(at_us)),)
    return Record(encode_key([airport]), None, at_us // 1_000 if ms is None else ms, headers)


def marker(cut_id: int, *, ms: int) -> Record:
    """A marker."""
    return Record(b"\x00syncline.cut.%d" % cut_id, None, ms)


def heartbeat(*, ms: int) -> Record:
    """A heartbeat."""
    headers = (("syncline-watermark-us", b"1"), ("syncline-published", b"2"))
    return Record(b"\x00syncline.heartbeat.job", None, ms, headers)


def rows(records: Sequence[Record], *, partition: int = 0, first: int = 0, step: int = 1) -> Rows:
    """The records as columns, from offset `first` on."""
    return Rows(
        partition=partition,
        offsets=np.arange(len(records), dtype=np.int64) * step + first,
        timestamps_ms=np.array([record.ms for record in records], np.int64),
        keys=[record.key for record in records],
        values=[record.value for record in records],
        headers={row: record.headers for row, record in enumerate(records) if record.headers},
    )


def major_of(*versions: Version) -> ViewMajor:
    """The MAJOR of these versions, ascending."""
    return ViewMajor.of(versions[0].contract)


def airports_of(partition: int, partitions: int, count: int) -> list[str]:
    """So many airports whose keys belong to this partition."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        name = f"A{number}"
        if partition_for(name.encode(), partitions) == partition:
            found.append(name)
        number += 1
    return found
