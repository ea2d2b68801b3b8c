"""A model that reads all the time, while versions change, and holds every input to what the job had said."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING

from syncline.demo.airport_versions import FIRST_VERSION, VERSIONS
from syncline.demo.inputs import BUNDLE
from syncline.errors import SynclineError
from syncline.ports.log import TopicPartition

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from syncline.demo.flight_job import Row
    from syncline.demo.flights import Departure
    from syncline.demo.flow import Told
    from syncline.reader import ModelInput, Source
    from syncline.wiring import FeatureReader

PAUSE_S = 0.004
"""Between two reads: a model that reads as fast as it can would leave nothing of a small machine to the agents."""
AIRPORT_ALIASES = {"origin_delay": "origin", "dest_delay": "dest"}
"""Alias of the bundle → the join key of a request that names its airport."""
_FAULTS_KEPT = 5
_STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class Expected:
    """What an input of one release has to look like."""

    version: str
    """Of `airport_delay`: delays are as it says."""
    unit: str
    """Of delays, by the contract."""
    names: frozenset[str]
    """Full names of all features that the bundle has in this release."""


@dataclass(slots=True)
class Seen:
    """What one reader has met. Faults are kept in words: each is a promise that was broken."""

    inputs: Counter[str] = field(default_factory=Counter)
    """Release → inputs read."""
    releases: list[str] = field(default_factory=list)
    """The releases one after another, as they were met."""
    newest: dict[str, dict[TopicPartition, int]] = field(default_factory=dict)
    """Release, and how often it had been met before (`flight_inputs@2 1`) → the last offset read under it."""
    samples: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Release → an airport, and its mean departure delay as it was read."""
    faults: list[str] = field(default_factory=list)

    @property
    def before(self) -> Mapping[TopicPartition, int]:
        """Partition → the last offset that a value came from, under the release before the one that is read now."""
        return self.newest.get(_turn(self.releases[:-1]), {})


class InputWatch:
    """Reads one replica's store all the time, in a thread of its own. Use as a context manager.

    `expected` says what inputs of a release look like; a release that it does not know is a fault.
    """

    def __init__(
        self,
        reader: FeatureReader,
        departures: Sequence[Departure],
        *,
        expected: Mapping[str, Expected],
        told: Told,
    ) -> None:
        self._reader = reader
        self._keys = [departure.keys for departure in departures]
        self._expected = expected
        self._told = told
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="syncline-demo-watch", daemon=True)
        self.seen = Seen()

    def __enter__(self) -> Self:
        """Start reading."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        for keys in cycle(self._keys):
            if self._stop.wait(PAUSE_S):
                return
            try:
                row = self._reader.get(BUNDLE, keys)
            except SynclineError as error:
                self._fault(f"a read failed: {error}")
                continue
            take(self.seen, row, keys)
            for fault in faults_of(row, keys, self._expected, self._told):
                self._fault(fault)

    def _fault(self, said: str) -> None:
        if len(self.seen.faults) < _FAULTS_KEPT:
            self.seen.faults.append(said)


def take(seen: Seen, row: ModelInput, keys: Mapping[str, str]) -> None:
    """Note one more input."""
    if not seen.releases or seen.releases[-1] != row.release:
        seen.releases.append(row.release)
    seen.inputs[row.release] += 1
    delay = row.values.get("origin_delay__dep_delay_mean_1h")
    if delay:
        seen.samples[row.release] = (keys["origin"], delay)
    newest = seen.newest.setdefault(_turn(seen.releases), {})
    for source in row.sources.values():
        if source.offset is not None:
            place = (source.topic, source.partition)
            newest[place] = max(newest.get(place, -1), source.offset)


def faults_of(
    row: ModelInput, keys: Mapping[str, str], expected: Mapping[str, Expected], told: Told
) -> Iterable[str]:
    """What is wrong with an input, if anything: a name, a topic or a unit that is not of its release."""
    wanted = expected.get(row.release)
    if wanted is None:
        yield f"an input of {row.release}, which nobody brought live"
        return
    if row.values.keys() != wanted.names:
        odd = ", ".join(sorted(row.values.keys() ^ wanted.names))
        yield f"an input of {row.release} whose names are not that release's: {odd}"
    for alias, key in AIRPORT_ALIASES.items():
        source = row.sources[alias]
        if source.view != wanted.version:
            yield f"{alias} of {row.release} was read as {source.view}, not as {wanted.version}"
        if source.event_time_us is None:
            continue
        said = told.of(keys[key], source.event_time_us)
        if not _is_one_of(said, _values(row, alias, source), wanted.version):
            yield f"{alias} of {row.release} at {keys[key]} holds what the job never said in {wanted.version}"


def _values(row: ModelInput, alias: str, source: Source) -> dict[str, object]:
    """What the alias holds, by the names of the view."""
    start = f"{alias}__"
    values = {name.removeprefix(start): value for name, value in row.values.items() if name.startswith(start)}
    if source.reference == FIRST_VERSION and values.get("movements_1h", 0) is None:
        # A row of before the MINOR has the default where the feature is asked for.
        del values["movements_1h"]
    return values


def _is_one_of(said: Iterable[Row], values: dict[str, object], version: str) -> bool:
    """Whether the job said these values, in the names and units of the version."""
    return any(values.items() <= VERSIONS[version](row).items() for row in said)


def _turn(releases: Sequence[str]) -> str:
    """The release that is met now, and how often it had been met before."""
    return f"{releases[-1]} {releases.count(releases[-1]) - 1}" if releases else ""
