"""The reader: model inputs straight from an agent's store, in the process that uses them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncline.catalog.serving import META_AGENT, META_SERVING, AgentCondition, Serving
from syncline.clock import SystemClock
from syncline.contracts.nearest import nearest
from syncline.errors import MissingJoinKey, NotReady, ReadError, StaleFeature
from syncline.reader.compiled import Compiled
from syncline.reader.model_input import ModelInput, event_time_us_of
from syncline.reader.model_inputs import ModelInputs, ResolvedColumn
from syncline.reader.reads import WAITING_MAX, Reads
from syncline.reader.release import Release
from syncline.reader.request import key_columns
from syncline.reader.traced_values import traced_values
from syncline.state.cell import TRACED, TRACED_AT
from syncline.telemetry.deprecated_use import DeprecatedUse
from syncline.telemetry.reader_watch import ReaderWatch

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from syncline.clock import Clock
    from syncline.contracts.model import FeatureType
    from syncline.ports.store import Store, StoreSnapshot
    from syncline.reader.entity import Located
    from syncline.reader.selection import Resolved, SelectedView, Selection
    from syncline.telemetry.telemetry import Telemetry

_LOGGER = logging.getLogger("syncline.reader")
_LOGGER.addHandler(logging.NullHandler())  # else Python's last resort prints warnings to stderr
ManyKeys = Sequence[Mapping[str, str | int]] | Mapping[str, Sequence[str | int]] | Any
"""The join keys of many rows: a mapping a row, a column a name, a pyarrow.Table or a pandas.DataFrame."""


class FeatureReader:
    """Hands out model inputs, each of one release and of one moment of the store, with the age of every value.

    Reads the store alone: no network, no call to the agent. Many processes may read one store while its agent
    writes it, and several threads may share one reader. After a fork the child goes on with the same reader, as
    far as its store can.
    """

    def __init__(
        self, store: Store, *, clock: Clock | None = None, telemetry: Telemetry | None = None
    ) -> None:
        """`telemetry` is what it counts in and traces with; None: it does neither."""
        self._store = store
        self._watch = None if telemetry is None else ReaderWatch(telemetry)
        self._reads = None if self._watch is None else Reads(self._watch)
        self._clock = clock or SystemClock()
        self._monotonic_s = self._clock.monotonic_s
        self._served = _Served(-1, None, None, None)
        self._compiled = Compiled()
        self._deprecated = DeprecatedUse(_warn)

    def get(
        self,
        bundle: str,
        keys: Mapping[str, str | int],
        *,
        features: Sequence[str] | None = None,
        full_feature_names: bool = True,
        allow_not_ready: bool = False,
    ) -> ModelInput:
        """The features of one request, as the store has them now.

        Args:
            bundle: which bundle; a store serves that of its agent's subscription.
            keys: every join key of the bundle by its name in requests: `{"origin": "EWR", "dest": "IAH"}`.
            features: some features only, each as `alias:feature`, `alias__feature`, or the bare name where it is
                unique; then only their join keys are needed. None is all, in the bundle's order.
            full_feature_names: call every result `alias__feature`, which stays as it is when a later release adds
                another view with a feature of that name. False calls it `feature` where that is unique.
            allow_not_ready: read even while the agent's first catch-up is not over, or its log was trimmed. What was
                rolled back as broken is never read.

        Raises:
            NotReady: the store's values are not yet, or no longer, those of the log.
            UnknownBundle: no such bundle or feature; the message names the nearest.
            MissingJoinKey: names every join key that is missing or None.
            StaleFeature: a value is older than allowed, and its contract says `refuse`.
            ReadError: a join key has the wrong type or is unknown.
            StoreError: the store cannot be read.
        """
        watch = self._watch
        # Each call is a tenth of a microsecond, and there are few to spend (docs/internals/telemetry-cost.md).
        began_s = 0.0 if watch is None else self._monotonic_s()
        try:
            traces: list[tuple[int, bytes]] | None = None
            with self._store.snapshot() as snapshot:
                release = self._release(snapshot, allow_not_ready=allow_not_ready)
                selection = release.select(bundle, features, full_feature_names=full_feature_names)
                if not selection.keys <= keys.keys() or not keys.keys() <= selection.known_keys:
                    _refuse_keys(keys, selection)
                found = []
                for view in selection.views:
                    key, partition = view.locate(keys)
                    packed = snapshot.cell(view.topic, partition, key)
                    found.append((view, key, partition, packed))
                    if packed is not None and packed[TRACED_AT] >= TRACED:
                        trace = snapshot.trace(view.topic, partition, key)
                        if trace is not None:
                            traces = [*(traces or ()), (len(found) - 1, trace)]
            # Read after the cells were, so that no age is understated.
            now_us = self._clock.now_us()
            resolved = tuple(
                [
                    view.resolve(key, packed, partition=partition, now_us=now_us)
                    for view, key, partition, packed in found
                ]
            )
            if traces is not None and watch is not None:
                values = [(selection.views[place], resolved[place], trace) for place, trace in traces]
                watch.read_traced(bundle, traced_values(values), now_us)
            served = ModelInput.of(release.serving, selection, resolved, read_at_us=now_us)
        except Exception:
            if watch is not None:
                watch.failed(self._monotonic_s() - began_s)
            raise
        reads = self._reads
        if reads is not None:
            reads.append((self._monotonic_s() - began_s, now_us, selection.views, resolved))
            if len(reads.waiting) > WAITING_MAX:
                reads.count()
        return served

    def get_many(
        self,
        bundle: str,
        keys: ManyKeys,
        *,
        features: Sequence[str] | None = None,
        full_feature_names: bool = True,
        allow_not_ready: bool = False,
    ) -> ModelInputs:
        """The features of many requests, row by row as `get` would give them, all of one moment of the store.

        Args:
            bundle: see `get`.
            keys: a list of mappings, a mapping of columns, a pyarrow.Table, a pandas.DataFrame or another table that
                Arrow can take. Nothing but join keys may be in it.
            features: see `get`.
            full_feature_names: see `get`.
            allow_not_ready: see `get`.

        Raises:
            ReadError: as `get`; one wrong row refuses the whole read, and the message names it.
            StoreError: the store cannot be read.
        """
        watch = self._watch
        if watch is None:
            return self._get_many(
                bundle,
                keys,
                features=features,
                full_feature_names=full_feature_names,
                allow_not_ready=allow_not_ready,
            )
        began_s = self._monotonic_s()
        try:
            found = self._get_many(
                bundle,
                keys,
                features=features,
                full_feature_names=full_feature_names,
                allow_not_ready=allow_not_ready,
            )
        except Exception:
            watch.failed(self._monotonic_s() - began_s)
            raise
        watch.succeeded([self._monotonic_s() - began_s])
        return found

    def _get_many(
        self,
        bundle: str,
        keys: ManyKeys,
        *,
        features: Sequence[str] | None,
        full_feature_names: bool,
        allow_not_ready: bool,
    ) -> ModelInputs:
        columns, rows = key_columns(keys)
        with self._store.snapshot() as snapshot:
            release = self._release(snapshot, allow_not_ready=allow_not_ready)
            selection = release.select(bundle, features, full_feature_names=full_feature_names)
            # No rows may come without columns: `[]` is a request for nothing.
            if rows or columns:
                _check_columns(columns, selection)
            found = []
            for view in selection.views:
                located = view.view.keys.locate_many(
                    {name: columns.get(name, []) for name in view.view.keys.names}
                )
                cells = _fetch(snapshot, view.topic, located)
                traces = {} if self._watch is None else _traces(snapshot, view.topic, located, cells)
                found.append((view, located, cells, traces))
        now_us = self._clock.now_us()
        resolved = tuple([_resolve_column(view, located, cells, now_us) for view, located, cells, _ in found])
        if self._watch is not None:
            self._watch_many(bundle, resolved, [traces for *_, traces in found], now_us)
        return ModelInputs(release.serving, selection, resolved, rows, now_us)

    def _watch_many(
        self,
        bundle: str,
        columns: Sequence[ResolvedColumn],
        traces: Sequence[Mapping[int, bytes]],
        now_us: int,
    ) -> None:
        assert self._watch is not None, "nobody else asks"
        values = []
        for column, found in zip(columns, traces, strict=True):
            times = [event_time_us_of(one) for one in column.resolved]
            ages = [now_us - us for code in column.codes if (us := times[code]) is not None]
            self._watch.read_many(column.view.name, ages)
            values += [(column.view, column.resolved[code], trace) for code, trace in found.items()]
        if values:
            self._watch.read_traced(bundle, traced_values(values), now_us)

    def join_keys(self) -> dict[str, FeatureType]:
        """The join keys that a request gives, by name, with their types (`string`, or `long` for integers).

        Raises:
            NotReady: no release was chosen yet.
        """
        with self._store.snapshot() as snapshot:
            return self._release(snapshot, allow_not_ready=True).key_types()

    def serving(self) -> Serving | None:
        """What is served: release, epoch, views; None before the agent has chosen a release."""
        with self._store.snapshot() as snapshot:
            release = self._look(snapshot).release
        return None if release is None else release.serving

    def condition(self) -> AgentCondition | None:
        """What the agent last said of itself, and when; None when none has ever written this store.

        A `reported_at_us` that lies further and further back means that nobody writes the store any more.
        """
        with self._store.snapshot() as snapshot:
            return self._look(snapshot).condition

    def close(self) -> None:
        """Close the store. Idempotent."""
        self._store.close()
        if self._watch is not None:
            self._watch.close()

    def __enter__(self) -> Self:
        """The reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `close`."""
        self.close()

    def _look(self, snapshot: StoreSnapshot) -> _Served:
        """What the snapshot serves, parsed again only when its meta changed."""
        served = self._served
        generation = snapshot.generation()
        if served.generation != generation:
            served = self._served = _look_again(snapshot, generation, served, self._compiled)
            # Its agent reports every few seconds, which is a new generation: no read pays for looking at the time.
            serving = served.release.serving if served.release else None
            self._deprecated.only(serving.deprecated if serving else ())
            if self._watch is not None:
                self._watch.uses(reference for reference, _ in (serving.deprecated if serving else ()))
            self._deprecated.tell(self._clock.monotonic_s())
        return served

    def _release(self, snapshot: StoreSnapshot, *, allow_not_ready: bool) -> Release:
        served = self._look(snapshot)
        refused = served.condition is not None and bool(served.condition.refuses)
        if served.release is None or refused or not (allow_not_ready or served.ready):
            raise NotReady(_not_ready(served))
        return served.release


def _warn(reference: str, text: str) -> None:
    _LOGGER.warning("%s, which is read here, is %s", reference, text)


@dataclass(frozen=True, slots=True)
class _Served:
    """What a generation of the store's meta says. Replaced as a whole, so that threads need no lock."""

    generation: int
    packed: bytes | None
    release: Release | None
    condition: AgentCondition | None

    @property
    def ready(self) -> bool:
        return self.condition is not None and self.condition.ready


def _look_again(snapshot: StoreSnapshot, generation: int, before: _Served, compiled: Compiled) -> _Served:
    condition = snapshot.meta(META_AGENT)
    packed = snapshot.meta(META_SERVING)
    release = before.release
    if packed != before.packed:
        release = None if packed is None else Release(Serving.unpack(packed), compiled)
    return _Served(
        generation, packed, release, None if condition is None else AgentCondition.unpack(condition)
    )


def _not_ready(served: _Served) -> str:
    condition = served.condition
    if condition is None:
        return "no agent has written this store yet: start one, or wait until it has caught up"
    if condition.refuses:
        return f"the agent {condition.agent} refuses: {condition.refuses}"
    missing = "has chosen no release yet" if served.release is None else "has not caught up with the log"
    why = f" ({condition.reason})" if condition.reason else ""
    return (
        f"the agent {condition.agent} {missing}: it is {condition.state}{why}; wait, or see `syncline status`"
    )


def _refuse_keys(given: Mapping[str, Any], selection: Selection) -> None:
    """Say every join key that is missing, else the first that is unknown."""
    unknown = sorted(map(str, given.keys() - selection.known_keys))
    missing = sorted(selection.keys - given.keys())
    if missing:
        named = ", ".join(f"`{name}`" for name in missing)
        also = f"; unknown are {', '.join(f'`{name}`' for name in unknown)}" if unknown else ""
        raise MissingJoinKey(f"the join keys {named} were not given{also}")
    raise ReadError(
        f"no view of the bundle uses the key `{unknown[0]}`. {nearest(unknown[0], selection.known_keys)}"
    )


def _check_columns(columns: Mapping[str, Sequence[Any]], selection: Selection) -> None:
    if not selection.keys <= columns.keys() or not columns.keys() <= selection.known_keys:
        _refuse_keys(columns, selection)


def _fetch(snapshot: StoreSnapshot, topic: str, located: Located) -> list[bytes | None]:
    """The cells of all entities, in their order, with one call a partition and sorted keys."""
    by_partition: dict[int, list[int]] = {}
    for number in sorted(range(len(located.keys)), key=located.keys.__getitem__):
        by_partition.setdefault(located.partitions[number], []).append(number)
    cells: list[bytes | None] = [None] * len(located.keys)
    for partition, numbers in by_partition.items():
        found = snapshot.cells(topic, partition, [located.keys[number] for number in numbers])
        for number, cell in zip(numbers, found, strict=True):
            cells[number] = cell
    return cells


def _traces(
    snapshot: StoreSnapshot, topic: str, located: Located, cells: Sequence[bytes | None]
) -> dict[int, bytes]:
    """What is kept beside the cells of traced updates, by the place of their entity."""
    found = {}
    for code, cell in enumerate(cells):
        if cell is not None and cell[TRACED_AT] >= TRACED:
            trace = snapshot.trace(topic, located.partitions[code], located.keys[code])
            if trace is not None:
                found[code] = trace
    return found


def _resolve_column(
    view: SelectedView, located: Located, cells: Sequence[bytes | None], now_us: int
) -> ResolvedColumn:
    """Each entity resolved once, however many rows ask for it."""
    resolved: list[Resolved] = []
    for code, (key, partition, packed) in enumerate(
        zip(located.keys, located.partitions, cells, strict=True)
    ):
        try:
            resolved.append(view.resolve(key, packed, partition=partition, now_us=now_us))
        except StaleFeature as error:
            raise StaleFeature(f"row {located.codes.index(code)}: {error}") from None
    return ResolvedColumn(view, resolved, located.codes)
