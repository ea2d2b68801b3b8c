"""`make bench`, `make bench ONLY=agent ROWS=1000000 ROUNDS=5`; `SHORT=1` only proves that it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.cluster import Place, apply_definitions, produce_flights, servers
from benchmarks.contender import measure
from benchmarks.figures import GROUPS, WORDS, Contest, Group
from benchmarks.measurement import Measurement

_ROWS, _ROUNDS = 400_000, 3
_SHORT_ROWS = 50_000


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """Measure, write, print; 1 where a reach was missed, which the short form never says."""
    options = _parser(environment).parse_args(arguments)
    rows = options.rows or (_SHORT_ROWS if options.short else _ROWS)
    rounds = options.rounds or (1 if options.short else _ROUNDS)
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    contests: list[Contest] = []
    with servers(options.bootstrap_servers, options.registry_url) as place:
        apply_definitions(place)
        for group in GROUPS:
            if options.only in (None, group.name):
                measured = _measure_group(group, place, rows=rows, rounds=rounds, folder=folder)
                contests += [Contest.of(comparison, measured) for comparison in group.comparisons]
    print(report.write(contests, folder))
    return 0 if options.short or all(contest.is_reached for contest in contests) else 1


def _measure_group(
    group: Group, place: Place, *, rows: int, rounds: int, folder: Path
) -> dict[str, list[Measurement]]:
    sizes = {"rows": rows}
    if group.name == "agent":
        sizes["keys"] = produce_flights(place, rows)
    measured: dict[str, list[Measurement]] = {name: [] for name in group.contenders}
    for number in range(rounds):
        # Whoever begins may find a colder cache: so each begins in turn.
        turn = number % len(group.contenders)
        for name in group.contenders[turn:] + group.contenders[:turn]:
            result = measure(name, place, work=folder, **sizes)
            measured[name].append(result)
            print(f"round {number + 1}: {WORDS[name]}: {result.rows_per_s:,.0f} rows/s", file=sys.stderr)
    return measured


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [group.name for group in GROUPS]
    parser.add_argument("--only", choices=names, default=environment.get("ONLY"))
    parser.add_argument("--rows", type=int, default=int(environment.get("ROWS", "0")))
    parser.add_argument("--rounds", type=int, default=int(environment.get("ROUNDS", "0")))
    parser.add_argument("--short", action="store_true", default=bool(environment.get("SHORT")))
    parser.add_argument("--folder", type=Path, default=Path("build/bench"), help="where results are written")
    parser.add_argument("--bootstrap-servers", help="a Kafka that runs already; with --registry-url")
    parser.add_argument("--registry-url")
    return parser


if __name__ == "__main__":
    sys.exit(main())
