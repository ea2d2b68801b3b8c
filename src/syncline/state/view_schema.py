"""What a schema id means: the contract it carries, compiled once into a decoder and both forms of the checks."""

from __future__ import annotations

import json
from dataclasses import dataclass

from syncline.contracts.checks.columns import ColumnCheck, compile_columns
from syncline.contracts.checks.rows import RowCheck, compile_rows
from syncline.contracts.codec.decode import Decoder
from syncline.contracts.model import Contract, OnViolation
from syncline.contracts.odcs.document import contract_from_document
from syncline.wire.topics import prefix_of


@dataclass(frozen=True, slots=True)
class ViewSchema:
    """One schema id, ready to judge records by."""

    schema_id: int
    contract: Contract
    decoder: Decoder
    check_columns: ColumnCheck
    check_row: RowCheck

    @classmethod
    def compile(cls, *, schema_id: int, contract_json: str, avro_schema: str, topic: str) -> ViewSchema:
        """The schema as the catalog's record gives it; `topic` is where its records stand."""
        contract = contract_from_document(json.loads(contract_json), prefix=prefix_of(topic))
        return cls(
            schema_id, contract, Decoder(avro_schema), compile_columns(contract), compile_rows(contract)
        )


@dataclass(frozen=True, slots=True)
class ViewMajor:
    """What all versions of a view MAJOR have in common: the topic, and the rules bound to it."""

    view: str
    major: int
    topic: str
    partitions: int
    max_ahead_us: int
    late_arrival_us: int | None
    integer_keys: tuple[bool, ...]
    """Per join key, in order: whether it is an integer."""
    key_names: tuple[str, ...]
    fault_action: OnViolation
    """What happens to a record that names no schema of this MAJOR: as the MAJOR's first version says, for good."""

    @classmethod
    def of(cls, first: Contract) -> ViewMajor:
        """The MAJOR whose first version has this contract."""
        return cls(
            view=first.view,
            major=first.version.major,
            topic=first.topic,
            partitions=first.partitions,
            max_ahead_us=first.max_ahead_us,
            late_arrival_us=first.late_arrival_us,
            integer_keys=tuple(key.type != "string" for key in first.keys),
            key_names=tuple(key.name for key in first.keys),
            fault_action=first.on_violation,
        )
