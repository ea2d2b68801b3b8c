"""`make bench`, `make bench ONLY="agent cuts"`; `python -m benchmarks agent cuts`. `SHORT=1` only proves that it runs.

    agent, publish   against what people write by hand: the exit code is 1 where one of these ratios was missed
    cuts             how long a cut takes beyond its markers, at two rates
    reads            what cuts cost those who read
    digests          what the proof of sync costs the agent's hot path
    snapshots        restoring a million cells against replaying them
    verify           ten agents prove a hundred thousand cells each
    telemetry        what metrics and spans cost publisher, agent and reader

What the others miss is said, and changes no exit code.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks import cuts, digests, reads, report, snapshots, telemetry, verify
from benchmarks.cluster import apply_definitions, produce_flights
from benchmarks.contender import measure
from benchmarks.figures import GROUPS, WORDS, Contest, Group
from benchmarks.finding import Finding
from benchmarks.measurement import Measurement
from benchmarks.run import Run, Sizes

_CONTESTS: Mapping[str, Group] = {group.name: group for group in GROUPS}
_SUBJECTS: Mapping[str, Callable[[Run], Iterable[Finding]]] = {
    "cuts": cuts.measure,
    "reads": reads.measure,
    "digests": digests.measure,
    "snapshots": snapshots.measure,
    "verify": verify.measure,
    "telemetry": telemetry.measure,
}
NAMES = (*_CONTESTS, *_SUBJECTS)


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """Measure, write, print; 1 where a plain client was better, which the short form never says."""
    options = _parser(environment).parse_args(arguments)
    unknown = set(options.subjects) - set(NAMES)
    if unknown:
        print(f"no such subject: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 64
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    contests: list[Contest] = []
    findings: list[Finding] = []
    with ExitStack() as until:
        addresses = {"bootstrap_servers": options.bootstrap_servers, "registry_url": options.registry_url}
        run = Run(until, _sizes(options), folder, **addresses)
        groups = [group for name, group in _CONTESTS.items() if name in options.subjects]
        if groups:
            apply_definitions(run.place)
        for group in groups:
            measured = _measure_group(group, run)
            contests += [Contest.of(comparison, measured) for comparison in group.comparisons]
        for name, subject in _SUBJECTS.items():
            if name in options.subjects:
                for finding in subject(run):
                    findings.append(finding)
                    print(report.line(finding), file=sys.stderr, flush=True)
    print(report.write(contests, findings, folder))
    return 0 if options.short or all(contest.is_reached for contest in contests) else 1


def _measure_group(group: Group, run: Run) -> dict[str, list[Measurement]]:
    sizes = {"rows": run.sizes.rows}
    if group.name == "agent":
        sizes["keys"] = produce_flights(run.place, run.sizes.rows)
    measured: dict[str, list[Measurement]] = {name: [] for name in group.contenders}
    for number in range(run.sizes.rounds):
        # Whoever begins may find a colder cache: so each begins in turn.
        turn = number % len(group.contenders)
        for name in group.contenders[turn:] + group.contenders[:turn]:
            result = measure(name, run.place, work=run.folder, **sizes)
            measured[name].append(result)
            print(f"round {number + 1}: {WORDS[name]}: {result.rows_per_s:,.0f} rows/s", file=sys.stderr)
    return measured


def _sizes(options: argparse.Namespace) -> Sizes:
    asked = {"rows": options.rows, "rounds": options.rounds, "cuts": options.cuts, "cells": options.cells}
    return replace(
        Sizes.short() if options.short else Sizes(), **{name: value for name, value in asked.items() if value}
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    named = environment.get("ONLY", "").split()
    parser.add_argument("subjects", nargs="*", default=named or list(NAMES), metavar="SUBJECT")
    parser.add_argument("--rows", type=int, default=int(environment.get("ROWS", "0")))
    parser.add_argument("--rounds", type=int, default=int(environment.get("ROUNDS", "0")))
    parser.add_argument("--cuts", type=int, default=0, help="how many at each rate")
    parser.add_argument("--cells", type=int, default=0, help="of the snapshot")
    parser.add_argument("--short", action="store_true", default=bool(environment.get("SHORT")))
    parser.add_argument("--folder", type=Path, default=Path("build/bench"), help="where results are written")
    parser.add_argument("--bootstrap-servers", help="a Kafka that runs already; with --registry-url")
    parser.add_argument("--registry-url")
    return parser


if __name__ == "__main__":
    sys.exit(main())
