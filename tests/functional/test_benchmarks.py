"""The benchmarks run, and say what they measured in the form that is asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_FIELDS = {"figure", "ours", "contender", "ratio", "reach", "better", "unit"}


def _short_run(folder: Path, stack, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", "--short", "--rows", "20000", "--folder", str(folder)]
    command += ["--bootstrap-servers", stack.bootstrap_servers, "--registry-url", stack.registry_url]
    # Untraced: what is covered is not the question here, and tracing makes it several times slower.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        [*command, *more],
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


@pytest.mark.real
def test_contests_write_every_figure(stack, tmp_path):
    """The short form runs all contenders on a real Kafka and writes valid results, whatever their times are."""
    done = _short_run(tmp_path, stack, "agent", "publish")

    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert [result["figure"] for result in results] == [
        "agent",
        "publish_many from dicts",
        "publish_many from Arrow",
    ]
    for result in results:
        assert set(result) == _FIELDS
        assert result["ours"] > 0
        assert result["contender"] > 0
        assert result["ratio"] == pytest.approx(result["ours"] / result["contender"], rel=0.01)
        assert result["reach"] == 1.0
        assert result["better"] == "higher"
        assert result["unit"] == "rows/s"
    table = (tmp_path / "results.md").read_text()
    assert all(f"| {result['figure']} |" in table for result in results)


@pytest.mark.real
@pytest.mark.parametrize(
    ("subject", "figures", "compared"),
    [
        ("cuts", 1, False),
        ("reads", 1, True),
        ("digests", 3, True),
        ("snapshots", 1, True),
        ("verify", 1, False),
    ],
)
def test_each_subject_writes_its_figures(stack, tmp_path, subject, figures, compared):
    """Named alone, a subject is all that is measured; what it reaches is said, and is no failure."""
    done = _short_run(tmp_path, stack, subject)

    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert len(results) == figures
    for result in results:
        assert set(result) == _FIELDS
        assert (result["ratio"] is not None) == (result["contender"] is not None) == compared
        assert result["reach"] > 0
        assert result["better"] in ("higher", "lower")
    table = (tmp_path / "results.md").read_text()
    assert all(f"| {result['figure']} |" in table for result in results)


@pytest.mark.real
@pytest.mark.timeout(420)
def test_the_cost_of_telemetry_is_measured(stack, tmp_path):
    """Every role is compared with itself without telemetry; what has nothing to be compared with has a limit."""
    done = _short_run(tmp_path, stack, "telemetry")

    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    compared = {result["figure"]: result for result in results if result["contender"] is not None}
    limited = {result["figure"]: result for result in results if result["contender"] is None}
    roles = ("publish_many from dicts", "publish_many from Arrow", "publish one by one", "agent", "fold")
    with_telemetry = {f"{role}, {extent}" for role in roles for extent in ("metrics", "metrics and spans")}
    assert set(compared) == with_telemetry | {"all of 1,000 rows/s traced, folded"}
    for result in compared.values():
        assert set(result) == _FIELDS
        assert result["ratio"] == pytest.approx(result["ours"] / result["contender"], rel=0.01)
        assert 0 < result["reach"] < 1
        assert result["better"] == "higher"
    assert set(limited) == {
        "all of 1,000 rows/s traced, lag",
        "all of 1,000 rows/s traced, agent",
        "get, what telemetry adds",
    }
    for result in limited.values():
        assert result["reach"] > 0
        assert result["better"] == "lower"


def test_an_unknown_subject_is_refused():
    """A name that is no subject is a usage error, and the ones there are are named."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "agents"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 64
    assert "no such subject: agents" in done.stderr
