"""Where figures go: results.json for machines, results.md for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import WORDS, Contest, cpu_us, rate
from benchmarks.finding import Finding


def write(contests: Sequence[Contest], findings: Sequence[Finding], folder: Path) -> str:
    """Write both files; returns the Markdown."""
    results: list[dict[str, object]] = [
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
    results += [
        {
            "figure": found.figure,
            "ours": _rounded(found.ours),
            "contender": _rounded(found.contender),
            "ratio": _rounded(found.ratio),
            "reach": found.reach,
            "better": found.better,
            "unit": found.unit,
        }
        for found in findings
    ]
    (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    tables = [table for table in (_contests(contests), _findings(findings)) if table]
    text = "\n".join(tables)
    (folder / "results.md").write_text(text)
    return text


def line(found: Finding) -> str:
    """One figure in a sentence."""
    reached = "reached" if found.is_reached else "NOT reached"
    return f"{found.figure}: {_figure(found)}, {_reach(found)}: {reached}. {found.means}"


def _contests(contests: Sequence[Contest]) -> str:
    if not contests:
        return ""
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


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    lines = ["| figure | measured | reach | reached | what it is |", "|---|---|---|---|---|"]
    for found in findings:
        reached = "yes" if found.is_reached else "no"
        lines.append(f"| {found.figure} | {_figure(found)} | {_reach(found)} | {reached} | {found.means} |")
    return "\n".join(lines) + "\n"


def _figure(found: Finding) -> str:
    ours = f"{found.ours:,.4g} {found.unit}"
    if found.contender is None:
        return ours
    return f"{ours} against {found.contender:,.4g}: {found.ratio:.3g}"


def _reach(found: Finding) -> str:
    limit = "at least" if found.better == "higher" else "at most"
    return f"{limit} {found.reach:g}" + (f" {found.unit}" if found.contender is None else "")


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
