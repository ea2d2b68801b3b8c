"""Violations as publishers and agents reported them, over all their windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from syncline.telemetry.violations import AGENT, PUBLISHER, ViolationCounts


class Broken(NamedTuple):
    """One rule of one view version, and what became of the rows that broke it."""

    view_version: str
    feature: str
    rule: str
    action: str


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """How often one rule was broken, by the publishers' verdicts or by those of one consumer's agents."""

    broken: Broken
    consumer: str | None
    """Whose agents counted; None: publishers did."""
    count: int
    rows_judged: int
    """Of the view version, by whoever counted `count`."""
    reporters: tuple[str, ...]
    newest_window_us: tuple[int, int]
    """The last window in which it was broken: start and end."""

    @property
    def share(self) -> float:
        """Of the judged rows, 0 to 1; 1 where broken rows were counted, and judged ones were not."""
        return min(1.0, self.count / self.rows_judged) if self.rows_judged else 1.0


@dataclass(frozen=True, slots=True)
class ViewSummary:
    """How many rows of a view version were judged, by publishers or by one consumer's agents."""

    view_version: str
    consumer: str | None
    rows_judged: int
    rows_broken: int
    reporters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Violations:
    """All windows together. Publishers are added up; of a consumer's agents the one that counted most stands.

    Every replica judges every record, so agents added up would count each record once a replica.
    """

    since_us: int | None
    """The start of the oldest window; None where there is none."""
    views: tuple[ViewSummary, ...]
    rules: tuple[RuleSummary, ...]
    """The most frequent first."""


@dataclass(slots=True)
class _Sums:
    """One reporter's counts over its windows."""

    judged: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    rules: Counter[Broken] = field(default_factory=Counter)


@dataclass(slots=True)
class _Side:
    """The publishers, or the agents of one consumer."""

    consumer: str | None
    reporters: dict[str, _Sums] = field(default_factory=dict)
    newest_us: dict[Broken, tuple[int, int]] = field(default_factory=dict)

    def take(self, counts: ViolationCounts) -> None:
        sums = self.reporters.setdefault(counts.reporter.name, _Sums())
        window_us = (counts.window_start_us, counts.window_end_us)
        for view in counts.views:
            sums.judged[view.view_version] += view.rows_judged
            sums.broken[view.view_version] += view.rows_broken
            for found in view.violations:
                broken = Broken(view.view_version, found.feature, found.rule, found.action)
                sums.rules[broken] += found.count
                self.newest_us[broken] = max(window_us, self.newest_us.get(broken, window_us))

    def view(self, version: str) -> ViewSummary:
        who = {name: sums for name, sums in self.reporters.items() if version in sums.judged}
        counted = self._standing(who.values(), lambda sums: sums.judged[version])
        return ViewSummary(
            version,
            self.consumer,
            sum(sums.judged[version] for sums in counted),
            sum(sums.broken[version] for sums in counted),
            tuple(sorted(who)),
        )

    def rule(self, broken: Broken) -> RuleSummary:
        version = broken.view_version
        # All that judged the view, also those that saw no row break the rule: it is a share of their rows, too.
        judges = [sums for sums in self.reporters.values() if version in sums.judged]
        counted = self._standing(judges, lambda sums: sums.rules[broken])
        return RuleSummary(
            broken,
            self.consumer,
            sum(sums.rules[broken] for sums in counted),
            sum(sums.judged[version] for sums in counted),
            tuple(sorted(name for name, sums in self.reporters.items() if sums.rules[broken])),
            self.newest_us[broken],
        )

    def _standing(self, sums: Iterable[_Sums], count: Callable[[_Sums], int]) -> list[_Sums]:
        """Whose counts stand: every publisher's, or those of the agent that counted most."""
        return list(sums) if self.consumer is None else [max(sums, key=count)]


def sum_up(
    reports: Iterable[ViolationCounts], *, from_us: int | None = None, consumer: str | None = None
) -> Violations:
    """All windows that end after `from_us`; of agents, only those of `consumer` where one is named."""
    sides: dict[str | None, _Side] = {}
    since_us: int | None = None
    for counts in reports:
        kind, of = counts.reporter.kind, counts.reporter.consumer
        if kind not in (PUBLISHER, AGENT) or (from_us is not None and counts.window_end_us <= from_us):
            continue
        if kind == AGENT and consumer not in (None, of):
            continue
        side = None if kind == PUBLISHER else of
        sides.setdefault(side, _Side(side)).take(counts)
        since_us = counts.window_start_us if since_us is None else min(since_us, counts.window_start_us)
    views = [
        side.view(version)
        for side in sides.values()
        for version in {version for sums in side.reporters.values() for version in sums.judged}
    ]
    rules = [side.rule(broken) for side in sides.values() for broken in side.newest_us]
    return Violations(
        since_us,
        tuple(sorted(views, key=lambda view: (view.view_version, view.consumer or ""))),
        tuple(sorted(rules, key=lambda rule: (-rule.count, rule.broken, rule.consumer or ""))),
    )
