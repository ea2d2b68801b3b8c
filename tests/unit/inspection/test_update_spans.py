"""Which spans of a trace are of one update."""

from __future__ import annotations

from typing import Any

from syncline.inspection.jaeger import Span
from syncline.inspection.update_spans import of_update
from syncline.telemetry import names


def span(
    name: str, span_id: str, parent: str = "", *, who: str = "", start: int = 0, **attributes: Any
) -> Span:
    """A span; `who` is the client that it names."""
    told = {names.CLIENT_ID: who} if who else {}
    return Span(
        span_id, parent, name, f"service-{who}", start, start + 1, {**told, **attributes}, is_error=False
    )


def followed(send: str, agent: str) -> list[Span]:
    """What becomes of an update that was sent, on one agent."""
    process = f"process-{send}-{agent}"
    return [
        span("deliver t", f"deliver-{send}-{agent}", send, who=agent),
        span("process t", process, send, who=agent),
        span("check contract", f"check-{send}-{agent}", process),
        span("apply delay", f"apply-{send}-{agent}", process),
    ]


SPANS = [
    span("source flights", "source"),
    span("transform mean", "transform", "source"),
    span("send t", "a", "transform"),
    span("send t", "b", "transform"),
    *followed("a", "x"),
    *followed("a", "y"),
    *followed("b", "x"),
]


def shown(spans: list[Span], **asked: str) -> tuple[list[tuple[int, str]], int]:
    """((depth, span id) of what is shown, how many others there are)."""
    found, others = of_update(spans, **asked)
    return [(nested.depth, nested.span.span_id) for nested in found], others


def test_the_update_of_this_agent_alone_is_shown() -> None:
    """Another update of the same step, and another agent that had the same update, are counted and left out."""
    found, others = shown(SPANS, send_id="a", process_id="process-a-x")

    assert found == [
        (0, "source"),
        (1, "transform"),
        (2, "a"),
        (3, "deliver-a-x"),
        (3, "process-a-x"),
        (4, "check-a-x"),
        (4, "apply-a-x"),
    ]
    assert others == len(SPANS) - len(found)


def test_without_a_process_every_agent_is_shown() -> None:
    """A store that was filled from a snapshot does not know which of them wrote it; nor does a trace without it."""
    everyone = shown(SPANS, send_id="a")[0]

    assert len(everyone) == 3 + 4 + 4
    assert shown(SPANS, send_id="a", process_id="dropped")[0] == everyone


def test_a_send_that_was_dropped_leaves_what_followed() -> None:
    """Spans are lost one by one; the rest is shown all the same."""
    found, _ = shown([each for each in SPANS if each.span_id != "a"], send_id="a", process_id="process-a-x")

    assert found == [(0, "deliver-a-x"), (0, "process-a-x"), (1, "check-a-x"), (1, "apply-a-x")]


def test_of_many_reads_a_few_are_shown() -> None:
    """Each reader has a first read of its own."""
    reads = [
        span("model input inputs", f"read{number}", "process-a-x", **{names.BUNDLE: "inputs"})
        for number in range(20)
    ]

    found, others = shown([*SPANS, *reads], send_id="a", process_id="process-a-x")

    assert len([each for _, each in found if each.startswith("read")]) == 5
    assert others == len(SPANS) + len(reads) - len(found)


def test_spans_that_stand_under_each_other_are_shown_once() -> None:
    """Anyone can send spans: none of them keeps this from ending."""
    circle = [
        span("send t", "a", "b"),
        span("x", "b", "a"),
        span("y", "c", "c"),
        span("z", "d", "a"),
        span("w", "a2", "d"),
    ]

    found, others = shown(circle, send_id="a")

    assert sorted(each for _, each in found) == ["a", "a2", "b", "d"]
    assert others == 1
