"""`syncline trace` on a real Kafka with a real Jaeger: the spans of one value, and what is left without either."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from tests.integration.telemetry_world import AIRPORT, BUNDLE, KEYS, Flights, read_until
from tests.stack.jaeger import Jaeger
from tests.stack.stack import KafkaServer, Stack
from tests.stack.traces import Span

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

S = 1_000_000
EVENT_AGE_S = 2.0
SPANS = [
    (0, "source flights", "publisher"),
    (1, "transform rolling_mean", "publisher"),
    (2, "send", "publisher"),
    (3, "deliver", "agent"),
    (3, "process", "agent"),
    (4, "check contract", "agent"),
    (4, "apply airport_delay", "agent"),
    (4, f"model input {BUNDLE}", "reader"),
]


@pytest.fixture
def flights(stack: Stack, jaeger: Jaeger, prefix: str, tmp_path: Path) -> Flights:
    """The demo's definitions, with everything traced."""
    return Flights(stack, jaeger, prefix.rstrip("-"), tmp_path)


@contextmanager
def read_once(flights: Flights) -> Iterator[None]:
    """An agent has the delays at EWR, two seconds old when they were published, and a model has read them."""
    with flights.agent(), flights.reader() as reader:
        with flights.publisher() as publisher:
            with publisher.source("flights"), publisher.transform("rolling_mean"):
                view = publisher.view("airport_delay")
                # A trace of many updates: those of the value are found among them.
                for airport in ("JFK", "EWR", "LGA"):
                    at_us = time.time_ns() // 1_000 - round(EVENT_AGE_S * S)
                    view.publish({"airport": airport}, AIRPORT, event_time=at_us)
            publisher.flush()
            read_until(reader, KEYS, lambda got: got.values["origin_delay__departures_1h"] == 17)
        flights.jaeger.traces.wait(flights.service("publisher"), _is_whole)
        yield


def _is_whole(spans: list[Span]) -> bool:
    """Whether everything has arrived: all three updates were applied, and one was read."""
    found = [span.name.partition(" ")[0] for span in spans]
    return (found.count("apply"), found.count("model"), found.count("source")) == (3, 1, 1)


def called(flights: Flights, *more: str, **environment: str) -> tuple[dict[str, Any], str]:
    """(what `syncline trace --output json` says of EWR's delays, what it says beside it)."""
    arguments = [f"{name}={key}" for name, key in KEYS.items()]
    done = flights.syncline(
        "trace",
        BUNDLE,
        *arguments,
        "--store",
        str(flights.folder / "store"),
        "--output",
        "json",
        *more,
        **environment,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    return {each["alias"]: each for each in document["aliases"]}["origin_delay"], done.stderr


def shown(flights: Flights, *more: str, columns: int) -> str:
    """What it shows to people, in a terminal of this width."""
    keys = [f"{name}={key}" for name, key in KEYS.items()]
    store = str(flights.folder / "store")
    return subprocess.run(
        [sys.executable, "-m", "syncline", "trace", BUNDLE, *keys, "--store", store, *more],
        env={**os.environ, **flights.environment("cli", NO_COLOR="1", COLUMNS=str(columns))},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def test_a_value_leads_to_its_spans_and_every_stage(flights: Flights) -> None:
    """Source, transformation, sending, delivery, agent and first read of one value, with times that add up."""
    with read_once(flights):
        alias, said = called(flights, "--jaeger", flights.jaeger.url)
        text = shown(flights, "--jaeger", flights.jaeger.url, columns=150)
        narrow = shown(flights, "--jaeger", flights.jaeger.url, columns=60)

    assert said == ""
    found = [
        (each["depth"], each["name"].removesuffix(f" {flights.topic}"), each["service"])
        for each in alias["spans"]
    ]
    assert found == [(depth, name, flights.service(role)) for depth, name, role in SPANS]
    assert alias["other_spans"] == 2 * 5
    assert alias["publisher"] == "syncline-publisher-flights"
    assert alias["untraced"] is None
    stages = {f"{each['from']} → {each['to']}": each["took_us"] for each in alias["stages"]}
    assert list(stages) == ["event → log", "log → agent", "agent → applied", "applied → read"]
    assert stages["event → log"] >= EVENT_AGE_S * S
    assert sum(stages.values()) == pytest.approx(alias["age_s"] * S)
    by_name = {name: each for each, (_, name, _) in zip(alias["spans"], SPANS, strict=True)}
    assert by_name["deliver"]["took_us"] == pytest.approx(stages["log → agent"], abs=1)
    assert alias["record"]["appended_us"] == alias["stages"][0]["end_us"]

    link = f"{flights.jaeger.url}/trace/{alias['trace']['trace_id']}"
    assert alias["trace"]["link"] == link
    assert f"  trace {link}\n" in text
    assert "NOT_FOUND: the store has nothing of this entity" in text  # of the weather and the aircraft
    assert "█" in text
    assert (
        max(len(line) for line in narrow.splitlines() if "http" not in line and flights.prefix not in line)
        <= 60
    )


def test_an_untraced_value_has_the_stages_that_the_log_knows(flights: Flights) -> None:
    """Why it is not traced, when the broker took it, and who is heard on its topic."""
    with (
        flights.agent(SYNCLINE_TRACE_SHARE="0"),
        flights.reader() as reader,
        flights.publisher(trace_share=0.0, heartbeat_interval_s=0.3) as publisher,
    ):
        at_us = time.time_ns() // 1_000 - round(EVENT_AGE_S * S)
        publisher.view("airport_delay").publish({"airport": "EWR"}, AIRPORT, event_time=at_us)
        publisher.flush()
        read_until(reader, KEYS, lambda got: got.values["origin_delay__departures_1h"] == 17)
        time.sleep(1)
        alias, _ = called(flights, "--jaeger", flights.jaeger.url, "--values")

    assert [(each["from"], each["to"]) for each in alias["stages"]] == [("event", "log"), ("log", "read")]
    assert alias["stages"][0]["took_us"] >= EVENT_AGE_S * S
    assert alias["trace"] is None
    assert alias["untraced"].startswith("not traced: publishers trace 1 %")
    assert alias["publishers_heard"] == ["flights"]
    assert alias["features"]["origin_delay__departures_1h"]["value"] == 17


def test_what_cannot_be_reached_is_said_and_the_rest_is_shown(flights: Flights, kafka: KafkaServer) -> None:
    """A record that retention took, a Jaeger that is away, a broker that is away: each within seconds."""
    with read_once(flights):
        everything, _ = called(flights)
        _delete_before(flights, everything["partition"], everything["offset"] + 1)

        gone, _ = called(flights)
        assert gone["record"]["missing"].startswith("it is gone: the log begins at offset")
        alias, said = called(flights, SYNCLINE_JAEGER_URL="http://127.0.0.1:1")
        assert "note: no spans from Jaeger at http://127.0.0.1:1: it does not answer" in said
        assert alias["spans"] == []
        kafka.pause()
        try:
            began_s = time.monotonic()
            alone, said = called(flights, "--jaeger", flights.jaeger.url)
            took_s = time.monotonic() - began_s
        finally:
            kafka.resume()

    assert took_s < 12
    assert said.startswith("note: no broker answered at ")
    assert alone["record"]["missing"].startswith("no broker answered at ")
    assert len(alone["spans"]) == len(SPANS)
    for each in (gone, alias, alone):
        assert each["trace"]["trace_id"] == everything["trace"]["trace_id"]
        assert each["stages"][:3] == everything["stages"][:3]


def _delete_before(flights: Flights, partition: int, offset: int) -> None:
    """As retention would."""
    place = TopicPartition(flights.topic, partition, offset)
    admin = AdminClient({"bootstrap.servers": flights.stack.bootstrap_servers})
    for done in admin.delete_records([place]).values():
        done.result(20)
