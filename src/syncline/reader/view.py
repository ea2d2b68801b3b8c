"""One view of the active release, compiled: from a cell's bytes to a row of the release's own version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from syncline.errors import WireError
from syncline.reader.entity import EntityKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncline.catalog.serving import ServedSchema, ServedView
    from syncline.contracts.model import Contract
    from syncline.errors import Violation
    from syncline.reader.compiled import Compiled, ServedContract

Row = dict[str, Any]


class View:
    """One alias of the release."""

    def __init__(self, served: ServedView, schemas: Sequence[ServedSchema], compiled: Compiled) -> None:
        self.served = served
        self._compiled = compiled
        contract = compiled.contract(served.contract, topic=served.topic)
        self.contract = contract.contract
        self.max_age_us = min(
            (limit for limit in (served.max_age_us, contract.contract.max_age_us) if limit is not None),
            default=None,
        )
        kinds = {key.name: key.type for key in contract.contract.keys}
        self.keys = EntityKeys(
            [(asked, kinds[own]) for own, asked in served.keys], partitions=contract.contract.partitions
        )
        self._check = contract.check.check
        features = contract.contract.features
        self._wanted = [*kinds, contract.contract.event_time, *(feature.name for feature in features)]
        self._defaults = {feature.name: feature.default for feature in features if feature.has_default}
        major = f"{served.view}@{served.major}."
        self._schemas = {schema.schema_id: schema for schema in schemas if schema.reference.startswith(major)}
        self._written: dict[int, _Written] = {}

    def row(self, schema_id: int, payload: bytes) -> tuple[Row, Sequence[Broken]]:
        """The payload as a row of the served version, and every rule that it breaks.

        Rules of the served contract, and of the one that it was written by, where that is another (P5).

        A feature that the writer did not know has its default, and is absent where there is none. Values are as
        checks have them: days and moments are whole numbers.

        Raises:
            WireError: no version of this view has the schema id, or the payload is not of that schema.
        """
        written = self._written.get(schema_id)
        if written is None:
            written = self._written[schema_id] = self._written_by(schema_id)
        row = written.decode(payload)
        if written.contract is None:
            found = self._check(row)
            return row, _blamed(self.contract, found) if found else ()
        broken = _blamed(written.contract.contract, written.contract.check(row))
        row = {**self._defaults, **row}
        row = {name: row[name] for name in self._wanted if name in row}
        # What is wrong with features that are not served is about none that are.
        return row, [*_blamed(self.contract, self._check(row)), *broken]

    def reference(self, schema_id: int) -> str | None:
        """What a schema id names: `airport_delay@1.2`."""
        schema = self._schemas.get(schema_id)
        return None if schema is None else schema.reference

    def _written_by(self, schema_id: int) -> _Written:
        schema = self._schemas.get(schema_id)
        if schema is None:
            raise WireError(
                f"schema id {schema_id} is of no version of {self.served.view}@{self.served.major}"
            )
        decode = self._compiled.decoder(schema.avro_schema)
        if schema.reference == self.served.reference:
            return _Written(decode, None)
        return _Written(decode, self._compiled.contract(schema.contract, topic=self.served.topic))


class Broken(NamedTuple):
    """A rule that a row breaks."""

    features: tuple[str, ...]
    """The features that it is about; none means the whole row: its key, its event time, or a rule between those."""
    violation: Violation


class _Written(NamedTuple):
    """How rows of one schema id are read; no contract of their own where it is the served version's."""

    decode: Callable[[bytes], Row]
    contract: ServedContract | None


def _blamed(contract: Contract, violations: Sequence[Violation]) -> list[Broken]:
    return [Broken(contract.blamed(found.feature, found.rule), found) for found in violations]
