"""A cut is one span of its coordinator, from prepared to its outcome; agents' spans are under it."""

from __future__ import annotations

import pytest

from syncline.catalog.coordination import CutState
from syncline.catalog.rollout_events import CutAborted, CutCommitted
from syncline.ports.log import OutcomeKind
from syncline.telemetry.coordinator_spans import CoordinatorSpans
from syncline.wire.control import Marker, parse_control
from syncline.wire.trace_context import trace_context
from tests.unit.agent.world import Cluster, release
from tests.unit.coordinator.world import start
from tests.unit.state.world import Version
from tests.unit.telemetry.spans_world import (
    ELSEWHERE,
    SECOND_US,
    Recorded,
    TracedHost,
    coordinator_on,
    turns,
)

ONE = Version.make(1)
MINOR = Version.make(2, version="1.1.0", extra=True)
TOPIC = ONE.contract.topic
CUT = "cut inputs"


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coordinator with nothing to do waits for the catalog in real time: not here."""
    monkeypatch.setattr("syncline.coordinator.coordinator.IDLE_S", 0.0)


@pytest.fixture
def recorded() -> Recorded:
    """Where spans go."""
    return Recorded()


@pytest.fixture
def host(recorded: Recorded) -> TracedHost:
    """An agent at release 1, with release 2 in the catalog and asked for."""
    made = TracedHost(Cluster.ready(ONE, MINOR), recorded=recorded)
    made.cluster.decide(release(MINOR, number=2))
    made.settle()
    made.cluster.decide(start())
    return made


def markers(host: TracedHost) -> list:
    """The headers of every marker, in order."""
    return [
        record.headers
        for record in host.cluster.read(TOPIC)
        if isinstance(parse_control(record.key, record.headers), Marker)
    ]


def cuts(host: TracedHost, coordinator: object) -> list[CutState]:
    """What became of every cut, as this coordinator knows it."""
    return [cut.state for cut in coordinator._catalog.picture.coordination.cuts.values()]


def test_markers_carry_the_cuts_trace_beside_what_they_said_before(
    host: TracedHost, recorded: Recorded
) -> None:
    """Exactly one traceparent, and a tool that knows none of it reads the same marker."""
    coordinator = coordinator_on(host.cluster, recorded)
    turns([coordinator, host.agent], lambda: host.agent.status().release == 2)

    (headers,) = markers(host)
    assert [name for name, _ in headers] == ["syncline-cut", "syncline-coordinator", "traceparent"]
    of_coordinator = next(span for span in recorded.spans(CUT) if span.parent is None)
    of_agent = next(span for span in recorded.spans(CUT) if span.parent is not None)
    found = trace_context(headers)
    assert (found.trace_id, found.span_id) == (
        of_coordinator.context.trace_id,
        of_coordinator.context.span_id,
    )
    assert of_agent.context.trace_id == of_coordinator.context.trace_id


def test_without_spans_markers_are_as_they_were(host: TracedHost, recorded: Recorded) -> None:
    """And an agent's span of the cut is a root: nobody else's trace is there."""
    coordinator = coordinator_on(host.cluster, recorded)
    coordinator._events._spans = None
    turns([coordinator, host.agent], lambda: host.agent.status().release == 2)

    (headers,) = markers(host)
    assert [name for name, _ in headers] == ["syncline-cut", "syncline-coordinator"]
    assert [span.parent for span in recorded.spans(CUT)] == [None]


def test_a_cut_that_is_aborted_is_an_error(host: TracedHost, recorded: Recorded) -> None:
    """Its partitions took no marker in time."""
    coordinator = coordinator_on(host.cluster, recorded, prepare_timeout_s=2.0)
    turns([coordinator], lambda: coordinator._catalog.picture.coordination.open_cut is not None)
    host.cluster.log.fail_next_appends(1, OutcomeKind.FAILED)
    coordinator.step()
    host.cluster.clock.advance(seconds=3)
    turns([coordinator], lambda: CutState.ABORTED in cuts(host, coordinator))

    aborted = next(span for span in recorded.spans(CUT))
    assert aborted.attributes["error.type"] == "aborted"
    assert (aborted.end_time - aborted.start_time) // 1_000 >= 2 * SECOND_US


def test_partitions_that_stood_for_too_long_are_an_error_of_the_agent(
    host: TracedHost, recorded: Recorded
) -> None:
    """Under the coordinator's span, which its markers carried, and as long as they stood."""
    coordinator = coordinator_on(host.cluster, recorded)
    turns([coordinator], lambda: bool(markers(host)))
    for _ in range(8):
        host.agent.step()
    host.cluster.clock.advance(seconds=31)
    turns([host.agent], lambda: bool(host.agent.status().given_up))

    (given_up,) = recorded.told(CUT)
    assert given_up.parent == ELSEWHERE
    assert given_up.attributes == {
        "syncline.bundle": "inputs",
        "syncline.cut": host.agent.status().given_up[0],
        "syncline.agent": "syncline-agent-model-a",
        "error.type": "given_up",
    }
    assert given_up.took_ms == 30_000
    (headers,) = markers(host)
    assert recorded.one(CUT).context.trace_id == trace_context(headers).trace_id


def test_a_coordinator_that_is_asked_to_stop_ends_the_span_of_its_open_cut(
    host: TracedHost, recorded: Recorded
) -> None:
    """It aborts the cut; agents' spans are under a span that somebody can find."""
    stopping = [False]
    coordinator = coordinator_on(host.cluster, recorded, stopped=lambda: stopping[0])
    turns([coordinator], lambda: coordinator._catalog.picture.coordination.open_cut is not None)
    stopping[0] = True
    coordinator.run()

    assert CutState.ABORTED in cuts(host, coordinator)
    assert [span.attributes["error.type"] for span in recorded.spans(CUT)] == ["aborted"]


def test_a_coordinator_that_loses_its_claim_ends_the_span_of_its_open_cut(
    host: TracedHost, recorded: Recorded
) -> None:
    """Another one goes on with the cut, whose span this one's never will be."""
    first = coordinator_on(host.cluster, recorded)
    turns([first], lambda: first._catalog.picture.coordination.open_cut is not None)
    first._lose("another")
    first.close()

    assert len(recorded.spans(CUT)) == 1


# By itself.


def test_another_coordinators_cut_has_no_headers(recorded: Recorded, host: TracedHost) -> None:
    """A successor writes markers of a cut that it did not prepare: it has no span of it."""
    spans = CoordinatorSpans(recorded.tracing(host.cluster.clock), client_id="c")

    assert spans.marker_headers(7) == ()
    spans.decided(CutCommitted(0, 1, 7, ()), 8)
    spans.decided(CutAborted(0, 1, 7), 8)
    assert recorded.spans(CUT) == []


def test_a_cap_of_nothing_leaves_cuts_traced(host: TracedHost, recorded: Recorded) -> None:
    """The cap is for updates; cuts are few, and always there to be looked at."""
    coordinator = coordinator_on(host.cluster, recorded)
    coordinator._events._spans._tracing = recorded.tracing(host.cluster.clock, cap_per_s=0)
    turns([coordinator, host.agent], lambda: host.agent.status().release == 2)

    assert [span.parent for span in recorded.spans(CUT)].count(None) == 1
