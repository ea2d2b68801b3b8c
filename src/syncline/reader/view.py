"""One view of the active release, compiled: from a cell's bytes to a row of the release's own version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from syncline.contracts.decode_row import RowDecoder
from syncline.contracts.document import contract_from_document
from syncline.contracts.rows import compile_rows
from syncline.errors import WireError
from syncline.reader.entity import EntityKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syncline.catalog.serving import ServedSchema, ServedView
    from syncline.contracts.model import Contract
    from syncline.contracts.rows import RowCheck
    from syncline.errors import Violation

Row = dict[str, Any]


class ServedContract:
    """A contract with its check: what all aliases of one view version share."""

    def __init__(self, text: str, *, topic: str) -> None:
        self.contract: Contract = contract_from_document(
            json.loads(text), prefix=topic.split(".features.", 1)[0]
        )
        self.check: RowCheck = compile_rows(self.contract)


class View:
    """One alias of the release."""

    def __init__(self, served: ServedView, contract: ServedContract, schemas: Sequence[ServedSchema]) -> None:
        self.served = served
        self.contract = contract.contract
        self.max_age_us = min(
            (limit for limit in (served.max_age_us, contract.contract.max_age_us) if limit is not None),
            default=None,
        )
        kinds = {key.name: key.type for key in contract.contract.keys}
        self.keys = EntityKeys(
            [(asked, kinds[own]) for own, asked in served.keys], partitions=contract.contract.partitions
        )
        self._check = contract.check
        major = f"{served.view}@{served.major}."
        self._schemas = {schema.schema_id: schema for schema in schemas if schema.reference.startswith(major)}
        self._decoders: dict[int, Callable[[bytes], Row]] = {}

    def row(self, schema_id: int, payload: bytes) -> tuple[Row, Sequence[Violation]]:
        """The payload as a row of the served version, and every rule of its contract that it breaks.

        A feature that the writer did not know has its default, and is absent where there is none.

        Raises:
            WireError: no version of this view has the schema id, or the payload is not of that schema.
        """
        decode = self._decoders.get(schema_id)
        if decode is None:
            decode = self._decoders[schema_id] = self._decoder(schema_id)
        row = decode(payload)
        return row, self._check(row)

    def reference(self, schema_id: int) -> str | None:
        """What a schema id names: `airport_delay@1.2`."""
        schema = self._schemas.get(schema_id)
        return None if schema is None else schema.reference

    def _decoder(self, schema_id: int) -> Callable[[bytes], Row]:
        schema = self._schemas.get(schema_id)
        if schema is None:
            raise WireError(
                f"schema id {schema_id} is of no version of {self.served.view}@{self.served.major}"
            )
        decode = RowDecoder(schema.avro_schema)
        if schema.reference == self.served.reference:
            return decode
        return _projection(decode, self.contract)


def _projection(decode: Callable[[bytes], Row], contract: Contract) -> Callable[[bytes], Row]:
    wanted = [key.name for key in contract.keys] + [contract.event_time] + [f.name for f in contract.features]
    defaults: Mapping[str, Any] = {f.name: f.default for f in contract.features if f.has_default}

    def project(payload: bytes) -> Row:
        row = {**defaults, **decode(payload)}
        return {name: row[name] for name in wanted if name in row}

    return project
