"""Telemetry in bad weather: exporters that are down, slow or refuse, forks, junk in headers, and planted secrets."""

from __future__ import annotations

import gc
import json
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from syncline.contracts.codec.encode import Encoder
from syncline.errors import ContractViolation, PublisherClosed
from syncline.publisher.view import ViewPublisher
from syncline.wire.framing import prefix as framing
from syncline.wire.keys import encode_key
from syncline.wiring import FeatureReader, Publisher
from tests.integration.telemetry_world import AIRPORT, BUNDLE, KEYS, Flights, awaited, read_until
from tests.stack.ports import free_port
from tests.stack.stack import Stack
from tests.unit.telemetry.otlp_sink import OtlpSink, otlp_sink

pytestmark = pytest.mark.real

UPDATES = 4_000
QUEUE_SPANS = 2_048
EXPORTED_SPANS = 512


def now_us() -> int:
    """This moment."""
    return time.time_ns() // 1_000


@pytest.fixture
def sink() -> Iterator[OtlpSink]:
    """A place for spans that takes them all."""
    with otlp_sink() as found:
        yield found


@pytest.fixture
def flights(stack: Stack, sink: OtlpSink, prefix: str, tmp_path: Path) -> Flights:
    """The demo's definitions, with everything traced, sent to the sink."""
    jaeger: Any = SimpleNamespace(otlp_endpoint=sink.endpoint)
    return Flights(stack, jaeger, prefix.rstrip("-"), tmp_path)


def dropped(registry: CollectorRegistry) -> dict[str, float]:
    """`syncline_spans_dropped_total` by reason."""
    return {
        sample.labels["reason"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "syncline_spans_dropped_total"
    }


def scraped(port: int) -> str:
    """The text of /metrics."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/metrics", headers={"Accept": "application/openmetrics-text"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.URLError:
        return ""  # it has not started yet


def counted(text: str, series: str) -> float:
    """The value of a series in a scrape; 0 where it is not there."""
    found = [line.rpartition(" ")[2] for line in text.splitlines() if line.split(" # ")[0].startswith(series)]
    return float(found[0]) if found else 0.0


# Exporters that do not take what they are given.


@dataclass
class Run:
    """How a publisher fared."""

    took_s: float
    slowest_s: float
    closing_s: float
    queued_max: int
    dropped: dict[str, float]
    acknowledged: int


def published(flights: Flights, endpoint: str, updates: int = UPDATES, **environment: str) -> Run:
    """Publish so many traced updates, one at a time, and close."""
    registry = CollectorRegistry()
    with flights.as_role("publisher", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **environment):
        publisher = Publisher.from_env(registry=registry, publisher="flights")
        view = publisher.view("airport_delay")
        spans = publisher._telemetry.tracing._spans._owned
        (batches,) = spans._active_span_processor._span_processors
        queue = batches._batches._batch_processor._queue
        queued_max, slowest_s = 0, 0.0
        gc.collect()
        began_s = time.monotonic()
        for number in range(updates):
            one_s = time.monotonic()
            view.publish({"airport": f"A{number % 40:02d}"}, AIRPORT, event_time=now_us())
            slowest_s = max(slowest_s, time.monotonic() - one_s)
            if number % 50 == 0:
                queued_max = max(queued_max, len(queue))
        took_s = time.monotonic() - began_s
        publisher.flush()
        queued_max = max(queued_max, len(queue))
        closing_s = time.monotonic()
        publisher.close()
        closing_s = time.monotonic() - closing_s
    return Run(took_s, slowest_s, closing_s, queued_max, dropped(registry), publisher.stats().acknowledged)


@pytest.mark.timeout(240)
def test_publishing_never_waits_for_an_exporter_and_closing_is_bounded(
    flights: Flights, sink: OtlpSink
) -> None:
    """Down, hanging, slow, refusing: as fast as with a good one; bounded memory; every lost span is counted."""
    published(flights, sink.endpoint, 200)
    sink.bodies.clear()
    good = published(flights, sink.endpoint)
    arrived = len(sink.spans())
    assert good.acknowledged == UPDATES
    assert arrived + sum(good.dropped.values()) == UPDATES
    weathers = {"down": f"http://127.0.0.1:{free_port()}"}
    with otlp_sink(delay_s=5) as slow, otlp_sink(status=400) as refusing, otlp_sink(status=503) as broken:
        weathers |= {"slow": slow.endpoint, "refusing": refusing.endpoint, "broken": broken.endpoint}
        for weather, endpoint in weathers.items():
            bad = published(flights, endpoint)
            assert bad.acknowledged == UPDATES, weather
            # The same work but for the exporter's: a wait of any kind would be seconds.
            assert bad.took_s < 2.5 * good.took_s + 0.5, (weather, bad, good)
            assert bad.slowest_s < 0.5, (weather, bad)
            assert bad.queued_max <= QUEUE_SPANS, (weather, bad)
            assert bad.closing_s < 3.0, (weather, bad)
            taken = len(slow.spans()) if weather == "slow" else 0
            lost = sum(bad.dropped.values())
            # What waited, or was in the exporter's hands, when the publisher was closed is not counted any more.
            assert lost + QUEUE_SPANS + EXPORTED_SPANS + taken >= UPDATES, (weather, bad)
            reason = "export_failed" if weather == "refusing" else "queue_full"
            assert bad.dropped[reason] > 0, (weather, bad)


def test_what_is_refused_is_counted_as_that(flights: Flights) -> None:
    """A 400 is an answer: there is no use in trying again, and every span is accounted for."""
    with otlp_sink(status=400) as refusing:
        run = published(flights, refusing.endpoint, 1_000)

    assert run.dropped["export_failed"] + run.dropped["queue_full"] == 1_000


@pytest.mark.parametrize("weather", ["down", "hanging"])
def test_an_agent_goes_on_and_ends_in_time_whatever_its_exporter_does(
    flights: Flights, sink: OtlpSink, weather: str
) -> None:
    """Traced updates are applied at once, what is lost is in its metrics, and SIGTERM ends it within three seconds."""
    port = free_port()
    with otlp_sink(delay_s=60) as hanging:
        endpoint = hanging.endpoint if weather == "hanging" else f"http://127.0.0.1:{free_port()}"
        with (
            flights.agent(
                OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
                OTEL_BSP_MAX_QUEUE_SIZE="100",
                SYNCLINE_METRICS=f"127.0.0.1:{port}",
            ) as agent,
            flights.reader() as reader,
            flights.publisher() as publisher,
        ):
            view = publisher.view("airport_delay")
            for number in range(200):
                view.publish({"airport": f"A{number:03d}"}, AIRPORT, event_time=now_us())
            view.publish({"airport": "EWR"}, {**AIRPORT, "departures_1h": 77}, event_time=now_us())
            publisher.flush()
            began_s = time.monotonic()
            read_until(reader, KEYS, lambda got: got.values["origin_delay__departures_1h"] == 77)
            assert time.monotonic() - began_s < 5
            awaited(
                lambda: counted(scraped(port), 'syncline_spans_dropped_total{reason="queue_full"}') > 200,
                "spans that were dropped and counted",
            )
            began_s = time.monotonic()
            agent.terminate()
            assert agent.wait(10) == 0
            took_s = time.monotonic() - began_s

    assert took_s < 3.0


# Forks.


def in_a_child(work: Any) -> str:
    """What `work` says in a forked child; it must end in time."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, str(work()).encode())
        except BaseException as error:  # noqa: BLE001  it is told to the parent
            os.write(write, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(write)
    deadline_s = time.monotonic() + 20
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline_s:
            os.kill(child, 9)
            os.waitpid(child, 0)
            raise AssertionError("the child hangs")
        time.sleep(0.02)
    with os.fdopen(read) as said:
        return said.read()


def test_after_a_fork_a_reader_goes_on_and_its_spans_arrive(flights: Flights, sink: OtlpSink) -> None:
    """A service that forks its workers once it is set up: each tells its own first reads, and ends."""
    with flights.agent(), flights.reader() as reader, flights.publisher() as publisher:
        view = publisher.view("airport_delay")
        view.publish({"airport": "EWR"}, {**AIRPORT, "departures_1h": 1}, event_time=now_us())
        publisher.flush()
        with flights.as_role("reader"):
            # Set up before the fork: it has met a traced value.
            read_until(reader, KEYS, lambda got: got.values["origin_delay__departures_1h"] == 1)
        assert reader._watch._spans is not None
        view.publish({"airport": "EWR"}, {**AIRPORT, "departures_1h": 2}, event_time=now_us())
        publisher.flush()
        awaited(lambda: sum(name == "apply airport_delay" for name in sink.names()) == 2, "the second update")

        def work() -> Any:
            found = reader.get(BUNDLE, KEYS).values["origin_delay__departures_1h"]
            reader._watch._telemetry.tracing.flush(5.0)
            reader.close()
            return found

        awaited(lambda: sink.names().count(f"model input {BUNDLE}") == 1, "the parent's span")
        assert in_a_child(work) == "2"
        awaited(lambda: sink.names().count(f"model input {BUNDLE}") == 2, "the child's span")
        assert reader.get(BUNDLE, KEYS).values["origin_delay__departures_1h"] == 2


def test_after_a_fork_a_publisher_refuses_as_before_and_the_child_ends(flights: Flights) -> None:
    """Its threads stayed behind; with spans of its own there is one more of them, and it makes no difference."""
    with flights.publisher() as publisher:
        view = publisher.view("airport_delay")
        view.publish({"airport": "EWR"}, AIRPORT, event_time=now_us())

        def work() -> str:
            try:
                with publisher.source("flights"):
                    view.publish({"airport": "EWR"}, AIRPORT, event_time=now_us())
            except PublisherClosed:
                publisher.close()
                return "refused"
            return "published"

        assert in_a_child(work) == "refused"
        view.publish({"airport": "EWR"}, AIRPORT, event_time=now_us())
        publisher.flush()


# Headers from anyone.


@dataclass
class Foreign:
    """A producer that is none of ours, and knows the wire."""

    flights: Flights
    view: ViewPublisher
    producer: Producer = field(init=False)

    def __post_init__(self) -> None:
        """Connect."""
        servers = self.flights.stack.bootstrap_servers
        self.producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random"})

    def send(self, airport: str, *headers: tuple[str, bytes | None], **values: Any) -> None:
        """A row that keeps its contract, or not, with these headers."""
        contract = self.view.contract
        row = {"airport": airport, "event_time": now_us(), "movements_1h": None, **AIRPORT, **values}
        value = framing(self.view.schema_id) + Encoder(contract).encode(row)
        self.producer.produce(contract.topic, value, encode_key([airport]), headers=list(headers))
        self.producer.flush(10)


def test_junk_in_headers_stops_nothing_and_is_not_traced(flights: Flights, sink: OtlpSink) -> None:
    """Malformed, doubled, ten kilobytes: each update is applied, and the last well-formed context is followed."""
    good, stale = (
        b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01",
        b"00-" + b"c" * 32 + b"-" + b"d" * 16 + b"-01",
    )
    with flights.publisher() as publisher, flights.agent() as agent, flights.reader() as reader:
        foreign = Foreign(flights, publisher.view("airport_delay"))
        for airport, *headers in (
            ("J01", ("traceparent", b"junk")),
            ("J02", ("traceparent", good.upper())),
            ("J03", ("traceparent", b"ff" + good[2:])),
            ("J04", ("traceparent", good + b"-tail")),
            ("J05", ("traceparent", b"\xff" * 55)),
            ("J06", ("traceparent", None)),
            ("J07", ("traceparent", b"00-" + b"0" * 32 + b"-" + b"b" * 16 + b"-01")),
            ("J08", ("traceparent", b"00-" + b"a" * 32 + b"-" + b"0" * 16 + b"-01")),
            ("J09", ("tracestate", b"x" * 10_240)),
            ("J10", ("traceparent", b"1" * 500_000)),
            ("T01", ("traceparent", stale), ("traceparent", good)),
            ("T02", ("traceparent", good), ("tracestate", b"a=" + b"x" * 10_240)),
            ("EWR",),
        ):
            foreign.send(airport, *headers, departures_1h=33)
        read_until(reader, KEYS, lambda got: got.values["origin_delay__departures_1h"] == 33)
        for airport in ("J01", "J05", "J10", "T01", "T02"):
            keys = {**KEYS, "origin": airport}
            read_until(reader, keys, lambda got: got.values["origin_delay__departures_1h"] == 33)
        awaited(lambda: sink.names().count(f"process {flights.topic}") == 2, "the two that are traced")
        assert agent.poll() is None

    parents = [span.parent_span_id for span in sink.spans() if span.name.startswith(("process", "deliver"))]
    assert parents == [b"\xbb" * 8] * 4
    assert all(span.trace_id != b"\xcc" * 16 for span in sink.spans())


# Secrets and values.

PASSWORD, TOKEN, RAW_TOKEN = "canary-password-5b1f", "canary-token-77aa", "canary-raw-token-90cd"
KEY = "CANARYKEY"
REDACTED, PLAIN = 98_765.4321, 87_654.1234
GOOD = 123.456789


@dataclass
class Redacted(Flights):
    """The same, with `dep_delay_mean_1h` redacted."""

    def __post_init__(self) -> None:
        """Change the definition before it is applied."""
        from syncline.demo import applying

        original = applying.DefinitionsFolder.__init__

        def edited(found: Any, parent: Path) -> None:
            original(found, parent)
            path = found.path / "contracts" / "airport_delay.odcs.yaml"
            text = path.read_text()
            name, _, rest = text.partition("- name: dep_delay_mean_1h")
            unit = "customProperties: [{property: unit, value: min}]"
            more = (
                "customProperties: [{property: unit, value: min}, {property: syncline.redact, value: true}]"
            )
            path.write_text(name + "- name: dep_delay_mean_1h" + rest.replace(unit, more, 1))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(applying.DefinitionsFolder, "__init__", edited)
            super().__post_init__()


SECRETS = {
    "SYNCLINE_CLIENT": json.dumps({"sasl.username": "u", "sasl.password": PASSWORD}),
    "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{TOKEN}",
}


@pytest.fixture
def redacted(stack: Stack, sink: OtlpSink, prefix: str, tmp_path: Path) -> Redacted:
    """Definitions with a redacted feature."""
    jaeger: Any = SimpleNamespace(otlp_endpoint=sink.endpoint)
    return Redacted(stack, jaeger, prefix.rstrip("-"), tmp_path)


def places_of(needle: str, told: dict[str, str]) -> list[str]:
    """Where this stands."""
    return [name for name, text in told.items() if needle in text]


@pytest.mark.timeout(240)
def test_planted_secrets_values_and_keys_are_nowhere(
    redacted: Redacted, sink: OtlpSink, caplog: pytest.LogCaptureFixture
) -> None:
    """Traces, metrics, logs at their most talkative, and what the command line prints: no secret, key or value."""
    caplog.set_level(logging.DEBUG)
    agent_port, coordinator_port = free_port(), free_port()
    registry = CollectorRegistry()
    debug = ("--log-level", "debug")
    with (
        redacted.running(
            "agent",
            ("agent", "--subscription", "delay-predictor", "--store", str(redacted.folder / "store"), *debug),
            SYNCLINE_METRICS=f"127.0.0.1:{agent_port}",
            **SECRETS,
        ),
        redacted.running(
            "coordinator",
            ("coordinator", "--name", "c", *debug),
            SYNCLINE_METRICS=f"127.0.0.1:{coordinator_port}",
            **SECRETS,
        ),
        redacted.as_role("publisher", **SECRETS),
    ):
        publisher = Publisher.from_env(
            registry=registry,
            publisher="flights",
            on_violation="deadLetter",
            client=json.loads(SECRETS["SYNCLINE_CLIENT"]),
        )
        with publisher:
            view = publisher.view("airport_delay")
            foreign = Foreign(redacted, view)
            with publisher.source("flights"), publisher.transform("mean"):
                view.publish({"airport": KEY}, {**AIRPORT, "dep_delay_mean_1h": GOOD}, event_time=now_us())
            view.publish({"airport": KEY}, {**AIRPORT, "dep_delay_mean_1h": REDACTED}, event_time=now_us())
            view.publish({"airport": KEY}, {**AIRPORT, "arr_delay_mean_1h": PLAIN}, event_time=now_us())
            parent = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
            foreign.send(KEY, ("traceparent", parent), dep_delay_mean_1h=REDACTED)
            foreign.send(KEY, ("traceparent", parent), arr_delay_mean_1h=PLAIN)
            publisher.flush()
            awaited(
                lambda: counted(scraped(agent_port), "syncline_dead_letters_total") >= 2,
                "the agent's dead letters",
            )
            with FeatureReader(redacted.folder / "store", registry=registry) as reader:
                reader.get(BUNDLE, {**KEYS, "origin": KEY}, allow_not_ready=True)
        awaited(
            lambda: "lag" in redacted.syncline("status", "--output", "json", **SECRETS).stdout, "a status"
        )
        commands = {
            " ".join(arguments): redacted.syncline(*arguments, "--output", "json", **SECRETS)
            for arguments in (
                ("status",),
                ("verify",),
                ("catalog", "log"),
                ("doctor",),
                ("dlq", "list", "airport_delay"),
            )
        }
        told = {
            "/metrics of the agent": scraped(agent_port),
            "/metrics of the coordinator": scraped(coordinator_port),
            "metrics of the publisher": generate_latest(registry).decode(),
        }
    assert sink.names().count("check contract") >= 3
    authorized = [
        headers.get("authorization") or headers.get("Authorization") or "" for headers in sink.headers
    ]
    assert f"Bearer {TOKEN}" in authorized, "the planted token was not used"
    told |= {
        "traces": "\n".join(body.decode("latin-1") for body in sink.bodies),
        "log of the agent": redacted.said("agent"),
        "log of the coordinator": redacted.said("coordinator"),
        "log of the publisher": caplog.text,
    }
    printed = {name: done.stdout + done.stderr for name, done in commands.items()}
    listed = printed.pop("dlq list airport_delay")

    for secret in (PASSWORD, TOKEN):
        assert places_of(secret, {**told, **printed, "dlq list": listed}) == []
    for value in (KEY, str(REDACTED), str(PLAIN), str(GOOD)):
        assert places_of(value, {**told, **printed}) == [], value
    # `dlq list` is what a person asks for: keys and values that are not redacted belong there; redacted ones nowhere.
    assert str(REDACTED) not in listed
    assert "dep_delay_mean_1h" in listed
    assert "a redacted value" in listed


def test_a_call_that_is_refused_tells_the_value_but_not_a_redacted_one(redacted: Redacted) -> None:
    """`ContractViolation` is for the job that has the value; what is redacted is not even told to it."""
    with redacted.publisher() as publisher:
        view = publisher.view("airport_delay")
        with pytest.raises(ContractViolation) as hidden:
            view.publish({"airport": KEY}, {**AIRPORT, "dep_delay_mean_1h": REDACTED}, event_time=now_us())
        with pytest.raises(ContractViolation) as shown:
            view.publish({"airport": KEY}, {**AIRPORT, "arr_delay_mean_1h": PLAIN}, event_time=now_us())

    assert str(REDACTED) not in str(hidden.value)
    assert "redacted" in str(hidden.value)
    assert str(PLAIN) in str(shown.value)
    assert KEY not in str(shown.value) + str(hidden.value)


FAILURES = {
    "a misspelled property": ({"SYNCLINE_CLIENT": json.dumps({"sasl.pasword": PASSWORD})}, "sasl.pasword"),
    "no JSON": ({"SYNCLINE_CLIENT": f'{{"sasl.password": "{PASSWORD}"'}, "SYNCLINE_CLIENT"),
    "a list": ({"SYNCLINE_CLIENT": json.dumps([PASSWORD])}, "SYNCLINE_CLIENT"),
    "a nested value": (
        {"SYNCLINE_CLIENT": json.dumps({"sasl.password": {"x": PASSWORD}})},
        "SYNCLINE_CLIENT",
    ),
    "no key": (
        {
            "SYNCLINE_CLIENT": json.dumps(
                {"security.protocol": "SSL", "ssl.key.pem": PASSWORD, "ssl.key.password": PASSWORD}
            )
        },
        "ssl",
    ),
    "a property of ours": (
        {"SYNCLINE_CLIENT": json.dumps({"sasl.password": PASSWORD, "acks": "0"})},
        "acks",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_start_that_fails_says_why_and_no_secret(flights: Flights, failure: str) -> None:
    """Agent and command line alike: the setting is named, what stands in it is not."""
    environment, named = FAILURES[failure]
    for arguments in (
        (
            "agent",
            "--subscription",
            "delay-predictor",
            "--store",
            str(flights.folder / "s"),
            "--log-level",
            "debug",
        ),
        ("status",),
    ):
        done = flights.syncline(*arguments, **environment)
        said = done.stdout + done.stderr
        assert done.returncode != 0, (arguments, said)
        assert named.lower() in said.lower(), said
        assert PASSWORD not in said


def test_headers_of_the_exporter_that_are_malformed_are_not_logged(flights: Flights) -> None:
    """`Bearer …` without its name, or with a space: OpenTelemetry's own warning would quote all of it."""
    with flights.agent(OTEL_EXPORTER_OTLP_HEADERS=f"Bearer {RAW_TOKEN}"), flights.reader():
        pass

    said = flights.said("agent")
    assert "agent_state_changed" in said
    assert RAW_TOKEN not in said


def test_an_endpoint_with_a_password_in_it_is_not_logged(flights: Flights) -> None:
    """It does not belong there; where it stands it is not told when nobody answers."""
    endpoint = f"http://user:{RAW_TOKEN}@127.0.0.1:{free_port()}"
    with (
        flights.publisher() as publisher,
        flights.agent(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint),
        flights.reader() as reader,
    ):
        publisher.view("airport_delay").publish(
            {"airport": "EWR"}, {**AIRPORT, "departures_1h": 5}, event_time=now_us()
        )
        publisher.flush()
        read_until(reader, KEYS, lambda got: got.values["origin_delay__departures_1h"] == 5)
        time.sleep(3)

    assert "library_said" in flights.said("agent")
    assert RAW_TOKEN not in flights.said("agent")


def test_a_registry_with_a_password_in_its_address_is_not_told(flights: Flights, tmp_path: Path) -> None:
    """`SYNCLINE_REGISTRY_URL` is no place for credentials: refused, or kept to itself."""
    done = flights.syncline(
        "plan",
        str(flights.folder / "definitions"),
        SYNCLINE_REGISTRY_URL=f"http://user:{RAW_TOKEN}@127.0.0.1:{free_port()}",
    )

    assert done.returncode != 0
    assert RAW_TOKEN not in done.stdout + done.stderr
