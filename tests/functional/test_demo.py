"""`syncline demo` as a person runs it: on the embedded broker, and on a real cluster with the whole year."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.stack.stack import Stack

WHOLE_YEAR_ROWS = 1_300_000
"""336,776 flights make more updates than this."""


def run_demo(*arguments: str, prefix: str | None = None, traced: bool = True) -> str:
    """The demo's output; it must end well. Tracing what is covered makes each of its processes several times slower."""
    unwanted = ("SYNCLINE_",) if traced else ("SYNCLINE_", "COVERAGE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    if prefix is not None:
        environment["SYNCLINE_PREFIX"] = prefix
    done = subprocess.run(
        [sys.executable, "-m", "syncline", "demo", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_story(output: str) -> None:
    """What every run of the demo has to show."""
    assert "0 failed, 0 unknown" in output
    assert "6 of 6" in output
    assert "3 of 3" in output
    assert "Equal digests at equal offsets" in output
    assert re.search(r"flight_inputs@1, and the record behind each value", output)
    assert re.search(r"airport_delay@1\.0 \d+:\d+", output), "a value names its record"
    assert "1048.36058, expected <= 250" in output, "the broken wind gauge of 12 February 2013"
    assert "PRESENT" in output


@pytest.mark.timeout(420)
def test_the_demo_tells_its_story_without_any_server() -> None:
    """P1, P2, P5: flights published, two agents with equal digests, dead letters with reasons, model inputs."""
    output = run_demo()

    assert_story(output)
    assert "\x1b" not in output, "no colours and no cursor movements off a terminal"


@pytest.mark.real
@pytest.mark.timeout(420)
def test_the_demo_plays_the_whole_year_on_a_real_cluster(stack: Stack, prefix: str) -> None:
    """All 336,776 flights of 2013 through real Kafka and a real registry, and both agents agree."""
    output = run_demo(
        *("--bootstrap-servers", stack.bootstrap_servers, "--registry", stack.registry_url),
        prefix=prefix,
        traced=False,
    )

    assert_story(output)
    published = re.search(r"([\d,]+) updates \(", output)
    assert published is not None
    assert int(published[1].replace(",", "")) > WHOLE_YEAR_ROWS
