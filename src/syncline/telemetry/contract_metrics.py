"""How rows fared under their contracts, as counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from syncline.contracts.checks.tally import Action
from syncline.telemetry import names

if TYPE_CHECKING:
    from syncline.contracts.checks.tally import Tally
    from syncline.telemetry.metrics import Sample

_RESULTS = {
    Action.RAISED: names.RAISED,
    Action.DEAD_LETTERED: names.DEAD_LETTERED,
    Action.OBSERVED: names.OBSERVED,
    Action.HALTED: names.HALTED,
}


def contract_samples(totals: Tally) -> Iterator[Sample]:
    """All that was judged so far, as `syncline_contract_checks_total` and `syncline_contract_violations_total`."""
    judged, broken = dict(totals.judged), dict(totals.broken)
    for reference, count in judged.items():
        view, _, version = reference.partition("@")
        passed = max(0, count - broken.get(reference, 0))
        yield "syncline_contract_checks_total", (view, version, names.PASSED), passed
    for (reference, action), count in dict(totals.actions).items():
        view, _, version = reference.partition("@")
        result = _RESULTS.get(Action(action), action) if action in set(Action) else action
        yield "syncline_contract_checks_total", (view, version, result), count
    # A version has its own counts of checks; of what is broken, the view tells enough.
    violations: Counter[tuple[str, str, str]] = Counter()
    for (reference, feature, rule, _), count in dict(totals.violations).items():
        violations[reference.partition("@")[0], feature, rule] += count
    for labels, count in violations.items():
        yield "syncline_contract_violations_total", labels, count
