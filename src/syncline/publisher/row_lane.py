"""Rows one by one: whether each keeps its contract, its record key, and its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from syncline.contracts.checks.rows import compile_rows
from syncline.contracts.checks.shown import shown
from syncline.contracts.codec.encode import Encoder
from syncline.contracts.model import Contract
from syncline.errors import Violation, WireError
from syncline.publisher.canonical import Edge
from syncline.publisher.event_times import event_time_us
from syncline.publisher.terms import Window
from syncline.wire.framing import prefix
from syncline.wire.keys import KEY_BYTES_MAX, encode_key

BATCH_ROWS = 20_000
"""Rows that are judged and encoded at a time: enough to spread the cost of a column, few enough to stay in cache."""

_KNOWN_KEYS_MAX = 100_000
ABSENT = object()


@dataclass(slots=True)
class Faulty:
    """A row that breaks its contract. `key` is None where it has none."""

    number: int
    row: dict[str, Any]
    """In canonical values; an event time that is none is 0 here."""
    key: bytes | None
    violations: list[Violation]
    given_time: Any
    """The event time, as the job gave it where that is none; `ABSENT` where it gave nothing."""

    def told(self, event_time: str) -> dict[str, Any]:
        """The row with nothing in it that the job did not say."""
        told = {name: value for name, value in self.row.items() if name != event_time}
        return told if self.given_time is ABSENT else {**told, event_time: self.given_time}


@dataclass(slots=True)
class Judged:
    """The rows that keep the contract, as columns, and those that do not."""

    numbers: list[int] = field(default_factory=list)
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    times_us: list[int] = field(default_factory=list)
    faulty: list[Faulty] = field(default_factory=list)


class KnownKeys(dict[Any, bytes]):
    """Entity keys by the join keys' values: streams name the same entities again and again."""

    def __init__(self, *, single: bool) -> None:
        self._single = single

    def __missing__(self, values: Any) -> bytes:  # noqa: ANN401  one value, or a tuple of them
        """Encode the key, and remember it."""
        key = encode_key([values] if self._single else list(values))
        if len(self) >= _KNOWN_KEYS_MAX:
            self.clear()
        self[values] = key
        return key


class RowLane:
    """Judges and encodes the rows of one view version."""

    def __init__(self, contract: Contract, schema_id: int) -> None:
        self._contract = contract
        self._event_time = contract.event_time
        self._check = compile_rows(contract)
        self._encode = Encoder(contract).encode
        self._prefix = prefix(schema_id)
        self._edge = Edge(contract)
        self.converted = frozenset(self._edge.converters)
        """The features whose values a job has in another form than checks and encoders."""
        self._converts = bool(self.converted)
        self._has_defaults = any(feature.has_default for feature in contract.features)
        self._key_names = [key.name for key in contract.keys]
        self._values_of: Callable[[Mapping[str, Any]], Any] = itemgetter(*self._key_names)
        self.known_keys = KnownKeys(single=len(self._key_names) == 1)

    def ready(self, row: dict[str, Any], window: Window) -> tuple[dict[str, Any], bytes, int] | None:
        """(the whole row, its record key, its event time) of a row that keeps the contract; None for any other.

        `row` is the caller's to change: values in it are converted in place.
        """
        name = self._event_time
        try:
            time_us = row[name]
            if type(time_us) is not int:
                row[name] = time_us = event_time_us(time_us)
            if self._has_defaults:
                row = self._check.complete(row)
            if self._converts:
                self._edge.make_canonical(row)
            if self._check(row) or not window.earliest_us <= time_us <= window.latest_us:
                return None
            return row, self.known_keys[self._values_of(row)], time_us
        except (LookupError, TypeError, ValueError, WireError):
            return None

    def judge(
        self, rows: Iterable[Mapping[str, Any]], window: Window, passes: Callable[[Faulty], bool]
    ) -> Judged:
        """The verdict on each row: a mapping of the names of join keys, event time and features to their values.

        `passes` says of a row that breaks its contract whether it is published all the same.
        """
        judged = Judged()
        check, name, known_keys, values_of = self._check, self._event_time, self.known_keys, self._values_of
        earliest_us, latest_us, edge = window.earliest_us, window.latest_us, self._edge
        converts = self._converts
        completes = converts or self._has_defaults
        for number, given in enumerate(rows):
            row = given
            try:
                time_us = given[name]
                if completes or type(time_us) is not int:
                    row = check.complete(given)
                    row[name] = time_us = event_time_us(time_us)
                    if converts:
                        edge.make_canonical(row)
                if not check(row) and earliest_us <= time_us <= latest_us:
                    key = known_keys[values_of(row)]
                    judged.numbers.append(number)
                    judged.rows.append(row)
                    judged.keys.append(key)
                    judged.times_us.append(time_us)
                    continue
            except (LookupError, TypeError, ValueError, WireError):
                pass  # The reason is found, and told in full, by `explain`.
            faulty = self.explain(number, given, window)
            if faulty.key is None or (faulty.violations and not passes(faulty)):
                judged.faulty.append(faulty)
            else:
                judged.numbers.append(number)
                judged.rows.append(faulty.row)
                judged.keys.append(faulty.key)
                judged.times_us.append(faulty.row[name])
        return judged

    def explain(self, number: int, given: Mapping[str, Any], window: Window) -> Faulty:
        """Every rule that one row breaks."""
        if not isinstance(given, Mapping):
            raise TypeError(
                f"row {number} is a {type(given).__name__}; a row maps the names of join keys, event time and "
                "features to their values"
            )
        row = self._check.complete(given)
        self._edge.make_canonical(row)
        violations: list[Violation] = []
        given_time = row.get(self._event_time, ABSENT)
        row[self._event_time] = 0
        if given_time is ABSENT or given_time is None:
            rule = "missing" if given_time is ABSENT else "null"
            violations.append(
                Violation(self._event_time, rule, "a value", "nothing" if rule == "missing" else "null")
            )
        else:
            try:
                row[self._event_time] = given_time = event_time_us(given_time)
            except ValueError as error:
                violations.append(Violation(self._event_time, "type", str(error), shown(given_time)))
        found = self._edge.in_the_jobs_words(self._check(row))
        violations += found
        if not _names(violations, [self._event_time]):
            violations += window.judge(row[self._event_time])
        key, key_violation = self.key_of(row) if not _names(found, self._key_names) else (None, None)
        if key_violation is not None:
            violations.append(key_violation)
        return Faulty(number, row, key, violations, given_time)

    def key_of(self, row: Mapping[str, Any]) -> tuple[bytes | None, Violation | None]:
        """The record key of a row whose join keys have passed the check, or why there is none."""
        try:
            return self.known_keys[self._values_of(row)], None
        except WireError as error:
            limit = f"a key of 1 to {KEY_BYTES_MAX} bytes that does not start with a zero byte ({error})"
            found = shown(self._values_of(row))
            return None, Violation(", ".join(self._key_names), "key", limit, found)

    def encode_one(self, row: Mapping[str, Any]) -> bytes:
        """The record's value."""
        return self._encode(row, self._prefix)

    def encode(
        self, rows: Sequence[Mapping[str, Any]], times_us: Sequence[int], *, moved: bool
    ) -> list[bytes]:
        """The records' values; `moved` says that some event time is not the row's own."""
        encode, framing = self._encode, self._prefix
        if not moved:
            return [encode(row, framing) for row in rows]
        name = self._event_time
        return [
            encode(row if row[name] == time_us else {**row, name: time_us}, framing)
            for row, time_us in zip(rows, times_us, strict=True)
        ]


def _names(violations: Sequence[Violation], names: Sequence[str]) -> bool:
    return any(violation.feature in names for violation in violations)
