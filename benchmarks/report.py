"""Where figures go: results.json for machines, results.md for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import WORDS, Contest, cpu_us, rate


def write(contests: Sequence[Contest], folder: Path) -> str:
    """Write both files; returns the Markdown."""
    results = [
        {
            "figure": contest.comparison.figure,
            "ours": round(rate(contest.ours)),
            "contender": round(rate(contest.theirs)),
            "ratio": round(contest.ratio, 3),
            "reach": contest.comparison.reach,
            "better": "higher",
            "unit": "rows/s",
        }
        for contest in contests
    ]
    (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    table = _table(contests)
    (folder / "results.md").write_text(table)
    return table


def _table(contests: Sequence[Contest]) -> str:
    lines = [
        "| figure | ours, rows/s (CPU µs a row) | contender, rows/s (CPU µs a row) | ratio | rounds | reach |",
        "|---|---|---|---|---|---|",
    ]
    for contest in contests:
        comparison, (least, most) = contest.comparison, contest.spread
        ours = f"{rate(contest.ours):,.0f} ({cpu_us(contest.ours):.2f})"
        theirs = f"{WORDS[comparison.contender]}: {rate(contest.theirs):,.0f} ({cpu_us(contest.theirs):.2f})"
        rounds = f"{least:.2f} to {most:.2f} in {len(contest.ours)}"
        ratio = f"{contest.ratio:.2f}" + ("" if contest.is_reached else " (not reached)")
        lines.append(
            f"| {comparison.figure} | {ours} | {theirs} | {ratio} | {rounds} | {comparison.reach:g} |"
        )
    return "\n".join(lines) + "\n"
