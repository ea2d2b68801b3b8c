"""Why nothing new is served, on a real Kafka: nothing published, publisher stalled, broker down, agent behind, held."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from syncline.inspection.fleet import read_reports
from syncline.inspection.reading import read_to_end
from syncline.inspection.waiting import Limits, Verdict, Waiting, waits
from syncline.wire.framing import prefix as framing
from syncline.wire.keys import encode_key
from tests.integration.telemetry_world import AIRPORT, Flights, awaited
from tests.stack.jaeger import Jaeger
from tests.stack.ports import free_port
from tests.stack.stack import KafkaServer, Stack

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

S = 1_000_000
BEAT_S = 0.5
SHORT = Limits(
    silent_us=4 * S, contact_us=4 * S, behind_us=0, stalled_us=3 * S, partition_us=60 * S, quiet_us=3 * S
)
"""Times that a test can wait for; agents report, and publishers send heartbeats, every half second."""


@pytest.fixture
def flights(stack: Stack, jaeger: Jaeger, prefix: str, tmp_path: Path) -> Flights:
    """The demo's definitions."""
    return Flights(stack, jaeger, prefix.rstrip("-"), tmp_path)


def asked(flights: Flights, topic: str, limits: Limits = SHORT) -> Waiting | None:
    """What the topic waits for, by the newest report; None before there is one."""
    reports = read_reports(flights.log, flights.topics.reports, last=None)
    now_us = time.time_ns() // 1_000
    return next(
        (each for each in waits(reports.agents, now_us=now_us, limits=limits) if each.topic == topic), None
    )


def answered(flights: Flights, verdict: Verdict, topic: str = "", **limits: int) -> str:
    """The sentence of this verdict, once it is the answer."""
    told: list[Waiting | None] = []

    def told_so() -> str:
        found = asked(flights, topic or flights.topic, Limits(**{**_as_given(SHORT), **limits}))
        told.append(found)
        return found.sentence if found is not None and found.verdict is verdict else ""

    try:
        return str(awaited(told_so, verdict))
    except AssertionError:
        pytest.fail(f"{verdict} never came: {told[-1]}")


def _as_given(limits: Limits) -> dict[str, int]:
    return {name: getattr(limits, name) for name in Limits.__slots__}


def publish(view: Any, count: int, *, age_s: float = 0.0) -> None:
    """So many updates of one airport, of a moment ago."""
    at_us = time.time_ns() // 1_000 - round(age_s * S)
    rows = [{"airport": "EWR", "event_time": at_us + number, **AIRPORT} for number in range(count)]
    view.publish_many(rows)


def test_each_reason_has_its_own_answer(flights: Flights) -> None:
    """Up to date, nothing published, agent behind, publisher stalled after 30 s, foreign updates: five answers."""
    with flights.agent(SYNCLINE_BATCH_ROWS="20") as agent:
        with flights.publisher(heartbeat_interval_s=BEAT_S) as publisher:
            view = publisher.view("airport_delay")
            publish(view, 3)
            publisher.flush()
            assert answered(flights, Verdict.UP_TO_DATE, quiet_us=600 * S).startswith("up to date")
            planes = flights.topics.features("aircraft", 1)
            assert "no publisher was heard" in answered(flights, Verdict.UNHEARD, planes)

            said = answered(flights, Verdict.QUIET)
            assert "nothing published for" in said
            assert "its publishers are alive (heartbeat " in said

            agent.send_signal(signal.SIGSTOP)
            publish(view, 6_000)
            publisher.flush()
            assert "no report of the agent" in answered(flights, Verdict.SILENT)
            agent.send_signal(signal.SIGCONT)
            said = answered(flights, Verdict.BEHIND)
            assert " records, the oldest waits " in said
            answered(flights, Verdict.UP_TO_DATE, quiet_us=600 * S)
        closed_s = time.monotonic()
        assert answered(flights, Verdict.STALLED).startswith("publisher stalled: no heartbeat for ")
        time.sleep(max(0.0, 28 - (time.monotonic() - closed_s)))
        document = _stalled_by_default(flights)
        assert time.monotonic() - closed_s > 28
        _shown_in_full(document, flights.topic)

        _append_as_others_do(flights)
        assert "though no heartbeat has for" in answered(flights, Verdict.UP_TO_DATE, stalled_us=10 * S)


def _stalled_by_default(flights: Flights) -> dict[str, Any]:
    """The document in which `syncline status` itself says so: it waits 30 s for a heartbeat."""

    def document() -> dict[str, Any] | None:
        done = flights.syncline("status", "--output", "json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        told = [each for each in found["waiting"] if each["topic"] == flights.topic]
        assert {each["verdict"] for each in told} <= {"quiet", "up_to_date", "stalled"}
        return found if told[0]["verdict"] == "stalled" else None

    return dict(awaited(document, "a publisher that stalled"))


def _shown_in_full(document: dict[str, Any], topic: str) -> None:
    (agent,) = document["agents"]
    (told,) = [each for each in document["waiting"] if each["topic"] == topic]
    partitions = [each for each in agent["partitions"] if each["topic"] == topic]

    assert document["format_version"] == 1
    assert told["agent"] == agent["agent"]
    assert re.fullmatch(r"publisher stalled: no heartbeat for \d+ s", told["sentence"])
    assert agent["cohort"].startswith("delay-predictor")
    assert agent["freshness"].keys() >= {topic}
    assert agent["reported_at_us"] - agent["contact_us"] < 10 * S
    assert {each["lag_seconds"] for each in partitions} == {0}
    for name in ("heartbeat_us", "published_us"):
        assert all(0 < agent["reported_at_us"] - each[name] < 100 * S for each in partitions)


def _append_as_others_do(flights: Flights) -> None:
    """An update without any heartbeat: what stands in the log, once more."""
    records = read_to_end(flights.log, flights.topic)
    sent = next(record for record in records if record.value is not None)
    writer = flights.log.writer(client_id="others")
    writer.append(flights.topic, key=sent.key, value=sent.value)
    writer.close(10)


def test_a_held_partition_says_where_and_why(flights: Flights) -> None:
    """A record of a schema that nobody knows holds its partition, and that is neither lag nor a stall."""
    with flights.agent(), flights.publisher(heartbeat_interval_s=BEAT_S) as publisher:
        publish(publisher.view("airport_delay"), 1)
        publisher.flush()
        answered(flights, Verdict.UP_TO_DATE, quiet_us=600 * S)
        writer = flights.log.writer(client_id="others")
        writer.append(flights.topic, key=encode_key(("EWR",)), value=framing(999_999) + b"body")
        writer.close(10)

        said = answered(flights, Verdict.HELD)

        assert said.startswith("held: partition ")
        assert "999999" in said
        shown = flights.syncline("status").stdout
        assert f"{flights.topic}: held: partition " in shown


def test_a_broker_that_is_down_is_one_clear_error(flights: Flights) -> None:
    """Nothing listens there: address and meaning within seconds, exit 1, no traceback."""
    address = f"127.0.0.1:{free_port()}"

    began_s = time.monotonic()
    done = flights.syncline("status", "--bootstrap-servers", address, "--output", "json")

    assert time.monotonic() - began_s < 30  # starting Python included, on a busy machine
    assert done.returncode == 1
    assert f"broker down: none answers at {address} within 4 s" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert json.loads(done.stdout)["error"]["kind"] == "LogUnavailable"


def test_a_broker_that_does_not_answer_is_down(flights: Flights, kafka: KafkaServer) -> None:
    """It takes connections and says nothing: the same answer in the same time."""
    kafka.pause()
    try:
        began_s = time.monotonic()
        done = flights.syncline("status")
        took_s = time.monotonic() - began_s
    finally:
        kafka.resume()

    assert took_s < 30
    assert done.returncode == 1
    assert done.stderr.startswith("syncline: broker down: none answers at ")
