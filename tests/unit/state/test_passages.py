"""How a judge takes an operator's decision to pass records by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from syncline.state.passages import NONE, Passage, Passages
from syncline.state.verdict import judge
from syncline.wire.framing import prefix as framing
from tests.unit.state.world import NOW_MS, Record, Version, major_of, marker, rows

LAX = Version.make(7)
STRICT = Version.make(7, on_violation="halt")
GOOD = LAX.record(at_us=NOW_MS * 1_000)
BROKEN = LAX.record(at_us=NOW_MS * 1_000, mean=500.0)
UNKNOWN = Record(b"EWR", framing(99) + b"x", NOW_MS)
SKIP = Passage("skipped", 5, "ada", "INC-7")
REFUSAL = Passage("refused", 6, "bob", "junk")


def judged(records: list[Record], passages: Passages = NONE, version: Version = LAX, **placed: Any) -> Any:
    """The verdict, with only the first version known."""
    return judge(
        rows(records, **placed),
        t_ms=-1,
        major=major_of(version),
        schemas={7: version.schema},
        passages=passages,
    )


def told(verdict: Any) -> list[tuple[int, str]]:
    """(row, rule) of every reject."""
    return [(each.row, each.reason.rule) for each in verdict.rejects]


def test_offsets_are_the_logs_and_not_row_numbers() -> None:
    """Offsets have holes: a skip names the record's own, and one that names a hole passes nothing."""
    at_six = judged([GOOD, UNKNOWN, GOOD], Passages({6: SKIP}), first=4, step=2)
    in_a_hole = judged([GOOD, UNKNOWN, GOOD], Passages({5: SKIP}), first=4, step=2)

    assert (told(at_six), at_six.rows, at_six.stop) == ([(1, "skipped")], 3, None)
    assert (told(in_a_hole), in_a_hole.rows) == ([], 1)


def test_the_first_record_that_nobody_passed_holds() -> None:
    """What stands before it is judged, the passed ones among it."""
    verdict = judged([UNKNOWN, GOOD, UNKNOWN, GOOD], Passages({0: SKIP}))

    assert (told(verdict), verdict.rows, len(verdict.updates)) == ([(0, "skipped")], 2, 1)
    assert verdict.stop.row == 2
    assert "syncline skip" in verdict.stop.reason


@pytest.mark.parametrize(
    ("skip_at", "refusal_at", "rule"),
    [(5, None, "skipped"), (None, 6, "refused"), (5, 6, "skipped"), (7, 6, "refused")],
)
def test_of_two_ways_past_a_record_the_first_is_named(
    skip_at: int | None, refusal_at: int | None, rule: str
) -> None:
    """All agents' letters say the same, whichever of the two each met first."""
    passages = Passages(
        {} if skip_at is None else {0: Passage("skipped", skip_at, "ada", "x")},
        {} if refusal_at is None else {99: Passage("refused", refusal_at, "bob", "y")},
    )

    (reject,) = judged([UNKNOWN], passages).rejects

    assert reject.reason.rule == rule


def test_a_skip_is_not_looked_at_where_the_record_does_not_hold() -> None:
    """A good record is folded, a broken one has its own reason, a marker is stood at."""
    passages = Passages(dict.fromkeys(range(3), SKIP), known_since={7: 1})

    verdict = judged([GOOD, BROKEN, marker(3, ms=NOW_MS)], passages)

    assert (told(verdict), len(verdict.updates)) == ([(1, "maximum")], 1)
    assert verdict.stop.marker


def test_a_skip_before_the_registration_passes_even_a_good_record() -> None:
    """It held when that was decided: who knows the schema by now must say the same."""
    early = judged([GOOD], Passages({0: SKIP}, known_since={7: 9}))
    late = judged([GOOD], Passages({0: SKIP}, known_since={7: 4}))

    assert (told(early), len(early.updates)) == ([(0, "skipped")], 0)
    assert (told(late), len(late.updates)) == ([], 1)


def test_a_passed_record_counts_for_t_and_is_no_violation_of_a_contract() -> None:
    """T counts every record; the windows of violations count only what a contract judged."""
    verdict = judged([Record(b"EWR", UNKNOWN.value, NOW_MS + 7)], Passages(schemas={99: REFUSAL}))

    assert verdict.t_ms == NOW_MS + 7
    assert not any(verdict.tally.judged.values())


def test_under_halt_only_the_skipped_record_is_passed() -> None:
    """The next broken one holds; without a skip the first does."""
    broken = STRICT.record(at_us=NOW_MS * 1_000, mean=500.0)

    verdict = judged([broken, GOOD, broken], Passages({0: SKIP}, known_since={7: 1}), STRICT)

    assert (told(verdict), verdict.rows, verdict.stop.row) == ([(0, "skipped")], 2, 2)
    assert "halt at offset 2" in verdict.stop.reason
    (reason,) = [each.reason for each in verdict.rejects]
    assert reason.message.startswith("skipped by ada at catalog offset 5: INC-7; it breaks mean: maximum")


def test_where_nobody_decided_anything_nothing_is_looked_for() -> None:
    """The hot path: no passages are falsy, and a batch without rows has none."""
    assert not NONE
    assert not Passages(known_since={7: 1})
    assert Passages({1: SKIP}).before_registration(np.empty(0, np.int64), np.empty(0, np.int64)) == {}
