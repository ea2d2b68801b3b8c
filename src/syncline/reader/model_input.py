"""One model input: values, and all that a model may want to know of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

from syncline.clock import from_us

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncline.catalog.serving import Serving
    from syncline.reader.selection import Resolved, SelectedView, Selection
    from syncline.reader.source import Source
    from syncline.reader.status import Status


@dataclass(frozen=True, slots=True)
class ModelInput:
    """The features of one request, all of one release and of one moment of the store (P4)."""

    values: dict[str, Any]
    """Result name → value, in the order of the bundle or of the features asked for.

    Dates are `datetime.date`, timestamps aware datetimes in UTC, lists and vectors lists, maps dicts.
    """
    statuses: dict[str, Status]
    read_at_us: int
    """When it was read: microseconds since the epoch, by the reader's clock. Ages are relative to it."""
    _serving: Serving
    _selection: Selection
    _resolved: tuple[Resolved, ...]

    @classmethod
    def of(
        cls, serving: Serving, selection: Selection, resolved: tuple[Resolved, ...], *, read_at_us: int
    ) -> ModelInput:
        """The model input that the resolved views make up."""
        values = dict(
            zip(selection.names_by_view, chain.from_iterable([one.values for one in resolved]), strict=True)
        )
        statuses = dict(
            zip(selection.names_by_view, chain.from_iterable([one.statuses for one in resolved]), strict=True)
        )
        if selection.names != selection.names_by_view:
            values = {name: values[name] for name in selection.names}
            statuses = {name: statuses[name] for name in selection.names}
        return cls(values, statuses, read_at_us, serving, selection, resolved)

    @property
    def release(self) -> str:
        """`flight_inputs@7`."""
        return f"{self._serving.bundle}@{self._serving.release}"

    @property
    def epoch(self) -> int:
        """Catalog offset of what the agent enacted last."""
        return self._serving.epoch

    @property
    def cut(self) -> int | None:
        """The cut that introduced the release; None for a bundle's first."""
        return self._serving.cut

    @property
    def ages(self) -> dict[str, timedelta | None]:
        """Result name → time since the event, never below zero; None where nothing readable is stored."""
        return self._by_name(lambda _, found: age_of(found, self.read_at_us))

    @property
    def event_times(self) -> dict[str, datetime | None]:
        """Result name → event time, UTC; None where nothing readable is stored."""
        return self._by_name(lambda _, found: event_time_of(found))

    @property
    def max_ages(self) -> dict[str, timedelta | None]:
        """Result name → the age beyond which the value is stale: the stricter of contract and subscription."""
        return self._by_name(
            lambda view, _: None if view.max_age_us is None else timedelta(microseconds=view.max_age_us)
        )

    @property
    def sources(self) -> dict[str, Source]:
        """Alias → where its values came from."""
        return {
            view.alias: view.source(found)
            for view, found in zip(self._selection.views, self._resolved, strict=True)
        }

    @property
    def sources_by_feature(self) -> dict[str, Source]:
        """Result name → where its value came from."""
        return self._by_name(lambda view, found: view.source(found))

    @property
    def reasons(self) -> dict[str, str]:
        """Result name → why it is INVALID, for those that are."""
        return {
            name: found.reasons[feature]
            for view, found in zip(self._selection.views, self._resolved, strict=True)
            for name, feature in zip(view.names, view.features, strict=True)
            if feature in found.reasons
        }

    def _by_name(self, what: Callable[[SelectedView, Resolved], Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for view, resolved in zip(self._selection.views, self._resolved, strict=True):
            found.update(dict.fromkeys(view.names, what(view, resolved)))
        return {name: found[name] for name in self._selection.names}


def age_of(resolved: Resolved, now_us: int) -> timedelta | None:
    """The age of what was resolved."""
    us = age_us_of(resolved, now_us)
    return None if us is None else timedelta(microseconds=us)


def age_us_of(resolved: Resolved, now_us: int) -> int | None:
    """The age in microseconds: never understated by this clock, and never below zero (P7)."""
    us = event_time_us_of(resolved)
    return None if us is None else max(0, now_us - us)


def event_time_of(resolved: Resolved) -> datetime | None:
    """The event time of what was resolved."""
    us = event_time_us_of(resolved)
    return None if us is None else from_us(us)


def event_time_us_of(resolved: Resolved) -> int | None:
    """The event time in microseconds since the epoch; None for a deleted entity too, which has no value to be old."""
    cell = resolved.cell
    return None if cell is None or cell.deleted else cell.event_time_us
