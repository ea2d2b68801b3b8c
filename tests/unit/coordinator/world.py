"""Coordinators on a cluster in memory: killed, paused, cut off, and two at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from typing import Any

from syncline.adapters.memory.log import MemoryLog
from syncline.catalog.coordination import Coordination, Cut, CutState
from syncline.catalog.events import Decision, decode_decision
from syncline.catalog.fold import Picture
from syncline.catalog.rollout_events import Cohort, RolloutAction, RolloutMode, RolloutRequested
from syncline.catalog_client import CatalogClient
from syncline.coordinator.coordinator import Coordinator, Ports
from syncline.ports.log import Headers, LogReader, LogWriter, Outcome, OutcomeKind
from syncline.settings import CoordinatorSettings
from syncline.telemetry.cut_reports import CoordinatorStatus
from syncline.telemetry.reports import AgentStatus, PartitionStatus, encode_report
from syncline.wire.control import Marker, parse_control
from tests.unit.agent.world import CATALOG, REPORTS, Cluster, Killed, registration, release, subscription
from tests.unit.state.world import Version

PARTITIONS = 3
BUNDLE = "inputs"
TAKEOVER_S = 15.0
OnOutcome = Callable[[Outcome], None]


class Fate(Enum):
    """What becomes of an append."""

    FAILED = "failed"
    UNKNOWN = "unknown"
    """Its outcome is; it is in the log."""
    LATE = "late"
    """Its outcome is unknown, and it is in the log when the test says so."""
    KILLED = "killed"
    """Its writer is, before it is in the log."""
    KILLED_AFTER = "killed after"
    """Its writer is, once it is in the log."""


Gate = Callable[[str, int | None, bytes | None], Fate | None]
"""(topic, partition, key) of an append → its fate; None: it is written as usual."""


@dataclass
class Nth:
    """A gate at which the n-th append meets its fate, reports not counted."""

    at: int
    fate: Fate | None = None
    meanwhile: Callable[[], object] = lambda: None
    """What happens just before it."""
    count: int = 0

    def __call__(self, topic: str, partition: int | None, key: bytes | None) -> Fate | None:
        """See `Gate`."""
        del partition, key
        if topic == REPORTS:
            return None
        self.count += 1
        if self.count != self.at:
            return None
        self.meanwhile()
        return self.fate


def minor() -> tuple[Version, Version]:
    """Two versions of one MAJOR, so that both releases have one topic."""
    return (
        Version.make(1, version="1.0.0", partitions=PARTITIONS),
        Version.make(2, version="1.1.0", extra=True, partitions=PARTITIONS),
    )


def major() -> tuple[Version, Version]:
    """Two MAJORs, each with a topic of its own."""
    return (
        Version.make(1, version="1.0.0", partitions=PARTITIONS),
        Version.make(2, version="2.0.0", partitions=PARTITIONS),
    )


def start(*, to: int = 2, mode: RolloutMode = RolloutMode.CUT, **stated: Any) -> RolloutRequested:
    """A request to take a release live."""
    return RolloutRequested(BUNDLE, RolloutAction.START, 1, to, Cohort(), mode, **stated)


def asked(action: RolloutAction, *, to: int = 2, mode: RolloutMode = RolloutMode.CUT) -> RolloutRequested:
    """Another request about the rollout from 1 to 2."""
    target = 1 if action is RolloutAction.ROLLBACK else to
    return RolloutRequested(BUNDLE, action, 1, target, Cohort(), mode)


class GatedLog:
    """A log whose appends pass a gate, as seen by one coordinator."""

    def __init__(self, log: MemoryLog, gate: Gate, late: list[Callable[[], None]]) -> None:
        self._log = log
        self._gate = gate
        self._late = late

    def writer(self, *, client_id: str) -> Any:
        """See `Log.writer`."""
        return GatedWriter(self._log, self._log.writer(client_id=client_id), self._gate, self._late)

    def reader(self, *, client_id: str, group: str | None = None) -> LogReader:
        """See `Log.reader`."""
        return self._log.reader(client_id=client_id, group=group)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the log's own."""
        return getattr(self._log, name)


class GatedWriter:
    """Asks the gate for each append."""

    def __init__(self, log: MemoryLog, writer: LogWriter, gate: Gate, late: list[Callable[[], None]]) -> None:
        self._log = log
        self._writer = writer
        self._gate = gate
        self._late = late
        self._told: list[tuple[OnOutcome, Outcome]] = []

    def append(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> None:
        """See `LogWriter.append`."""
        write = partial(
            self._writer.append, topic, key=key, value=value, headers=headers, partition=partition
        )
        fate = self._gate(topic, partition, key)
        match fate:
            case None:
                write(on_outcome=on_outcome)
                return
            case Fate.UNKNOWN | Fate.KILLED_AFTER:
                write()
                self._writer.poll(0)
            case Fate.LATE:
                writer = self._log.writer(client_id="late")
                late = partial(
                    writer.append, topic, key=key, value=value, headers=headers, partition=partition
                )
                self._late.append(lambda: (late(), writer.close(1))[0])
            case _:
                pass
        if fate in (Fate.KILLED, Fate.KILLED_AFTER):
            raise Killed
        kind = OutcomeKind.FAILED if fate is Fate.FAILED else OutcomeKind.UNKNOWN
        if on_outcome is not None:
            self._told.append((on_outcome, Outcome(kind, topic, partition, reason="the test asked for it")))

    def poll(self, timeout_s: float) -> int:
        """See `LogWriter.poll`."""
        return self._serve() + self._writer.poll(timeout_s)

    def flush(self, timeout_s: float) -> int:
        """See `LogWriter.flush`."""
        self._serve()
        return self._writer.flush(timeout_s)

    def close(self, timeout_s: float) -> None:
        """See `LogWriter.close`."""
        self._serve()
        self._writer.close(timeout_s)

    def _serve(self) -> int:
        told, self._told = self._told, []
        for on_outcome, outcome in told:
            on_outcome(outcome)
        return len(told)


@dataclass
class Office:
    """A cluster with two releases of one bundle, and the coordinators that a test starts on it."""

    versions: tuple[Version, ...] = field(default_factory=minor)
    cluster: Cluster = field(default_factory=Cluster)
    applied: bool = True
    late: list[Callable[[], None]] = field(default_factory=list)
    """What is still under way to the log."""
    refused: set[int] = field(default_factory=set)
    """Partitions that take no marker from a coordinator with `gate`."""

    def __post_init__(self) -> None:
        """As `apply` would leave it: two releases, one subscription."""
        if self.applied:
            self.apply()

    @classmethod
    def empty(cls) -> Office:
        """Before anybody has applied anything."""
        return cls(applied=False)

    def apply(self) -> None:
        """Topics, versions, releases and the subscription."""
        first, second = self.versions
        self.cluster.make_topics(first, second)
        self.cluster.decide(registration(first), registration(second), release(first), subscription())
        self.cluster.decide(release(second, number=2))

    def refuse(self, *partitions: int) -> None:
        """These partitions refuse markers from now on; none: all take them again."""
        self.refused = set(partitions)

    def gate(self, topic: str, partition: int | None, key: bytes | None) -> Fate | None:
        """For a coordinator that shall meet the refusals."""
        del key
        return Fate.FAILED if topic == self.topic and partition in self.refused else None

    @property
    def topic(self) -> str:
        """The feature topic of both releases."""
        return self.versions[0].contract.topic

    def coordinator(
        self,
        name: str = "c1",
        *,
        gate: Gate | None = None,
        stopped: Callable[[], bool] = lambda: False,
        **settings: Any,
    ) -> Coordinator:
        """A coordinator that has not made a step yet."""
        log = GatedLog(self.cluster.log, gate, self.late) if gate else self.cluster.log
        stated = {"takeover_after_s": TAKEOVER_S, "prepare_timeout_s": 10.0, "report_interval_s": 2.0}
        return Coordinator(
            Ports(log, self.cluster.clock),  # type: ignore[arg-type]  # the gated log passes on what it does not know
            settings=CoordinatorSettings(coordinator=name, **{**stated, **settings}),
            stopped=stopped,
            wait=lambda seconds: self.cluster.clock.advance(seconds=seconds),
        )

    def ask(self, *requests: RolloutRequested) -> list[int]:
        """What a person asks for."""
        return self.cluster.decide(*requests)

    def picture(self) -> Picture:
        """The catalog as anybody reads it."""
        client = CatalogClient(self.cluster.log, CATALOG, clock=self.cluster.clock, client_id="tests")
        try:
            return client.catch_up(5)
        finally:
            client.close()

    def standing(self) -> Coordination:
        """What stands of cuts and rollouts."""
        return self.picture().coordination

    def cuts(self) -> list[Cut]:
        """Every cut, in catalog order."""
        return list(self.standing().cuts.values())

    def states(self) -> list[CutState]:
        """What became of every cut."""
        return [cut.state for cut in self.cuts()]

    def open_cut(self) -> int | None:
        """The cut that is open, or None."""
        return self.standing().open_cut

    def decision(self, offset: int | None) -> Decision:
        """The decision at an offset of the catalog."""
        (value,) = [record.value for record in self.cluster.read(CATALOG) if record.offset == offset]
        return decode_decision(value)

    def markers(self, cut: int, partition: int, topic: str = "") -> list[int]:
        """Offsets of a cut's markers in a partition."""
        return [
            record.offset
            for record in self.cluster.read(topic or self.topic, partition)
            if parse_control(record.key, record.headers) == Marker(cut)
        ]

    def said(self, name: str) -> list[CoordinatorStatus]:
        """What a coordinator has reported, in order."""
        found = [report for report in self.cluster.all_reports() if isinstance(report, CoordinatorStatus)]
        return [report for report in found if report.coordinator == name]

    def agent_says(self, *, instance: str = "a", **stated: Any) -> None:
        """An agent of the consumer reports that it has read everything, but for what is stated otherwise."""
        defaults: dict[str, Any] = {
            "agent": f"model/{instance}",
            "consumer": "model",
            "reported_at_us": self.cluster.clock.now_us(),
            "state": "LIVE",
            "reason": "",
            "bundle": BUNDLE,
            "release": 1,
            "epoch": 0,
            "catalog_offset": self.picture().next_offset,
            "fold_version": 1,
            "applied_rows": 0,
            "dead_letters": 0,
            "partitions": tuple(
                PartitionStatus(self.topic, number, 0, 0, 0, 0, 0, "") for number in range(PARTITIONS)
            ),
        }
        status = AgentStatus(**{**defaults, **stated})
        writer = self.cluster.log.writer(client_id="tests")
        writer.append(REPORTS, key=status.agent.encode(), value=encode_report(status))
        writer.close(1)


def steps(coordinator: Coordinator, most: int = 40) -> CoordinatorStatus:
    """Let it do whatever it can do now: until two turns change nothing; the clock stands still unless it waits."""
    before, quiet = None, 0
    for _ in range(most):
        coordinator.step()
        now = replace(coordinator.status(), reported_at_us=0), dict(coordinator._markers._acknowledged)
        quiet = quiet + 1 if now == before else 0
        before = now
        if quiet >= 2:
            break
    return coordinator.status()


def killed(coordinator: Coordinator, *, most: int = 200) -> None:
    """Let it work until its gate kills it."""
    for _ in range(most):
        try:
            coordinator.step()
        except Killed:
            return
    raise AssertionError("nothing killed it")
