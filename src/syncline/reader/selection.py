"""What a read asks for, compiled: the features of some aliases under the names of the result."""

from __future__ import annotations

from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from syncline.contracts.durations import format_duration
from syncline.contracts.model import WhenStale
from syncline.errors import StaleFeature, StoreCorrupt, WireError
from syncline.reader.natural import natural
from syncline.reader.source import Source
from syncline.reader.status import Status
from syncline.state.cell import Cell, unpack_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syncline.contracts.model import Feature
    from syncline.reader.view import Broken, Row, View

NO_REASONS: Mapping[str, str] = MappingProxyType({})


class Resolved(NamedTuple):
    """What one cell comes to at one moment: values and statuses in the order of the selected features."""

    values: tuple[Any, ...]
    statuses: tuple[Status, ...]
    cell: Cell | None
    """None where there is none, or it is damaged."""
    partition: int
    reasons: Mapping[str, str]
    """Feature → why it is INVALID."""


class SelectedView:
    """Some features of one alias, ready to be read from its cells."""

    def __init__(self, view: View, features: Sequence[str], names: Sequence[str]) -> None:
        self.view = view
        self.alias = view.served.alias
        self.topic = view.served.topic
        self.name = view.served.view
        self.locate = view.keys.locate
        self.features = tuple(features)
        self.names = tuple(names)
        """What the features are called in the result."""
        self.max_age_us = view.max_age_us
        self._pick = itemgetter(*self.features)
        self._natural: tuple[tuple[int, Callable[[Any], Any]], ...] = tuple(
            (place, convert)
            for place, name in enumerate(self.features)
            if (convert := natural(self.feature(name))) is not None
        )
        """The features whose values are handed out in another form than they are checked in."""
        self._nulls = (None,) * len(self.features)
        self._all = {status: (status,) * len(self.features) for status in Status}

    def resolve(self, key: bytes, packed: bytes | None, *, partition: int, now_us: int) -> Resolved:
        """What the cell of `key` comes to at `now_us`; whatever is damaged or breaks the contract is INVALID (P5).

        Raises:
            StaleFeature: the cell is older than allowed, and the contract says `refuse`.
        """
        if packed is None:
            return Resolved(self._nulls, self._all[Status.NOT_FOUND], None, partition, NO_REASONS)
        try:
            cell = unpack_cell(key, packed)
        except StoreCorrupt as error:
            return self._invalid(str(error), None, partition)
        if cell.deleted:
            return Resolved(self._nulls, self._all[Status.NOT_FOUND], cell, partition, NO_REASONS)
        try:
            row, violations = self.view.row(cell.schema_id, cell.payload)
        except WireError as error:
            return self._invalid(str(error), cell, partition)
        if violations:
            found = self._judged(row, violations, cell, partition)
        else:
            picked = self._pick(row)
            values = picked if len(self.features) > 1 else (picked,)
            if self._natural:
                values = self._handed_out(values)
            statuses = self._all[Status.PRESENT]
            if None in values:
                statuses = tuple([Status.NULL_VALUE if value is None else Status.PRESENT for value in values])
            found = Resolved(values, statuses, cell, partition, NO_REASONS)
        # An event time ahead of this clock makes the age negative: nothing is younger than now, so never stale.
        if self.max_age_us is not None and now_us - cell.event_time_us > self.max_age_us:
            return self._stale(found, now_us - cell.event_time_us, self.max_age_us)
        return found

    def source(self, resolved: Resolved) -> Source:
        """The record behind what was resolved."""
        cell = resolved.cell
        served = self.view.served
        if cell is None:
            return Source(self.alias, served.reference, self.topic, resolved.partition)
        return Source(
            self.alias,
            served.reference,
            self.topic,
            resolved.partition,
            cell.offset,
            None if cell.deleted else cell.schema_id,
            None if cell.deleted else self.view.reference(cell.schema_id),
            cell.event_time_us,
            cell.deleted,
        )

    def feature(self, name: str) -> Feature:
        """What the release's contract says of a feature."""
        feature = self.view.contract.feature(name)
        assert feature is not None, "a release names features of its contracts only"
        return feature

    def _handed_out(self, checked: Sequence[Any]) -> tuple[Any, ...]:
        """The values as they are handed out, from those that checks have."""
        values = list(checked)
        for place, convert in self._natural:
            if values[place] is not None:
                values[place] = convert(values[place])
        return tuple(values)

    def _invalid(self, reason: str, cell: Cell | None, partition: int) -> Resolved:
        reasons = dict.fromkeys(self.features, reason)
        return Resolved(self._nulls, self._all[Status.INVALID], cell, partition, reasons)

    def _judged(self, row: Row, violations: Sequence[Broken], cell: Cell, partition: int) -> Resolved:
        """A row of which some features break the contract; a broken key or event time takes all with it."""
        broken: dict[str, str] = {}
        for blamed, violation in violations:
            if not blamed:
                return self._invalid(str(violation), cell, partition)
            for name in blamed:
                broken.setdefault(name, str(violation))
        values = self._handed_out([None if name in broken else row[name] for name in self.features])
        statuses = [
            Status.INVALID if name in broken else Status.NULL_VALUE if value is None else Status.PRESENT
            for name, value in zip(self.features, values, strict=True)
        ]
        reasons = {name: broken[name] for name in self.features if name in broken}
        return Resolved(values, tuple(statuses), cell, partition, reasons)

    def _stale(self, found: Resolved, age_us: int, limit_us: int) -> Resolved:
        contract = self.view.contract
        match contract.when_stale:
            case WhenStale.REFUSE:
                raise StaleFeature(
                    f"{self.alias} ({contract.reference}) is {age_us / 1_000_000:.6f} s old, at most "
                    f"{format_duration(limit_us)} is allowed, and its contract says `refuse`: find out why no newer "
                    "update came, or ask without these features"
                )
            case WhenStale.FLAG:
                instead: Sequence[Any] = found.values
            case WhenStale.NULL:
                instead = self._nulls
            case WhenStale.DEFAULT:
                instead = self._handed_out([self.feature(name).default for name in self.features])
        invalid = [status is Status.INVALID for status in found.statuses]
        values = tuple([None if bad else value for value, bad in zip(instead, invalid, strict=True)])
        statuses = tuple([Status.INVALID if bad else Status.OUTSIDE_MAX_AGE for bad in invalid])
        return found._replace(values=values, statuses=statuses)


class Selection(NamedTuple):
    """The selected features of a release, in the order in which they were asked for."""

    views: tuple[SelectedView, ...]
    names: tuple[str, ...]
    """All result names, in order."""
    names_by_view: tuple[str, ...]
    """The same names, in the order of the views."""
    keys: frozenset[str]
    """The join keys, by request name, that must be given."""
    known_keys: frozenset[str]
    """The join keys of the whole bundle: they may be given."""
