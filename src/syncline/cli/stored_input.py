"""One model input as an agent's store has it, with the cell behind each alias."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncline.catalog.serving import META_AGENT, META_SERVING, AgentCondition, Serving
from syncline.cli.get import parse_keys
from syncline.errors import NotReady, StaleFeature, StoreCorrupt
from syncline.inspection.origins import FeatureRead, Origin
from syncline.reader import FeatureReader, Status
from syncline.reader.compiled import Compiled
from syncline.reader.release import Release
from syncline.state.cell import unpack_cell
from syncline.state.traced import Traced

if TYPE_CHECKING:
    from syncline.clock import Clock
    from syncline.ports.store import Store, StoreSnapshot
    from syncline.reader.selection import SelectedView


@dataclass(frozen=True, slots=True)
class StoredInput:
    """What stands in the store at one moment."""

    serving: Serving
    condition: AgentCondition | None
    """What its agent last said of itself."""
    read_at_us: int
    origins: tuple[Origin, ...]
    """By alias, in the bundle's order."""

    @property
    def release(self) -> str:
        """`flight_inputs@7`."""
        return f"{self.serving.bundle}@{self.serving.release}"

    @property
    def topics(self) -> dict[str, tuple[str, int]]:
        """Topic → (view, MAJOR) of what was read."""
        read = {origin.topic for origin in self.origins}
        return {view.topic: (view.view, view.major) for view in self.serving.views if view.topic in read}


def read_stored(
    store: Store, bundle: str, given: Sequence[str], *, features: Sequence[str] | None, clock: Clock
) -> StoredInput:
    """The model input of the entities that `given` (`origin=EWR`) names, all of it of one moment of the store.

    Unlike a model it is told what is too old to be handed out, and what is not ready: that is when people ask.

    Raises:
        click.UsageError: a key is not given as one.
        ReadError: no such bundle, feature or join key, or no release was chosen yet.
        StoreError: the store cannot be read.
    """
    # The caller closes the store. Without telemetry: looking at a value is not its first use.
    reader = FeatureReader(store, clock=clock)
    keys = parse_keys(given, reader.join_keys())
    with suppress(StaleFeature):  # said of its alias, beside the others
        reader.get(bundle, keys, features=features, allow_not_ready=True)
    with store.snapshot() as snapshot:
        packed, condition = snapshot.meta(META_SERVING), snapshot.meta(META_AGENT)
        if packed is None:
            raise NotReady("the store serves no release any more; run it again")
        serving = Serving.unpack(packed)
        selection = Release(serving, Compiled()).select(bundle, features, full_feature_names=True)
        read_at_us = clock.now_us()
        origins = tuple(
            _origin(view, *view.locate(keys), snapshot=snapshot, now_us=read_at_us)
            for view in selection.views
        )
    return StoredInput(
        serving, None if condition is None else AgentCondition.unpack(condition), read_at_us, origins
    )


def _origin(
    view: SelectedView, key: bytes, partition: int, *, snapshot: StoreSnapshot, now_us: int
) -> Origin:
    packed = snapshot.cell(view.topic, partition, key)
    served = view.view.served.reference
    read = _features(view, key, packed, partition=partition, now_us=now_us)
    try:
        cell = None if packed is None else unpack_cell(key, packed)
    except StoreCorrupt:
        cell = None
    if cell is None:
        return Origin(view.alias, served, view.topic, partition, key, read)
    trace = snapshot.trace(view.topic, partition, key) if cell.traced else None
    return Origin(
        view.alias,
        served,
        view.topic,
        partition,
        key,
        read,
        offset=cell.offset,
        event_time_us=cell.event_time_us,
        written_as=None if cell.deleted else view.view.reference(cell.schema_id),
        schema_id=None if cell.deleted else cell.schema_id,
        payload=cell.payload,
        deleted=cell.deleted,
        is_traced=cell.traced,
        traced=None if trace is None else Traced.unpack(trace),
    )


def _features(
    view: SelectedView, key: bytes, packed: bytes | None, *, partition: int, now_us: int
) -> dict[str, FeatureRead]:
    try:
        found = view.resolve(key, packed, partition=partition, now_us=now_us)
    except StaleFeature as error:
        return dict.fromkeys(view.names, FeatureRead(str(Status.OUTSIDE_MAX_AGE), None, f"refused: {error}"))
    return {
        name: FeatureRead(
            str(status), value, found.reasons.get(feature, ""), quotes_value=feature in found.reasons
        )
        for name, feature, status, value in zip(
            view.names, view.features, found.statuses, found.values, strict=True
        )
    }
