"""`syncline trace`: where values come from, with the log and Jaeger there or away, and bad input."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from syncline import wiring
from syncline.adapters.lmdb.store import LmdbStore
from syncline.clock import ManualClock
from syncline.inspection.jaeger import Answer, Jaeger, Span
from syncline.ports.log import TopicSpec
from syncline.state.cell import mark_traced, unpack_cell
from syncline.state.partition import PartitionState, PartitionWrite
from syncline.state.traced import Traced
from syncline.telemetry import names
from syncline.wire.control import Heartbeat
from syncline.wire.framing import prefix
from syncline.wire.keys import encode_key, partition_for
from tests.unit.agent.world import Cluster
from tests.unit.cli.cluster import Cli
from tests.unit.reader.world import Alias, World, contract, number
from tests.unit.state.world import Record

S = 1_000_000
TRACE, SEND, PROCESS = 0xA1, 0xB2, 0xC3
DELAY = contract("delay", number("mean"), number("most"), maxAge="1 h", whenStale="refuse")
PLANE = contract("plane", number("seats"), keys=(("tail", "string"),))
ARGUMENTS = ("trace", "flight_inputs", "origin=EWR", "tail=N1")


@dataclass
class Traces:
    """A store and a log with one update of each alias; all times are `ago` of now."""

    folder: Path
    cli: Cli
    now_us: int = field(default_factory=lambda: time.time_ns() // 1_000_000 * 1_000)

    def __post_init__(self) -> None:
        """Nothing is stored yet."""
        for view in (DELAY, PLANE):
            self.cli.cluster.log.create_topic(TopicSpec(view.topic, view.partitions))
        self.clock = ManualClock(self.now_us)
        self.store = LmdbStore.open(self.folder, create=True)
        self.world = World(self.store, self.clock)
        self.world.report()
        self.world.serve(Alias("origin", DELAY, ("origin",)), Alias("plane", PLANE, ("tail",)))

    def put(self, view: Any, key: str, *, age_s: float = 10.0, **values: float) -> None:
        """Store an update whose record stands nowhere."""
        self.world.next_offset = 0
        self.world.put(view, key, age_us=round(age_s * S), **values)

    def trace(self, view: Any, key: str, *, waited_us: int = 9 * S) -> None:
        """The update of this entity was traced, and the broker took it so long ago."""
        record_key = encode_key((key,))
        partition = partition_for(record_key, view.partitions)
        taken_us = self.now_us - waited_us
        traced = Traced(TRACE, SEND, PROCESS, taken_us, taken_us + 20_000, taken_us + 25_000)
        cell = mark_traced(self.world.stored(view, key))
        write = PartitionWrite(
            view.topic,
            partition,
            PartitionState(),
            [record_key],
            [cell],
            traces=[(record_key, traced.pack())],
        )
        self.store.commit([write])

    def append(
        self, view: Any, key: str, *, age_s: float = 9.0, headers: tuple[tuple[str, bytes], ...] = ()
    ) -> None:
        """Put the record of the stored update into the log."""
        record_key = encode_key((key,))
        cell = unpack_cell(record_key, self.world.stored(view, key))
        value = prefix(cell.schema_id) + cell.payload
        record = Record(record_key, value, round(self.now_us / 1_000 - age_s * 1_000), headers)
        self.cli.cluster.put(view.topic, [record], partition_for(record_key, view.partitions))

    def call(self, *more: str) -> tuple[int, str, str]:
        """(exit code, stdout, stderr)."""
        self.store.close()
        return self.cli(*ARGUMENTS, "--store", self.folder, *more)

    def json(self, *more: str) -> dict[str, Any]:
        """The document, by alias."""
        self.store.close()
        document = self.cli.json(*ARGUMENTS, "--store", self.folder, *more)
        document["aliases"] = {each["alias"]: each for each in document["aliases"]}
        return document


@pytest.fixture
def traces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Traces]:
    """A store of its own, and no Jaeger."""
    monkeypatch.delenv("SYNCLINE_JAEGER_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    made = Traces(tmp_path, Cli.on(Cluster(), monkeypatch, capsys))
    yield made
    made.store.close()


def took(alias: dict[str, Any]) -> dict[str, float]:
    """Stage → whole milliseconds, but for the last one, which goes on."""
    return {f"{each['from']} → {each['to']}": each["took_us"] // 1_000 for each in alias["stages"][:-1]}


def test_a_traced_and_an_untraced_value_side_by_side(traces: Traces) -> None:
    """Each has the stages that are known of it; values are shown where they are asked for."""
    traces.put(DELAY, "EWR", mean=12.5, most=30)
    traces.append(DELAY, "EWR", headers=(("ce_id", b"event-7"),))
    traces.trace(DELAY, "EWR")
    traces.put(PLANE, "N1", seats=180)
    traces.append(PLANE, "N1", age_s=4)

    document = traces.json()

    assert (document["release"], document["epoch"], document["cut"]) == ("flight_inputs@1", 5, None)
    origin, plane = document["aliases"]["origin"], document["aliases"]["plane"]
    assert took(origin) == {"event → log": 1_000, "log → agent": 20, "agent → applied": 5}
    assert took(plane) == {"event → log": 6_000}
    assert [each["stages"][-1]["to"] for each in (origin, plane)] == ["read", "read"]
    assert (origin["topic"], origin["offset"], origin["record"]["event_id"]) == (DELAY.topic, 0, "event-7")
    assert origin["trace"] == {
        "trace_id": f"{TRACE:032x}",
        "send_span_id": f"{SEND:016x}",
        "process_span_id": f"{PROCESS:016x}",
        "link": None,
    }
    assert origin["untraced"] is None
    assert plane["trace"] is None
    assert "1 %" in plane["untraced"]
    assert origin["features"]["origin__mean"] == {"status": "PRESENT", "reason": None}
    assert traces.json("--values")["aliases"]["origin"]["features"]["origin__mean"]["value"] == 12.5


def test_values_are_shown_where_they_are_asked_for(traces: Traces) -> None:
    """Not otherwise: a trace is passed around."""
    traces.put(DELAY, "EWR", mean=12.5, most=30)

    _, hidden, _ = traces.call()
    _, shown, _ = traces.call("--values")

    assert "12.5" not in hidden
    assert "PRESENT: mean = 12.5, most = 30.0" in shown


def test_why_a_value_is_invalid_quotes_it(traces: Traces) -> None:
    """So that is shown where values are, and what is not shown is said."""
    traces.put(DELAY, "EWR", mean=98_765, most=30)

    _, hidden, _ = traces.call()
    _, shown, _ = traces.call("--values")

    assert "INVALID: mean (--values shows why)" in hidden
    assert "98765" not in hidden
    assert "98765" not in json.dumps(traces.json())
    assert "maximum: 98765" in shown
    assert "98765" in traces.json("--values")["aliases"]["origin"]["features"]["origin__mean"]["reason"]


def test_some_features_only(traces: Traces) -> None:
    """As `get` takes them; aliases that have none of them are left out, and so are their keys."""
    traces.put(DELAY, "EWR", mean=12.5, most=30)
    traces.store.close()

    document = traces.cli.json(
        "trace", "flight_inputs", "origin=EWR", "--store", traces.folder, "--feature", "origin:mean"
    )

    (alias,) = document["aliases"]
    assert list(alias["features"]) == ["origin__mean"]


def test_a_value_that_a_model_is_refused_is_traced(traces: Traces) -> None:
    """What is too old to be handed out is what one wants to know about most."""
    traces.put(DELAY, "EWR", age_s=7_200, mean=12.5, most=30)
    traces.append(DELAY, "EWR", age_s=1)

    document = traces.json("--values")["aliases"]["origin"]

    assert took(document) == {"event → log": 7_199_000}
    read = document["features"]["origin__mean"]
    assert (read["status"], read["value"]) == ("OUTSIDE_MAX_AGE", None)
    assert read["reason"].startswith("refused: origin (delay@1.0) is 7200.")


def test_a_store_that_is_not_ready_is_read_with_a_note(traces: Traces) -> None:
    """A model would be refused; whoever looks for the reason is not."""
    traces.put(DELAY, "EWR", mean=12.5, most=30)
    traces.world.report("HOLDING", ready=False, reason="delay.v1[1]: schema id 9 is not known")

    code, out, err = traces.call()

    assert code == 0
    assert "PRESENT: mean, most" in out
    assert "note: the agent predictor-0 is not ready: it is HOLDING (delay.v1[1]: schema id 9" in err


def test_a_store_that_nobody_writes_is_told(traces: Traces) -> None:
    """Its values are as old as its agent's last word, at least."""
    traces.clock.us -= 95 * S
    traces.world.report()
    traces.clock.us += 95 * S

    _, _, err = traces.call()

    assert err.startswith("note: the agent predictor-0 has not written this store for 9")


def test_what_is_not_there_is_not_found(traces: Traces) -> None:
    """Nothing is stored, or what was is deleted."""
    traces.put(DELAY, "EWR", mean=1, most=1)
    traces.world.next_offset = 0
    traces.world.delete(DELAY, "EWR", age_us=5 * S)

    code, out, _ = traces.call()

    assert code == 0
    assert "deleted by the event of " in out
    assert "NOT_FOUND: the store has nothing of this entity" in out
    assert traces.json()["aliases"]["origin"]["deleted"] is True


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda made: None, "the log ends at offset 0"),
        (
            lambda made: made.cli.cluster.put(DELAY.topic, [Record(b"other", b"", 1)], made.partition),
            "another record",
        ),
        (lambda made: made.trim(), "it is gone: the log begins at offset 1"),
        (
            lambda made: setattr(made.cli.cluster.log, "available", False),
            "no broker answered at 127.0.0.1:9092",
        ),
    ],
)
def test_without_the_record_the_rest_is_shown(traces: Traces, prepare: Any, said: str) -> None:
    """Trimmed, another cluster, a topic made again, no broker: which, and what the store knows all the same."""
    traces.put(DELAY, "EWR", mean=1, most=1)
    traces.trace(DELAY, "EWR")
    made = _At(traces)
    prepare(made)

    code, out, err = traces.call("--feature", "origin:mean", "--feature", "plane:seats")

    assert code == 0
    assert f"its record could not be read back: {said}" in out
    assert "log → agent" in out
    assert ("no broker answered" in err) == ("no broker" in said)


class _At:
    """The partition of the one entity."""

    def __init__(self, traces: Traces) -> None:
        self.traces, self.cli = traces, traces.cli
        self.partition = partition_for(encode_key(("EWR",)), DELAY.partitions)

    def trim(self) -> None:
        """The record was there, and retention has taken it."""
        self.traces.append(DELAY, "EWR")
        self.cli.cluster.log.trim(DELAY.topic, self.partition, 1)


def test_publishers_that_were_heard_are_named(traces: Traces) -> None:
    """Who of them sent a record stands in no record; that they publish there stands in their heartbeats."""
    traces.put(DELAY, "EWR", mean=1, most=1)
    traces.append(DELAY, "EWR")
    for name in ("job-b", "job-a"):
        beat = Heartbeat(name, 1, 1)
        record = Record(beat.key(), None, traces.now_us // 1_000, tuple(beat.headers()))
        traces.cli.cluster.put(DELAY.topic, [record], 0)

    assert traces.json()["aliases"]["origin"]["publishers_heard"] == ["job-a", "job-b"]
    assert "publishers heard on the topic: job-a, job-b" in traces.call()[1]


def spans() -> tuple[Span, ...]:
    """One update in Jaeger."""
    send, process = f"{SEND:016x}", f"{PROCESS:016x}"

    def span(name: str, span_id: str, parent: str, start_ms: int, end_ms: int, **attributes: Any) -> Span:
        service = "job" if name.startswith(("source", "send")) else "syncline-agent"
        return Span(span_id, parent, name, service, start_ms * S, end_ms * S, attributes, is_error=False)

    return (
        span("source flights", "01", "", 0, 700, secret="12.5"),
        span(f"send {DELAY.topic}", send, "01", 650, 800, **{names.CLIENT_ID: "syncline-publisher-job"}),
        span(f"deliver {DELAY.topic}", "02", send, 800, 820, **{names.LAG_AT: "broker"}),
        span(f"process {DELAY.topic}", process, send, 820, 825),
        span("apply delay", "03", process, 823, 825),
    )


def test_spans_are_drawn_where_a_jaeger_has_them(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    """With who sent it, by its span, and the address of the page; of foreign attributes nothing is shown."""
    monkeypatch.setattr(Jaeger, "trace", lambda self, trace_id: Answer(spans()))
    traces.put(DELAY, "EWR", mean=1, most=1)
    traces.append(DELAY, "EWR")
    traces.trace(DELAY, "EWR")

    _, out, _ = traces.call("--jaeger", "http://traces.example/")

    lines = out.splitlines()
    drawn = [
        line
        for line in lines
        if line.startswith(("  source", "   send", "    deliver", "    process", "     apply"))
    ]
    assert [line.split()[0] for line in drawn] == ["source", "send", "deliver", "process", "apply"]
    assert drawn[2].endswith("20 ms  at the broker")
    assert f"  trace http://traces.example/trace/{TRACE:032x}" in lines
    assert "  published by syncline-publisher-job" in lines
    assert any(
        line.startswith("  event → log 1.00 s, log → agent 20 ms, agent → applied 5.0 ms, ") for line in lines
    )
    assert {len(line) <= 100 for line in lines} == {True}
    document = traces.json("--jaeger", "http://traces.example/")["aliases"]["origin"]
    assert [each["depth"] for each in document["spans"]] == [0, 1, 2, 2, 3]
    assert "12.5" not in json.dumps(document["spans"])
    assert document["publisher"] == "syncline-publisher-job"


def test_a_jaeger_that_is_away_is_a_note(traces: Traces) -> None:
    """Said once, on stderr, and the stages are drawn."""
    for view, key in ((DELAY, "EWR"), (PLANE, "N1")):
        traces.put(view, key)
        traces.trace(view, key)

    code, out, err = traces.call("--jaeger", "http://127.0.0.1:1")

    assert code == 0
    assert err.count("note: no spans from Jaeger at http://127.0.0.1:1: it does not answer") == 1
    assert out.count("log → agent") == 2


def test_a_trace_that_jaeger_does_not_have_is_said(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the value; it may come yet."""
    monkeypatch.setattr(Jaeger, "trace", lambda self, trace_id: Answer(trouble="it does not have this trace"))
    monkeypatch.setenv("SYNCLINE_JAEGER_URL", "http://traces.example")
    traces.put(DELAY, "EWR", mean=1, most=1)
    traces.trace(DELAY, "EWR")

    code, out, _ = traces.call()

    assert code == 0
    assert "no spans from Jaeger: it does not have this trace" in out
    assert "agent → applied" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nope", "origin=EWR"), 1, "this store serves no bundle `nope`"),
        (("flight_inputs", "origin=EWR"), 1, "`tail`"),
        (("flight_inputs", "origin=EWR", "tail=N1", "x=1"), 1, "`x`"),
        (("flight_inputs", "origin=EWR", "tail=N1", "--feature", "origin:men"), 1, "origin:mean"),
        (("flight_inputs", "origin"), 64, "write it as origin=EWR"),
        (("flight_inputs", "origin=EWR", "tail=N1", "--jaeger", "ftp://x"), 64, "is no http or https URL"),
        (
            ("flight_inputs", "origin=EWR", "tail=N1", "--jaeger", "http://u:hidden@x"),
            64,
            "credentials do not belong",
        ),
    ],
)
def test_bad_input_to_trace_is_one_message(
    traces: Traces, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """What is wrong and what to do, exit 1 or 64, and nothing on stdout."""
    traces.store.close()

    got, out, err = traces.cli("trace", *arguments, "--store", traces.folder)

    assert (got, out) == (code, "")
    assert said in err
    assert "hidden" not in err
    assert "Traceback" not in err


def test_without_a_store_nothing_is_traced(traces: Traces, tmp_path: Path) -> None:
    """One sentence, as `get` says it."""
    code, _, err = traces.cli(*ARGUMENTS, "--store", tmp_path / "nowhere")

    assert code == 1
    assert "there is no store at" in err


def test_looking_is_not_the_first_use(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model's first read is a span of the trace; `syncline trace` leaves none, whatever OTEL_… says."""
    monkeypatch.setattr(wiring, "FeatureReader", None)
    traces.put(DELAY, "EWR", mean=1, most=1)

    assert traces.call()[0] == 0
