"""What would become of dead letters that are published again: judged anew, as an agent would judge them now.

What a letter's headers claim is never trusted: the bytes are judged, and they go only to the topic that the dead
letter topic belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from syncline.catalog.events import ViewVersionRegistered
from syncline.catalog.fold import Picture
from syncline.contracts.model import OnViolation
from syncline.errors import ContractViolation, Violation, WireError
from syncline.inspection.dead_letters import FoundLetter
from syncline.inspection.rewriting import Rewriter
from syncline.ports.log import Headers
from syncline.schema_book import SchemaBook
from syncline.state.rows import Rows
from syncline.state.verdict import judge
from syncline.state.view_schema import ViewSchema
from syncline.wire.control import is_control
from syncline.wire.framing import schema_id_of
from syncline.wire.keys import KEY_BYTES_MAX, partition_for

_ONE_JUDGEMENT = 5_000


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a letter would not be applied."""

    rule: str
    message: str
    holds: bool = False
    """It would not even become a dead letter: it would hold its partition."""

    @property
    def remedy(self) -> str:
        """What to do instead of publishing it again."""
        if self.rule == "unknown" and not self.holds:
            return _NO_SUCH_FEATURE
        if self.rule in _WIDENS:
            return _BY_WIDENING
        return _REMEDIES.get(self.rule, _RIGHT_VALUE)


@dataclass(frozen=True, slots=True)
class Prospect:
    """One letter, what would be published, and what an agent would make of it."""

    found: FoundLetter
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int
    fault: Fault | None = None
    observed: tuple[Violation, ...] = ()
    """Rules that it breaks although its contract lets it pass: these features would be served INVALID."""


class Replay:
    """Judges the letters of one feature topic as if they were published now."""

    def __init__(self, picture: Picture, topic: str, *, target: ViewVersionRegistered | None = None) -> None:
        """`target` is the version of the same MAJOR to write the rows anew under; without it bytes stay as they are.

        Raises:
            CatalogError: the catalog's contract for this topic is none that this program can use.
        """
        self.topic = topic
        self._book = SchemaBook()
        self._book.learn(picture)
        major = self._book.major(*picture.majors()[topic])
        self._fault_holds = major.fault_action is OnViolation.HALT
        # Under `halt` a judge stops at each fault; here every letter is to have its verdict.
        self._major = replace(major, fault_action=OnViolation.DEAD_LETTER)
        self._schemas = _Lenient(self._book)
        self._rewriter = Rewriter(picture, topic, target) if target else None

    def judge(self, letters: Sequence[FoundLetter], *, now_ms: int) -> Iterator[Prospect]:
        """A prospect for each letter, in their order. `now_ms` stands for the broker's timestamp, and for T."""
        for start in range(0, len(letters), _ONE_JUDGEMENT):
            prospects = [self._prepared(found) for found in letters[start : start + _ONE_JUDGEMENT]]
            by_partition: dict[int, list[int]] = {}
            for number, prospect in enumerate(prospects):
                if prospect.fault is None:
                    by_partition.setdefault(prospect.partition, []).append(number)
            for partition, numbers in by_partition.items():
                for number, prospect in self._judged(partition, numbers, prospects, now_ms):
                    prospects[number] = prospect
            yield from prospects

    def _prepared(self, found: FoundLetter) -> Prospect:
        """The letter as it would be published, with the faults that need no judge."""
        letter = found.letter
        key, value, headers = letter.key, letter.value, letter.headers
        home = 0 if not key or len(key) > KEY_BYTES_MAX else partition_for(key, self._major.partitions)
        prospect = Prospect(found, key, value, headers, home)
        if is_control(key, value):
            message = "it has the form of a control record, which only Syncline itself writes"
            return replace(prospect, fault=Fault("control", message))
        if self._rewriter is not None and value is not None:
            try:
                value, headers = self._rewriter.rewrite(value, headers)
            except WireError as error:
                return replace(prospect, fault=Fault("unreadable", str(error)))
            except ContractViolation as error:
                broken = [violation for _, violation in error.violations]
                message = "; ".join(map(str, broken))
                return replace(prospect, fault=Fault(broken[0].rule, f"under {error.view}: {message}"))
            prospect = replace(prospect, value=value, headers=headers)
        elif value is not None and Rewriter.is_json(headers):
            message = "the row is kept as JSON: it had no Avro form when its publisher rejected it"
            return replace(prospect, fault=Fault("json", message))
        schema_id = schema_id_of(value)
        if schema_id is not None and not (
            schema_id in self._book or schema_id in self._book.refusals.schemas
        ):
            message = f"schema id {schema_id} is not in the catalog"
            return replace(prospect, fault=Fault("unknown", message, holds=True))
        return prospect

    def _judged(
        self, partition: int, numbers: Sequence[int], prospects: Sequence[Prospect], now_ms: int
    ) -> Iterator[tuple[int, Prospect]]:
        chosen = [prospects[number] for number in numbers]
        rows = Rows(
            partition=partition,
            offsets=np.arange(len(chosen), dtype=np.int64),
            timestamps_ms=np.full(len(chosen), now_ms, np.int64),
            keys=[each.key for each in chosen],
            values=[each.value for each in chosen],
            headers={row: each.headers for row, each in enumerate(chosen) if each.headers},
        )
        verdict = judge(
            rows, t_ms=now_ms, major=self._major, schemas=self._schemas, passages=self._book.refusals
        )
        if verdict.stop is not None:
            raise AssertionError(f"nothing that stops a judge was to come here: {verdict.stop.reason}")
        for reject in verdict.rejects:
            schema_id = schema_id_of(chosen[reject.row].value)
            holds = self._fault_holds if schema_id not in self._book else self._schemas.halts(schema_id)
            fault = Fault(
                reject.reason.rule, reject.reason.message, holds and reject.reason.rule != "refused"
            )
            yield numbers[reject.row], replace(chosen[reject.row], fault=fault)
        observed: dict[int, list[Violation]] = {}
        for row, violation in verdict.observed:
            observed.setdefault(row, []).append(violation)
        for row, violations in observed.items():
            yield numbers[row], replace(chosen[row], observed=tuple(violations))


class _Lenient(Mapping[int, ViewSchema]):
    """The book's schemas, none of which stops a judge."""

    def __init__(self, book: SchemaBook) -> None:
        self._book = book
        self._made: dict[int, ViewSchema] = {}

    def halts(self, schema_id: int | None) -> bool:
        """Whether the schema's own contract says so."""
        return schema_id is not None and self._book[schema_id].contract.on_violation is OnViolation.HALT

    def __getitem__(self, schema_id: int) -> ViewSchema:
        made = self._made.get(schema_id)
        if made is None:
            made = self._book[schema_id]
            if made.contract.on_violation is OnViolation.HALT:
                made = replace(made, contract=replace(made.contract, on_violation=OnViolation.DEAD_LETTER))
            self._made[schema_id] = made
        return made

    def __contains__(self, schema_id: object) -> bool:
        return schema_id in self._book

    def __iter__(self) -> Iterator[int]:
        return iter(self._book)

    def __len__(self) -> int:
        return len(self._book)


_PUBLISH_ANEW = "these bytes can never be applied: let the job publish the update anew"
_BY_WIDENING = (
    "register a MINOR that allows it (`syncline apply --allow-widening --reason …`) and replay with `--as VERSION`, "
    "or let the job publish a right value"
)
_RIGHT_VALUE = "no MINOR can allow it: let the job publish a right value"
_NO_SUCH_FEATURE = (
    "register a MINOR that has the feature (`syncline apply`) and replay with `--as VERSION`, or let the job publish "
    "the row under its right name"
)
_OF_VALUES = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("enum", "minLength", "maxLength", "pattern"),
)
_WIDENS = frozenset(
    (*_OF_VALUES, "minItems", "maxItems", *(f"item{rule[0].upper()}{rule[1:]}" for rule in _OF_VALUES))
)
_REMEDIES = {
    "unknown": "register its contract with `syncline apply`, then replay it",
    "refused": "its schema id was refused for good: let the job publish the update anew under a registered version",
    "late": "it stays late, as T only rises: a later MAJOR may accept later arrivals",
    "ahead": "replay it once its event time has come",
    "json": "replay it with `--as VERSION` once a version can carry it, or let the job publish it anew",
    "control": "nothing is to be done about it",
    "key": _PUBLISH_ANEW,
    "partition": _PUBLISH_ANEW,
    "event_time": _PUBLISH_ANEW,
    "framing": _PUBLISH_ANEW,
    "schema": _PUBLISH_ANEW,
    "decode": _PUBLISH_ANEW,
    "unreadable": _PUBLISH_ANEW,
    "range": _PUBLISH_ANEW,
}
