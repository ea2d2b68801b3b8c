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
        timeout=170,
        check=False,
    )


@pytest.mark.real
def test_short_form_writes_every_figure(stack, tmp_path):
    """The short form runs all contenders on a real Kafka and writes valid results, whatever their times are."""
    done = _short_run(tmp_path, stack)

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
def test_only_measures_the_group_named(stack, tmp_path):
    """`--only` leaves the other figures out."""
    done = _short_run(tmp_path, stack, "--only", "publish_many")

    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert {result["figure"] for result in results} == {"publish_many from dicts", "publish_many from Arrow"}
