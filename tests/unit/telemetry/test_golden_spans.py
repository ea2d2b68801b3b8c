"""Every span there is, word for word: whoever renames one breaks dashboards, searches and alerts, and shall see it.

OpenTelemetry's conventions for messaging 1.44 (`telemetry.names`), and our own `syncline.*`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opentelemetry.semconv._incubating.attributes import cloudevents_attributes, messaging_attributes
from opentelemetry.semconv.attributes import error_attributes
from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import StatusCode

from syncline.catalog.rollout_events import RolloutAction, RolloutMode, RolloutRequested
from syncline.errors import NotAcknowledged, PublisherBusy
from syncline.ports.log import OutcomeKind
from syncline.version import __version__
from tests.unit.agent.world import Cluster, release
from tests.unit.coordinator.world import start
from tests.unit.state.world import NOW_MS, Version, delete
from tests.unit.telemetry.spans_world import (
    ELSEWHERE,
    NOW_US,
    SECOND_US,
    Recorded,
    Told,
    TracedHost,
    agent_on,
    attributes_of,
    coordinator_on,
    publisher_on,
    spans_by,
    traced,
    turns,
    with_headers,
)

TOPIC = "syncline.features.delay.v1"
ONE = Version.make(1)
HALTING = Version.make(1, on_violation="halt")
OBSERVING = Version.make(1, on_violation="observe")
MINOR = Version.make(2, version="1.1.0", extra=True)

AGENT = "syncline-agent-model-a"
SENT = {
    "messaging.system": "kafka",
    "messaging.operation.name": "send",
    "messaging.operation.type": "send",
    "messaging.destination.name": TOPIC,
    "messaging.client.id": "syncline-publisher-job",
    "syncline.view.version": "delay@1.0",
}
QUICK = {"syncline.lag.bucket": "le_100ms"}
READ = {
    "messaging.system": "kafka",
    "messaging.destination.name": TOPIC,
    "messaging.destination.partition.id": "0",
    "messaging.consumer.group.name": AGENT,
    "messaging.client.id": AGENT,
}


@pytest.fixture(autouse=True, scope="module", params=["the SDK", "ourselves"])
def _makers(request: pytest.FixtureRequest) -> Iterator[None]:
    """An application's provider makes the spans, or we do: they are the same."""
    with spans_by(request.param):
        yield


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coordinator with nothing to do waits for the catalog in real time: not here."""
    monkeypatch.setattr("syncline.coordinator.coordinator.IDLE_S", 0.0)


def deliver(offset: int, **more: object) -> dict[str, object]:
    """What a delivery says: where, and no more, as all else stands in the process span beside it."""
    return {
        "messaging.destination.name": TOPIC,
        "messaging.destination.partition.id": "0",
        "messaging.client.id": AGENT,
        "messaging.kafka.offset": offset,
        **more,
    }


def process(offset: int, **more: object) -> dict[str, object]:
    """What a process span says."""
    return {
        **READ,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.kafka.offset": offset,
        **more,
    }


# A publisher.


def publish(recorded: Recorded, *, cluster: Cluster | None = None, **settings: object) -> None:
    """One update, inside a transformation of what a source gave."""
    cluster = cluster or Cluster.ready(ONE)
    with publisher_on(cluster, recorded, **settings) as publisher:
        view = publisher.view("delay")
        since_us = cluster.clock.now_us() - SECOND_US
        with publisher.source("flights", since=since_us), publisher.transform("rolling_mean"):
            cluster.clock.advance(seconds=0.05)
            cluster.log.available = False
            view.publish({"airport": "EWR"}, {"mean": 1.5}, event_time=NOW_US)
        cluster.clock.advance(seconds=0.3)
        cluster.log.available = True


def test_a_publisher() -> None:
    """Source, transformation, send: each under the one before; the send ends with the broker's timestamp."""
    recorded = Recorded()
    publish(recorded)

    assert recorded.told() == [
        Told(
            "transform rolling_mean",
            "INTERNAL",
            parent="source flights",
            attributes={"syncline.transform": "rolling_mean", "syncline.lag.bucket": "le_100ms"},
            took_ms=50,
        ),
        Told(
            "source flights",
            "INTERNAL",
            attributes={"syncline.source": "flights", "syncline.lag.bucket": "le_10s"},
            took_ms=1_050,
        ),
        Told(
            f"send {TOPIC}",
            "PRODUCER",
            parent="transform rolling_mean",
            attributes={
                **SENT,
                "messaging.destination.partition.id": "0",
                "messaging.kafka.offset": 0,
                "syncline.lag.bucket": "le_1s",
            },
            took_ms=300,
        ),
    ]


@pytest.mark.parametrize("kind", [OutcomeKind.FAILED, OutcomeKind.UNKNOWN])
def test_a_send_that_was_not_acknowledged(kind: OutcomeKind) -> None:
    """An error of the outcome's name, and no message: messages may quote values."""
    recorded, cluster = Recorded(), Cluster.ready(ONE)
    cluster.log.fail_next_appends(1, kind)
    with pytest.raises(NotAcknowledged):
        publish(recorded, cluster=cluster)

    (send,) = recorded.told(f"send {TOPIC}")
    assert send == Told(
        f"send {TOPIC}",
        "PRODUCER",
        parent="transform rolling_mean",
        attributes={
            **SENT,
            "messaging.destination.partition.id": "0",
            "error.type": str(kind),
            "syncline.lag.bucket": "le_1s",
        },
        is_error=True,
        took_ms=300,
    )
    assert recorded.one(f"send {TOPIC}").status.description is None


def test_a_send_that_found_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given up: an error of the exception's name."""
    recorded, cluster = Recorded(), Cluster.ready(ONE)
    with publisher_on(cluster, recorded, busy_timeout_s=0.01) as publisher:
        view = publisher.view("delay")
        monkeypatch.setattr("syncline.adapters.memory.log._QUEUE_MAX", 0)
        with pytest.raises(PublisherBusy):
            view.publish({"airport": "EWR"}, {"mean": 1.5}, event_time=NOW_US)
        monkeypatch.undo()

    assert recorded.told() == [
        Told(
            f"send {TOPIC}",
            "PRODUCER",
            attributes={**SENT, "error.type": "PublisherBusy", "syncline.lag.bucket": "le_100ms"},
            is_error=True,
        )
    ]


def test_a_dead_letter_of_a_publisher() -> None:
    """It is sent to another topic, and is a send like any other."""
    recorded = Recorded()
    with publisher_on(Cluster.ready(ONE), recorded, on_violation="deadLetter") as publisher:
        publisher.view("delay").publish({"airport": "EWR"}, {"mean": 500.0}, event_time=NOW_US)

    assert recorded.told() == [
        Told(
            f"send {TOPIC}.dlq",
            "PRODUCER",
            attributes={
                **SENT,
                "messaging.destination.name": f"{TOPIC}.dlq",
                "messaging.destination.partition.id": "0",
                "messaging.kafka.offset": 0,
                "syncline.lag.bucket": "le_100ms",
            },
        )
    ]


def test_a_step_that_raises() -> None:
    """An error of the exception's type; its message stays unsaid."""
    recorded = Recorded()
    with (
        publisher_on(Cluster.ready(ONE), recorded) as publisher,
        pytest.raises(KeyError),
        publisher.transform("rolling_mean"),
    ):
        raise KeyError("EWR")

    assert recorded.told() == [
        Told(
            "transform rolling_mean",
            "INTERNAL",
            attributes={
                "syncline.transform": "rolling_mean",
                "error.type": "KeyError",
                "syncline.lag.bucket": "le_100ms",
            },
            is_error=True,
        )
    ]
    assert recorded.spans()[0].events == ()


# An agent.


def read(host: TracedHost, *records: object, after_s: float = 0.2) -> None:
    """The agent reads records that the broker took at NOW, and commits."""
    topic = host.cluster
    topic.put(TOPIC, records)
    topic.clock.us = NOW_US + round(after_s * SECOND_US)
    host.settle()


def test_an_update_that_is_written() -> None:
    """Deliver and process under the send; check and apply under process; the poll links to the send."""
    host = agent_on(ONE)
    read(host, traced(ONE.record(at_us=NOW_US)))

    assert host.recorded.told() == [
        Told(
            f"deliver {TOPIC}",
            "INTERNAL",
            parent=ELSEWHERE,
            attributes=deliver(0, **{"syncline.lag.at": "agent", "syncline.lag.bucket": "le_1s"}),
            took_ms=200,
        ),
        Told(
            f"poll {TOPIC}",
            "CLIENT",
            links=(ELSEWHERE,),
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.name": "poll",
                "messaging.operation.type": "receive",
                "messaging.destination.name": TOPIC,
                "messaging.consumer.group.name": AGENT,
                "messaging.client.id": AGENT,
                "messaging.batch.message_count": 1,
            },
        ),
        Told(
            "check contract",
            "INTERNAL",
            parent=f"process {TOPIC}",
            attributes={**QUICK, "syncline.contract.result": "passed", "syncline.view.version": "delay@1.0"},
        ),
        Told(
            "apply delay",
            "INTERNAL",
            parent=f"process {TOPIC}",
            attributes={**QUICK, "syncline.apply.result": "written", "syncline.view.version": "delay@1.0"},
        ),
        Told(
            f"process {TOPIC}",
            "CONSUMER",
            parent=ELSEWHERE,
            links=(ELSEWHERE,),
            attributes=process(0, **{"syncline.lag.bucket": "le_100ms"}),
        ),
    ]
    (sent,) = {link.context.span_id for span in host.recorded.spans() for link in span.links}
    assert {span.parent.span_id for span in host.recorded.spans(f"process {TOPIC}", f"deliver {TOPIC}")} == {
        sent
    }


def test_offsets_that_are_published() -> None:
    """The commit links to the sends of all that was applied since the last one."""
    host = agent_on(ONE)
    read(host, traced(ONE.record(at_us=NOW_US)), traced(ONE.record("LGA", at_us=NOW_US)))
    host.recorded.clear()
    host.cluster.clock.advance(seconds=6)
    host.settle()

    assert host.recorded.told() == [
        Told(
            f"commit {AGENT}",
            "CLIENT",
            links=(ELSEWHERE, ELSEWHERE),
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.name": "commit",
                "messaging.operation.type": "settle",
                "messaging.consumer.group.name": AGENT,
                "messaging.client.id": AGENT,
                "messaging.batch.message_count": 2,
            },
        )
    ]


def test_an_update_that_came_too_late() -> None:
    """It passed its contract, and a newer value stands there."""
    host = agent_on(ONE)
    read(
        host,
        ONE.record(at_us=NOW_US, ms=NOW_MS),
        traced(ONE.record(at_us=NOW_US - SECOND_US, ms=NOW_MS)),
    )

    (apply,) = host.recorded.told("apply delay")
    assert apply.attributes == {
        **QUICK,
        "syncline.apply.result": "superseded",
        "syncline.view.version": "delay@1.0",
    }


def test_a_delete() -> None:
    """It names no MINOR: the MAJOR alone."""
    host = agent_on(ONE)
    read(host, traced(delete(at_us=NOW_US)))

    check, apply = host.recorded.told("check contract", "apply delay")
    assert check.attributes == {
        **QUICK,
        "syncline.contract.result": "passed",
        "syncline.view.version": "delay@1",
    }
    assert apply.attributes == {
        **QUICK,
        "syncline.apply.result": "written",
        "syncline.view.version": "delay@1",
    }


def test_an_update_that_is_dead_lettered() -> None:
    """Its check and process are errors of the rule's name, nothing is applied; a span of its own tells of it."""
    host = agent_on(ONE)
    read(host, traced(ONE.record(at_us=NOW_US, mean=500.0)))

    assert host.recorded.told(
        "check contract", "apply delay", f"process {TOPIC}", f"dead letter {TOPIC}"
    ) == [
        Told(
            f"dead letter {TOPIC}",
            "INTERNAL",
            links=(ELSEWHERE,),
            attributes={
                **READ,
                "messaging.kafka.offset": 0,
                "syncline.dead_letters": 1,
                "error.type": "maximum",
            },
            is_error=True,
        ),
        Told(
            "check contract",
            "INTERNAL",
            parent=f"process {TOPIC}",
            attributes={
                **QUICK,
                "syncline.contract.result": "dead_lettered",
                "syncline.view.version": "delay@1.0",
                "error.type": "maximum",
            },
            is_error=True,
        ),
        Told(
            f"process {TOPIC}",
            "CONSUMER",
            parent=ELSEWHERE,
            links=(ELSEWHERE,),
            attributes=process(0, **{"error.type": "maximum", "syncline.lag.bucket": "le_100ms"}),
            is_error=True,
        ),
    ]


def test_dead_letters_are_told_whether_or_not_their_updates_are_traced() -> None:
    """Under an unsampled parent: a root of its own that links back; without a context: a root that links to nothing."""
    host = agent_on(ONE)
    read(
        host,
        traced(ONE.record(at_us=NOW_US, mean=500.0), flags=0),
        ONE.record("LGA", at_us=NOW_US, mean=-500.0),
    )

    assert host.recorded.told() == [
        Told(
            f"dead letter {TOPIC}",
            "INTERNAL",
            links=(ELSEWHERE,),
            attributes={
                **READ,
                "messaging.kafka.offset": 0,
                "syncline.dead_letters": 2,
                "error.type": "maximum",
            },
            is_error=True,
        )
    ]


def test_an_update_that_is_observed() -> None:
    """Its check is an error of the rule's name; it is applied all the same."""
    host = agent_on(OBSERVING)
    read(host, traced(OBSERVING.record(at_us=NOW_US, mean=500.0)))

    check, apply, whole = host.recorded.told("check contract", "apply delay", f"process {TOPIC}")
    assert check.attributes == {
        **QUICK,
        "syncline.contract.result": "observed",
        "syncline.view.version": "delay@1.0",
        "error.type": "maximum",
    }
    assert (check.is_error, apply.is_error, whole.is_error) == (True, False, False)
    assert apply.attributes["syncline.apply.result"] == "written"


def test_a_partition_that_is_held() -> None:
    """An error of its own type, at the offset at which it stands."""
    host = agent_on(HALTING)
    read(host, HALTING.record(at_us=NOW_US), HALTING.record(at_us=NOW_US, mean=500.0))

    assert host.recorded.told() == [
        Told(
            f"hold {TOPIC}",
            "INTERNAL",
            attributes={**READ, "messaging.kafka.offset": 1, "error.type": "held"},
            is_error=True,
        )
    ]


def test_an_event_of_another_system() -> None:
    """CloudEvents' trace goes on, and its id is there to be searched for."""
    host = agent_on(ONE)
    parent = b"00-%032x-%016x-01" % (7, 8)
    read(
        host,
        with_headers(
            ONE.record(at_us=NOW_US), ("ce_traceparent", parent), ("ce_id", b"e-1"), ("ce_source", b"/s")
        ),
    )

    followed = host.recorded.spans(f"deliver {TOPIC}", f"process {TOPIC}")
    assert {(span.context.trace_id, span.parent.span_id) for span in followed} == {(7, 8)}
    assert host.recorded.one(f"process {TOPIC}").attributes["cloudevents.event_id"] == "e-1"


# A reader.


def test_a_model_input() -> None:
    """From applied to read, under the agent's process span, with a link to the request that read it."""
    host = agent_on(ONE)
    read(host, traced(ONE.record(at_us=NOW_US)))
    reader = host.reader()
    host.telemetry.made_us = 0
    reader._watch._telemetry.made_us = 0
    host.cluster.clock.advance(seconds=2)
    tracer = host.recorded.provider.get_tracer("inference")
    with tracer.start_as_current_span("predict"):
        reader.get("inputs", {"airport": "EWR"})
        reader.get("inputs", {"airport": "EWR"})

    assert host.recorded.told("model input inputs", "predict") == [
        Told(
            "model input inputs",
            "INTERNAL",
            parent=f"process {TOPIC}",
            links=("predict",),
            attributes={
                "syncline.bundle": "inputs",
                "syncline.view.version": "delay@1.0",
                "syncline.lag.bucket": "le_10s",
            },
            took_ms=2_000,
        ),
        Told(
            "predict",
            "INTERNAL",
            links=(ELSEWHERE, ELSEWHERE),
            took_ms=host.recorded.told("predict")[0].took_ms,
        ),
    ]
    link = host.recorded.one("predict").links[0]
    assert (link.context.trace_id, link.context.span_id) == (
        host.recorded.one(f"process {TOPIC}").context.trace_id,
        host.recorded.one(f"process {TOPIC}").parent.span_id,
    )
    assert dict(link.attributes) == {
        "syncline.view.version": "delay@1.0",
        "messaging.destination.name": TOPIC,
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 0,
    }


# Cuts.


def in_step(recorded: Recorded, request: RolloutRequested, until: Callable[[TracedHost], bool]) -> TracedHost:
    """A coordinator and an agent, both traced, after a request was carried out."""
    host = TracedHost(Cluster.ready(ONE, MINOR), recorded=recorded)
    host.cluster.decide(release(MINOR, number=2))
    host.settle()
    coordinator = coordinator_on(host.cluster, recorded)
    host.cluster.decide(request)
    turns([coordinator, host.agent], lambda: until(host))
    return host


def serves(number: int) -> Callable[[TracedHost], bool]:
    """Whether the agent serves this release."""
    return lambda host: host.agent.status().release == number


def test_a_cut() -> None:
    """The coordinator's span, from prepared to committed; the agent's is under it, as the markers carry it."""
    recorded = Recorded()
    host = in_step(recorded, start(), serves(2))
    cut, epoch = host.agent.status().epoch - 1, host.agent.status().epoch

    assert recorded.told() == [
        Told(
            "cut inputs",
            "INTERNAL",
            attributes={
                "syncline.bundle": "inputs",
                "syncline.cut": cut,
                "messaging.client.id": "syncline-coordinator-c",
                "syncline.decision": "version",
                "syncline.lag.bucket": "le_100ms",
            },
        ),
        Told(
            "cut inputs",
            "INTERNAL",
            parent="cut inputs",
            attributes={
                "syncline.bundle": "inputs",
                "syncline.release": 2,
                "syncline.epoch": epoch,
                "syncline.agent": AGENT,
                "syncline.cut": cut,
                "syncline.cut.aligned": True,
            },
        ),
    ]


def test_a_rollback() -> None:
    """At once and everywhere: one span of the coordinator, one of each agent."""
    recorded = Recorded()
    host = in_step(recorded, start(), serves(2))
    recorded.clear()
    coordinator = coordinator_on(host.cluster, recorded, takeover_after_s=0.001)
    host.cluster.decide(RolloutRequested("inputs", RolloutAction.ROLLBACK, 2, 1, mode=RolloutMode.IMMEDIATE))
    host.cluster.clock.advance(seconds=1)
    turns([coordinator, host.agent], lambda: serves(1)(host))
    epoch = host.agent.status().epoch

    assert recorded.told() == [
        Told(
            "rollback inputs",
            "INTERNAL",
            attributes={
                "syncline.bundle": "inputs",
                "syncline.release": 1,
                "syncline.epoch": epoch,
                "messaging.client.id": "syncline-coordinator-c",
            },
        ),
        Told(
            "rollback inputs",
            "INTERNAL",
            attributes={
                "syncline.bundle": "inputs",
                "syncline.release": 1,
                "syncline.epoch": epoch,
                "syncline.agent": AGENT,
            },
        ),
    ]


# All of them.


@pytest.fixture(scope="module")
def every(_makers: None) -> Iterator[Recorded]:
    """The spans of all these stories together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("syncline.coordinator.coordinator.IDLE_S", 0.0)
        recorded = Recorded()
        publish(recorded)
        for version in (ONE, OBSERVING, HALTING):
            host = agent_on(version)
            host.recorded = recorded
            host.start()
            read(
                host,
                traced(with_headers(version.record(at_us=NOW_US), ("ce_id", b"e"))),
                traced(version.record("LGA", at_us=NOW_US, mean=500.0)),
                traced(delete("JFK", at_us=NOW_US)),
            )
            reader = host.reader()
            reader._watch._telemetry.made_us = 0
            with recorded.provider.get_tracer("inference").start_as_current_span("predict"):
                reader.get("inputs", {"airport": "EWR"}, allow_not_ready=True)
            host.cluster.clock.advance(seconds=6)
            host.settle()
        in_step(recorded, start(), serves(2))
        host = in_step(recorded, start(), serves(2))
        coordinator = coordinator_on(host.cluster, recorded, takeover_after_s=0.001)
        host.cluster.decide(
            RolloutRequested("inputs", RolloutAction.ROLLBACK, 2, 1, mode=RolloutMode.IMMEDIATE)
        )
        host.cluster.clock.advance(seconds=1)
        turns([coordinator, host.agent], lambda: serves(1)(host))
        yield recorded


def ours(recorded: Recorded) -> list:
    """Our spans: not those of the application."""
    return [span for span in recorded.spans() if span.instrumentation_scope.name == "syncline"]


def test_these_are_all_the_names_there_are(every: Recorded) -> None:
    """`{operation} {destination}`; what is not here is none."""
    assert {span.name for span in ours(every)} == {
        "source flights",
        "transform rolling_mean",
        f"send {TOPIC}",
        f"deliver {TOPIC}",
        f"poll {TOPIC}",
        f"process {TOPIC}",
        "check contract",
        "apply delay",
        f"commit {AGENT}",
        f"dead letter {TOPIC}",
        f"hold {TOPIC}",
        "model input inputs",
        "cut inputs",
        "rollback inputs",
    }


def test_the_scope_is_ours_and_the_schema_that_of_the_conventions(every: Recorded) -> None:
    """A backend that knows schemas can translate names."""
    for span in ours(every):
        scope = span.instrumentation_scope
        assert (scope.name, scope.version, scope.schema_url) == (
            "syncline",
            __version__,
            "https://opentelemetry.io/schemas/1.44.0",
        )
    assert Schemas.V1_44_0.value == "https://opentelemetry.io/schemas/1.44.0"


RETIRED = {
    "messaging.operation",
    "messaging.kafka.consumer.group",
    "messaging.kafka.consumer_group",
    "messaging.kafka.destination.partition",
    "messaging.kafka.partition",
    "messaging.kafka.message.offset",
    "messaging.kafka.client_id",
    "messaging.kafka.tombstone",
    "messaging.destination",
    "messaging.destination_kind",
    "messaging.destination.kind",
    "messaging.protocol",
    "messaging.url",
    "messaging.consumer_id",
    "messaging.client_id",
    "messaging.message_id",
    "messaging.conversation_id",
    "messaging.message.payload_size_bytes",
    "messaging.message_payload_size_bytes",
    "messaging.message.payload_compressed_size_bytes",
    "messaging.message_payload_compressed_size_bytes",
    "messaging.temp_destination",
}


def conventional() -> set[str]:
    """The attributes that the conventions define, deprecated ones left out."""
    found = set()
    for module in (messaging_attributes, cloudevents_attributes, error_attributes):
        text = Path(module.__file__).read_text("utf-8")
        for name, value, rest in re.findall(
            r'^([A-Z_]+): Final = "([a-z_.]+)"\n"""(.*?)"""', text, re.MULTILINE | re.DOTALL
        ):
            assert getattr(module, name) == value
            if "Deprecated" not in rest:
                found.add(value)
    return found


def test_every_attribute_is_of_the_conventions_or_ours(every: Recorded) -> None:
    """And ours are never under `messaging.`; retired names are nowhere."""
    used = attributes_of(ours(every)) | {
        name for span in every.spans("predict") for link in span.links for name in link.attributes
    }
    known = conventional()

    assert {
        "messaging.system",
        "messaging.kafka.offset",
        "cloudevents.event_id",
        "error.type",
    } <= known & used
    assert not RETIRED & used
    assert not RETIRED & known
    assert {name for name in used if not name.startswith("syncline.")} <= known
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+", name) for name in used)


def test_types_of_attributes_are_those_of_the_conventions(every: Recorded) -> None:
    """Partition ids are texts, offsets and counts are numbers: a search for one finds nothing by the other."""
    for span in ours(every):
        for name, value in span.attributes.items():
            wanted = {
                "messaging.kafka.offset": int,
                "messaging.batch.message_count": int,
                "syncline.dead_letters": int,
                "syncline.release": int,
                "syncline.epoch": int,
                "syncline.cut": int,
                "syncline.clock_skew": bool,
                "syncline.cut.aligned": bool,
            }.get(name, str)
            assert isinstance(value, wanted), (span.name, name, value)


def test_counts_of_batches_are_on_spans_of_batches_alone(every: Recorded) -> None:
    """As the conventions ask."""
    for span in ours(every):
        if "messaging.batch.message_count" in span.attributes:
            assert span.name.split()[0] in ("poll", "commit")


def test_kinds_are_those_of_the_conventions(every: Recorded) -> None:
    """What is neither sent, received nor processed is INTERNAL."""
    kinds = {span.name.split()[0]: span.kind.name for span in ours(every)}

    assert {name: kind for name, kind in kinds.items() if kind != "INTERNAL"} == {
        "send": "PRODUCER",
        "poll": "CLIENT",
        "commit": "CLIENT",
        "process": "CONSUMER",
    }


def test_no_span_has_a_message_an_event_or_a_negative_duration(every: Recorded) -> None:
    """Messages may quote values; durations are never less than nothing."""
    for span in ours(every):
        assert span.status.description is None
        assert span.events == ()
        assert span.end_time >= span.start_time
        assert (span.status.status_code is StatusCode.ERROR) == ("error.type" in span.attributes)
