"""A document's service levels (`slaProperties`): freshness, cadence, retention and lifecycle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncline.contracts.durations import duration_us, format_duration, parse_duration
from syncline.contracts.model import FeatureType
from syncline.contracts.moments import date_of, parse_moment
from syncline.contracts.nearest import close_to

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from syncline.contracts.odcs.located import Findings, Path

_DURATIONS = ("frequency", "retention", "latency")
_READ = (*_DURATIONS, "endOfSupport")
_CLOSE = 0.8


@dataclass(slots=True)
class ServiceLevels:
    """What the service levels say, durations in microseconds; `places` tells where each stands."""

    durations: dict[str, int] = field(default_factory=dict)
    end_of_support: date | None = None
    places: dict[str, Path] = field(default_factory=dict)


def read_service_levels(document: Mapping[str, Any], view: str | None, findings: Findings) -> ServiceLevels:
    """The service levels that are read here; those for other tools pass, misspelt ones and wrong ones are noted."""
    levels = ServiceLevels()
    slas = document.get("slaProperties")
    for number, sla in enumerate(slas if isinstance(slas, list) else ()):
        name = sla.get("property") if isinstance(sla, dict) else None
        if not isinstance(name, str):
            continue
        path: Path = ("slaProperties", number)
        if name not in _READ:
            _check_spelling(name, path, findings)
            continue
        if name in levels.places:
            findings.add(path, "duplicate-sla", f"`{name}` stands here twice", "Keep one of them")
        levels.places[name] = path
        if sla.get("element", view) != view:
            message = "a service level of a part of the view is not supported"
            remedy = "Remove `element`, or give that part a view of its own"
            findings.add((*path, "element"), "not-supported", message, remedy)
        if name == "endOfSupport":
            levels.end_of_support = _date(sla.get("value"), (*path, "value"), findings)
        else:
            us = _duration(sla, path, findings)
            if us is not None:
                levels.durations[name] = us
    return levels


def find_contradictions(
    levels: ServiceLevels,
    *,
    max_age: tuple[int, Path] | None,
    late_arrival: tuple[int, Path] | None,
    findings: Findings,
) -> None:
    """Note promises that cannot hold together; `max_age` and `late_arrival` come with their places."""
    frequency, latency = levels.durations.get("frequency"), levels.durations.get("latency")
    if max_age is not None and frequency is not None and max_age[0] < frequency:
        findings.add(
            max_age[1],
            "contradiction",
            f"every value would be stale before the next one comes, after {format_duration(frequency)}",
            "Make `syncline.maxAge` longer than the frequency, or the frequency shorter",
        )
    if max_age is not None and latency is not None and max_age[0] <= latency:
        findings.add(
            max_age[1],
            "contradiction",
            f"a value may be stale when it arrives, after a latency of {format_duration(latency)}",
            "Make `syncline.maxAge` longer than the latency, or the latency shorter",
        )
    if late_arrival is not None and latency is not None and late_arrival[0] < latency:
        findings.add(
            late_arrival[1],
            "contradiction",
            f"values that keep the latency of {format_duration(latency)} would be refused as late",
            "Make `syncline.lateArrival` longer than the latency, or the latency shorter",
        )


def _check_spelling(name: str, path: Path, findings: Findings) -> None:
    by_lower = {known.lower(): known for known in _READ}
    close = close_to(name.lower(), by_lower, cutoff=_CLOSE)
    if close is not None:
        remedy = f"Did you mean `{by_lower[close]}`?"
        findings.add(
            (*path, "property"), "unknown-sla", f"`{name}` is no service level that is read here", remedy
        )


def _duration(sla: Mapping[str, Any], path: Path, findings: Findings) -> int | None:
    value, unit = sla.get("value"), sla.get("unit")
    try:
        if isinstance(value, str) and unit is None:
            return parse_duration(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(unit, str):
            raise ValueError(f"{value!r:.40} with the unit {unit!r:.40} is no duration")  # noqa: TRY301, TRY004  one remedy for all
        return duration_us(value, unit)
    except ValueError as error:
        findings.add((*path, "value"), "duration", str(error), "Write `value: 5, unit: min`")
        return None


def _date(value: object, path: Path, findings: Findings) -> date | None:
    try:
        return date_of(parse_moment(value if isinstance(value, str) else "", FeatureType.DATE))
    except ValueError:
        findings.add(path, "date", f"{value!r:.40} is no date", "Write a date such as 2027-03-01")
        return None
