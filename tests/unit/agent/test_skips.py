"""The ways past a held record, on whole agents: what comes first in the catalog decides, for early and late ones."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from syncline.catalog.events import RecordSkipped, SchemaRefused
from syncline.errors import DecisionVoid
from syncline.wire.framing import prefix as framing
from syncline.wire.keys import encode_key
from tests.unit.agent.world import Cluster, Host, digests, registration
from tests.unit.state.reference import Played, Reference
from tests.unit.state.world import NOW_MS, Record, Version

STRICT = Version.make(7, on_violation="halt")
LAX = Version.make(7)
NEXT = {
    True: Version.make(9, version="1.1.0", on_violation="halt", extra=True),
    False: Version.make(9, version="1.1.0", extra=True),
}
TOPIC = LAX.contract.topic
FOREIGN = 2**32 - 1
"""A schema id that no registry gives: junk that begins with a zero byte looks like this."""

KINDS = ("good", "later", "later broken", "foreign", "broken", "junk", "keyless")


def record(kind: str, version: Version, number: int) -> Record:
    """A record of this kind; event times rise with the number."""
    at_us, ms = (NOW_MS + number) * 1_000, NOW_MS + number
    key = encode_key(["EWR"])
    later = NEXT[version is STRICT]
    junk = {
        "foreign": Record(key, framing(FOREIGN) + b"whatever", ms),
        "junk": Record(key, b"\x07junk", ms),
        "keyless": Record(None, framing(FOREIGN) + b"whatever", ms),
    }
    if kind in junk:
        return junk[kind]
    written = later if kind.startswith("later") else version
    return written.record(at_us=at_us, ms=ms, mean=500.0 if kind.endswith("broken") else float(number))


@dataclass
class Model:
    """What must come out, from the decisions in their order and the records in theirs, said as simply as possible."""

    halting: bool
    decisions: list[Any]

    def first(self, wanted: Any) -> int | None:
        """The place of this decision in the catalog."""
        return next((place for place, found in enumerate(self.decisions) if found == wanted), None)

    def verdict(self, kind: str, offset: int) -> str:
        """`fold`, `hold`, or the rule that the dead letter names."""
        schema_id = {"later": 9, "later broken": 9, "foreign": FOREIGN, "keyless": FOREIGN}.get(kind)
        skip = self.first(("skip", offset))
        if schema_id is not None:
            ways = {"skipped": skip, "refused": self.first(("refuse", schema_id))}
            if schema_id == 9:
                ways["registered"] = self.first(("register", 9))
            there = {way: place for way, place in ways.items() if place is not None}
            if not there:
                return "hold"
            way = min(there, key=there.__getitem__)
            if way != "registered":
                return way
        if kind in ("good", "later"):
            return "fold"
        if self.halting:
            return "hold" if skip is None else "skipped"
        return {"junk": "framing"}.get(kind, "maximum")


@dataclass
class Scene:
    """A cluster on which records, decisions, and agents that come and go are interleaved."""

    halting: bool
    kinds: list[str]
    decisions: list[tuple[str, int]]
    batch_rows: int

    def __post_init__(self) -> None:
        """The first version is known; nothing stands in the topic."""
        self.version = STRICT if self.halting else LAX
        self.cluster = Cluster.ready(self.version)
        self.put = self.decided = 0

    def put_next(self) -> None:
        """The next record is appended."""
        if self.put < len(self.kinds):
            self.cluster.put(TOPIC, [record(self.kinds[self.put], self.version, self.put)])
            self.put += 1

    def decide_next(self) -> None:
        """The next decision is written, whether it counts or not."""
        if self.decided < len(self.decisions):
            what, number = self.decisions[self.decided]
            self.decided += 1
            payload = {
                "skip": lambda: RecordSkipped(TOPIC, 0, number),
                "refuse": lambda: SchemaRefused(number),
                "register": lambda: registration(NEXT[self.halting]),
            }[what]()
            with suppress(DecisionVoid):
                self.cluster.decide(payload)

    def expected(self) -> tuple[Reference, dict[int, str]]:
        """The fold and the dead letters (offset → rule) by the model, up to the record that holds."""
        model, reference, letters = Model(self.halting, self.decisions), Reference(), {}
        for offset, kind in enumerate(self.kinds):
            told = model.verdict(kind, offset)
            if told == "hold":
                break
            played = record(kind, self.version, offset)
            if told != "fold":
                letters[offset] = told
                reference.take(offset, Played("bad", played))
                continue
            assert played.value is not None
            schema_id = int.from_bytes(played.value[1:5], "big")
            at_us = (NOW_MS + offset) * 1_000
            reference.take(offset, Played("update", played, at_us, schema_id, played.value[5:]))
        return reference, letters

    def letters_of(self, host: Host) -> dict[int, tuple[str, str, str, int | None]]:
        """Offset → what this agent's letter says; two that differ would be a fault."""
        found: dict[int, set[tuple[str, str, str, int | None]]] = {}
        for letter in self.cluster.letters(self.version):
            if letter.agent == host.agent.name:
                reason = letter.reason
                told = (reason.rule, reason.message, reason.view_version, reason.schema_id)
                found.setdefault(letter.offset, set()).add(told)
        assert all(len(each) == 1 for each in found.values())
        return {offset: next(iter(each)) for offset, each in found.items()}


DECISIONS = st.one_of(
    st.tuples(st.just("skip"), st.integers(0, 9)),
    st.sampled_from([("refuse", FOREIGN), ("refuse", 9), ("register", 9)]),
)
MOVES = st.lists(st.sampled_from(["put", "decide", "step", "restart"]), max_size=40)


@settings(max_examples=80)
@given(
    halting=st.booleans(),
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=8),
    decisions=st.lists(DECISIONS, max_size=7, unique=True),
    moves=MOVES,
    batch_rows=st.sampled_from([1, 3, 1_000]),
)
@example(
    halting=True,
    kinds=["broken", "good"],
    decisions=[("skip", 0)],
    moves=["put", "step", "step", "put", "decide"],
    batch_rows=1_000,
)
@example(
    halting=False,
    kinds=["later", "later", "good"],
    decisions=[("skip", 0), ("register", 9), ("skip", 1)],
    moves=["put"] * 3 + ["step"] * 3 + ["decide"] * 3,
    batch_rows=1_000,
)
@example(
    halting=True,
    kinds=["keyless", "later broken"],
    decisions=[("skip", 1), ("refuse", FOREIGN), ("register", 9)],
    moves=[],
    batch_rows=1_000,
)
def test_whoever_reads_when_all_agents_agree(
    *, halting: bool, kinds: list[str], decisions: list[tuple[str, int]], moves: list[str], batch_rows: int
) -> None:
    """P2, P6: any interleaving of records, registrations and skips, any moments of reading: one state, one verdict."""
    scene = Scene(halting, kinds, decisions, batch_rows)
    early = Host(scene.cluster, batch_rows=batch_rows)
    for move in moves:
        match move:
            case "put":
                scene.put_next()
            case "decide":
                scene.decide_next()
            case "step":
                early.agent.step()
            case _:
                early.start()
    while scene.decided < len(decisions):
        scene.decide_next()
    while scene.put < len(kinds):
        scene.put_next()
    settled = early.settle()
    late = Host(scene.cluster, instance="late", batch_rows=1_000)

    assert digests(late.settle()) == digests(settled)
    reference, letters = scene.expected()
    state = early.committed().get((TOPIC, 0))
    assert (state.next_offset if state else 0) == reference.next_offset
    assert (state.digest.total if state else 0) == reference.digest()
    assert (state.t_ms if state else -1) == reference.t_ms
    told = scene.letters_of(early)
    assert {offset: each[0] for offset, each in told.items()} == letters
    assert scene.letters_of(late) == told
    assert (settled.state == "HOLDING") == (reference.next_offset < len(kinds))


def test_a_held_agent_goes_on_by_itself_and_the_letter_tells_who_decided_and_why() -> None:
    """P6, P11: nothing is lost silently: rule `skipped`, with actor, reason and place; T counts the record."""
    cluster = Cluster.ready(LAX)
    cluster.put(TOPIC, [record("good", LAX, 0), record("foreign", LAX, 5), record("good", LAX, 2)])
    host = Host(cluster)
    status = host.settle()
    assert status.state == "HOLDING"
    assert "syncline skip" in status.reason

    (at,) = cluster.decide(RecordSkipped(TOPIC, 0, 1))
    status = host.settle()

    assert (status.state, status.reason) == ("LIVE", "")
    (letter,) = cluster.letters(LAX)
    assert (letter.offset, letter.key, letter.value) == (1, b"EWR", framing(FOREIGN) + b"whatever")
    assert (letter.reason.rule, letter.reason.stage, letter.reason.feature) == ("skipped", "SKIP", "")
    assert letter.reason.message == f"skipped by tests at catalog offset {at}: because"
    assert (letter.reason.view_version, letter.reason.schema_id) == ("delay@1", FOREIGN)
    assert host.committed()[TOPIC, 0].t_ms == NOW_MS + 5


def test_a_skipped_record_that_broke_its_contract_tells_both() -> None:
    """The operator's decision first, then every rule that it breaks."""
    cluster = Cluster.ready(STRICT)
    cluster.put(TOPIC, [record("broken", STRICT, 0)])
    cluster.decide(RecordSkipped(TOPIC, 0, 0))

    assert Host(cluster).settle().state == "LIVE"

    (letter,) = cluster.letters(STRICT)
    assert letter.reason.message.startswith("skipped by tests at catalog offset ")
    assert "; it breaks mean: maximum: 500.0, expected <= 100" in letter.reason.message
    assert (letter.reason.view_version, letter.reason.schema_id) == ("delay@1.0", 7)


@pytest.mark.parametrize("place", [("other", 0, 0), (TOPIC, 1, 0), (TOPIC, 0, 2)])
def test_a_skip_of_another_record_changes_nothing(place: tuple[str, int, int]) -> None:
    """It names one record: topic, partition and offset."""
    cluster = Cluster.ready(LAX, Version.make(20, view="other", partitions=2))
    cluster.put(TOPIC, [record("good", LAX, 0), record("foreign", LAX, 1)])
    topic = "syncline.features.other.v1" if place[0] == "other" else place[0]
    cluster.decide(RecordSkipped(topic, *place[1:]))

    assert Host(cluster).settle().state == "HOLDING"
    assert cluster.letters(LAX) == []


def test_a_refused_id_passes_all_its_records_now_and_later() -> None:
    """Records that come after the decision too; those of other ids are judged as ever."""
    cluster = Cluster.ready(LAX)
    cluster.put(TOPIC, [record("foreign", LAX, 0), record("foreign", LAX, 1), record("good", LAX, 2)])
    host = Host(cluster)
    assert host.settle().state == "HOLDING"

    cluster.decide(SchemaRefused(FOREIGN))
    cluster.put(TOPIC, [record("keyless", LAX, 3), record("later", LAX, 4)])
    status = host.settle()

    assert "schema id 9 at offset 4" in status.reason
    assert [(each.offset, each.reason.rule) for each in cluster.letters(LAX)] == [
        (0, "refused"),
        (1, "refused"),
        (3, "refused"),
    ]
    with pytest.raises(DecisionVoid, match="registered"):
        cluster.decide(registration(NEXT[False]), SchemaRefused(9))
