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
    assert re.search(r"flight_inputs@2, and the record behind each value", output)
    assert re.search(r"airport_delay@1\.1 \d+:\d+", output), "a value names its record"
    assert "1048.36058, expected <= 250" in output, "the broken wind gauge of 12 February 2013"
    assert "PRESENT" in output


def assert_changes(output: str) -> None:
    """A MINOR and a MAJOR at one cut each, one rollback, and a model that read all the while."""
    assert "+ movements_1h: it was added" in output
    assert "dep_delay_mean_1h: its unit was min and is s now" in output
    assert re.findall(r"What comes after is served under (flight_inputs@\d) only", output) == [
        "flight_inputs@2",
        "flight_inputs@3",
    ]
    assert (
        len(re.findall(r"Cut \d+: both agents switched with all records before these offsets", output)) == 2
    )
    assert output.count("There they held the same state, by digest") == 2
    # Each of both agents' digests of the state at the cut: of three topics, then of four.
    assert len(re.findall(r"  ([0-9a-f]{16})  \1\n", re.sub(r" +\n", "\n", output))) == 3 + 4 + 4
    assert re.search(r"rolled back: flight_inputs@2 is live", output)
    assert re.search(r"IN SYNC: flight_inputs: 2 agents hold the same state in 15 partitions", output)
    rows = re.findall(
        r"(flight_inputs@\d)  airport_delay@(\d\.\d), in (\w+) +([\d,]+) +([\d,]+) +(\d+) ", output
    )
    assert [row[:3] for row in rows] == [
        ("flight_inputs@1", "1.0", "min"),
        ("flight_inputs@2", "1.1", "min"),
        ("flight_inputs@3", "2.0", "s"),
    ]
    assert all(int(count.replace(",", "")) >= 200 for row in rows for count in row[3:5])
    assert {row[5] for row in rows} == {"0"}, "no input mixed releases"


@pytest.mark.timeout(420)
def test_the_demo_tells_its_story_without_any_server() -> None:
    """P1, P2, P4, P5: flights published, two agents with equal digests at every cut, dead letters, model inputs."""
    output = run_demo()

    assert_story(output)
    assert_changes(output)
    assert "\x1b" not in output, "no colours and no cursor movements off a terminal"


@pytest.mark.real
@pytest.mark.timeout(420)
def test_the_demo_plays_the_whole_year_on_a_real_cluster(stack: Stack, prefix: str) -> None:
    """P4: all 336,776 flights of 2013 through real Kafka and a real registry; both agents agree at every cut."""
    output = run_demo(
        *("--bootstrap-servers", stack.bootstrap_servers, "--registry", stack.registry_url),
        prefix=prefix,
        traced=False,
    )

    assert_story(output)
    assert_changes(output)
    published = re.search(r"([\d,]+) updates \(", output)
    assert published is not None
    assert int(published[1].replace(",", "")) > WHOLE_YEAR_ROWS
