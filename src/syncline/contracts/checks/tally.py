"""How rows fared under their contracts, as counts: what publishers and agents report of violations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from syncline.errors import Violation

_FOREIGN_NAMES = frozenset(("unknown",))
"""Rules whose violations name what the contract does not know: a job's own text, which may hold anything."""


class Action(StrEnum):
    """What became of a row that broke a rule."""

    RAISED = "raised"
    """The publisher refused the call that it was in."""
    DEAD_LETTERED = "deadLettered"
    OBSERVED = "observed"
    """It was published, or folded, all the same."""
    HALTED = "halted"
    """The agent's partition holds at it."""


class Tally:
    """Counts of verdicts by view version (`airport_delay@1.3`). No values, and no names but the contract's own.

    `judged` and `broken` count rows; `violations` counts broken rules by (view version, feature, rule, action), each
    at most once a row; `actions` counts broken rows by (view version, action).
    """

    __slots__ = ("actions", "broken", "judged", "violations")

    def __init__(self) -> None:
        self.judged: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.violations: Counter[tuple[str, str, str, str]] = Counter()
        self.actions: Counter[tuple[str, str]] = Counter()

    def add_judged(self, view_version: str, rows: int) -> None:
        """Rows were judged, those that broke a rule among them."""
        if rows:
            self.judged[view_version] += rows

    def add_broken(self, view_version: str, violations: Iterable[Violation], action: Action) -> None:
        """One of the judged rows broke these rules."""
        self.broken[view_version] += 1
        self.actions[view_version, action] += 1
        # Once a row: else a share of the judged rows could pass 1.
        for feature, rule in {(_named(found), found.rule) for found in violations}:
            self.violations[view_version, feature, rule, action] += 1


def _named(violation: Violation) -> str:
    return "" if violation.rule in _FOREIGN_NAMES else violation.feature
