"""A store as an agent would leave it, written by hand: contracts, cells, the served release."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from syncline.catalog.serving import (
    META_AGENT,
    META_SERVING,
    AgentCondition,
    ServedSchema,
    ServedView,
    Serving,
)
from syncline.clock import ManualClock
from syncline.contracts.checks.rows import compile_rows
from syncline.contracts.codec.avro import avro_text
from syncline.contracts.codec.encode import Encoder
from syncline.contracts.odcs.document import contract_from_document
from syncline.reader import FeatureReader
from syncline.state.cell import pack_cells
from syncline.state.partition import PartitionState, PartitionWrite
from syncline.wire.keys import encode_key, partition_for

if TYPE_CHECKING:
    from syncline.contracts.model import Contract
    from syncline.ports.store import Store

NOW_US = 1_700_000_000_000_000
SECOND_US = 1_000_000


def number(name: str, *, low: float = -100, high: float = 1_000, **settings: Any) -> dict[str, Any]:
    """A double; `settings` are `default` or `redact`."""
    return {
        "name": name,
        "logicalType": "number",
        "physicalType": "double",
        "required": False,
        "logicalTypeOptions": {"minimum": low, "maximum": high},
        "customProperties": [
            {"property": f"syncline.{key}", "value": value} for key, value in settings.items()
        ],
    }


def plain(name: str, logical: str, physical: str, *, required: bool = False) -> dict[str, Any]:
    """A feature without limits."""
    return {"name": name, "logicalType": logical, "physicalType": physical, "required": required}


def contract(
    view: str,
    *features: dict[str, Any],
    version: str = "1.0.0",
    keys: tuple[tuple[str, str], ...] = (("airport", "string"),),
    **settings: Any,
) -> Contract:
    """A contract as the catalog would give it; `settings` are `maxAge`, `whenStale`, ..."""
    document = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": view,
        "version": version,
        "status": "active",
        "team": {"name": "ops"},
        "schema": [
            {
                "name": view,
                "logicalType": "object",
                "physicalType": "topic",
                "properties": [
                    *(
                        {
                            "name": name,
                            "logicalType": kind,
                            "required": True,
                            "primaryKey": True,
                            "primaryKeyPosition": at,
                        }
                        for at, (name, kind) in enumerate(keys, start=1)
                    ),
                    {"name": "event_time", "logicalType": "timestamp", "required": True},
                    *features,
                ],
            }
        ],
        "customProperties": [
            {"property": f"syncline.{key}", "value": value}
            for key, value in ({"partitions": 3} | settings).items()
        ],
    }
    return contract_from_document(document)


@dataclass(frozen=True, slots=True)
class Alias:
    """One view of the bundle."""

    name: str
    contract: Contract
    asked: tuple[str, ...]
    """What the request calls the join keys, in order."""
    features: tuple[str, ...] | None = None
    max_age_us: int | None = None


@dataclass(slots=True)
class World:
    """Writes a store, and reads it."""

    store: Store
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW_US))
    schema_ids: dict[str, int] = field(default_factory=dict)
    next_offset: int = 0

    def reader(self) -> FeatureReader:
        """A reader of this store."""
        return FeatureReader(self.store, clock=self.clock)

    def schema_id(self, of: Contract) -> int:
        """The id that the registry gave this version."""
        return self.schema_ids.setdefault(of.reference, 100 + len(self.schema_ids))

    def serve(
        self, *aliases: Alias, others: tuple[Contract, ...] = (), release: int = 1, epoch: int = 5
    ) -> None:
        """Release `flight_inputs`; `others` are further versions of its views."""
        contracts = [alias.contract for alias in aliases] + list(others)
        serving = Serving(
            bundle="flight_inputs",
            release=release,
            epoch=epoch,
            cut=None,
            consumer="delay-predictor",
            views=tuple(
                ServedView(
                    alias=alias.name,
                    view=alias.contract.view,
                    major=alias.contract.version.major,
                    minor=alias.contract.version.minor,
                    topic=alias.contract.topic,
                    keys=tuple(zip((key.name for key in alias.contract.keys), alias.asked, strict=True)),
                    features=alias.features or tuple(feature.name for feature in alias.contract.features),
                    contract=json.dumps(alias.contract.document),
                    max_age_us=alias.max_age_us,
                )
                for alias in aliases
            ),
            schemas=tuple(
                {
                    self.schema_id(one): ServedSchema(
                        self.schema_id(one), one.reference, avro_text(one), json.dumps(one.document)
                    )
                    for one in contracts
                }.values()
            ),
        )
        self.store.commit([], {META_SERVING: serving.pack()})

    def report(self, state: str = "LIVE", *, ready: bool = True, reason: str = "") -> None:
        """What the agent says of itself."""
        condition = AgentCondition("predictor-0", state, reason, ready, self.clock.now_us())
        self.store.commit([], {META_AGENT: condition.pack()})

    def put(
        self, of: Contract, *key: str | int, age_us: int = 0, schema_id: int | None = None, **values: Any
    ) -> None:
        """Apply an update with an event `age_us` ago; omitted features have their defaults, else null."""
        row = dict(zip((join.name for join in of.keys), key, strict=True))
        row |= {"event_time": self.clock.now_us() - age_us}
        row |= {feature.name: None for feature in of.features if not feature.has_default}
        payload = Encoder(of).encode(compile_rows(of).complete(row | values))
        self.apply(
            of, key, payload, age_us=age_us, schema_id=self.schema_id(of) if schema_id is None else schema_id
        )

    def delete(self, of: Contract, *key: str | int, age_us: int = 0) -> None:
        """Apply a delete."""
        self.apply(of, key, b"", age_us=age_us, schema_id=0, deleted=True)

    def apply(
        self,
        of: Contract,
        key: tuple[str | int, ...],
        payload: bytes,
        *,
        age_us: int,
        schema_id: int,
        deleted: bool = False,
    ) -> None:
        """Write one cell."""
        record_key = encode_key(key)
        packed, _ = pack_cells(
            [record_key],
            event_times_us=np.array([self.clock.now_us() - age_us], np.int64),
            offsets=np.array([self.next_offset], np.int64),
            deleted=np.array([deleted]),
            schema_ids=np.array([schema_id], np.int64),
            payloads=[payload],
        )
        self.next_offset += 1
        self.overwrite(of, *key, packed=packed[0])

    def stored(self, of: Contract, *key: str | int) -> bytes:
        """The cell's bytes."""
        record_key = encode_key(key)
        with self.store.snapshot() as snapshot:
            packed = snapshot.cell(of.topic, partition_for(record_key, of.partitions), record_key)
        assert packed is not None
        return packed

    def overwrite(self, of: Contract, *key: str | int, packed: bytes) -> None:
        """Put these bytes where the cell is."""
        record_key = encode_key(key)
        partition = partition_for(record_key, of.partitions)
        self.store.commit([PartitionWrite(of.topic, partition, PartitionState(), [record_key], [packed])])
