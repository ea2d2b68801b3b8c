"""How an agent's store begins from a snapshot: when it is empty, and when it does not belong to the log any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncline.agent.identity import ask_identity
from syncline.agent.states import AgentState
from syncline.catalog.serving import META_AGENT, META_SERVING
from syncline.errors import SnapshotError, StoreError, TopicMissing
from syncline.snapshots.find import newest_usable
from syncline.snapshots.origin import unfinished
from syncline.snapshots.prune import prune
from syncline.snapshots.restore import Restored, restore_newest
from syncline.snapshots.take import take

if TYPE_CHECKING:
    from syncline.agent.partitions import Partitions
    from syncline.agent.releases import Majors
    from syncline.agent.standing import Standing
    from syncline.clock import Clock
    from syncline.ports.log import Log
    from syncline.ports.snapshots import SnapshotStore
    from syncline.ports.store import Store
    from syncline.telemetry.agent_events import AgentEvents

SNAPSHOTS_KEPT = 3


@dataclass(slots=True)
class Restoring:
    """Fills one agent's store from snapshots, and takes them."""

    log: Log
    store: Store
    files: SnapshotStore | None
    clock: Clock
    standing: Standing
    events: AgentEvents
    interval_s: float
    resync: str = ""
    """Why the store is to be filled anew; empty while it belongs to the log."""
    _due_s: float | None = None

    def is_needed(self) -> bool:
        """Whether the store has to be filled before anything is read, as far as there is anything to fill it from."""
        with self.store.snapshot() as snapshot:
            is_empty = not snapshot.partitions()
        begun = unfinished(self.store) is not None
        return bool(self.resync) or begun or (is_empty and self.files is not None)

    def has_one(
        self, partitions: Partitions, majors: Majors, *, catalog_topic: str, timeout_s: float
    ) -> bool:
        """Whether there is a snapshot of these topics that fits the log as it is now; nothing is changed."""
        if self.files is None:
            return False
        try:
            identity = ask_identity(self.log, {*majors.values(), catalog_topic}, timeout_s=timeout_s)
            found = newest_usable(
                self.files,
                identity=identity,
                watermarks=partitions.watermarks(majors, timeout_s),
                on_passed_over=lambda _id, _reason: None,
            )
        except (SnapshotError, TopicMissing):
            return False
        return found is not None

    def restore(
        self,
        partitions: Partitions,
        majors: Majors,
        *,
        begin_anew: Callable[[], bytes],
        catalog_topic: str,
        timeout_s: float,
    ) -> Restored | None:
        """Fill the store from the newest snapshot that can be used here; None where there is none.

        Raises:
            SnapshotError: the place of the snapshots cannot be read now.
            StoreError: a store that does not belong to the log any more finds no snapshot to be filled from.
            LogUnavailable: no broker answered in time.
            TopicMissing: a topic is gone.
        """
        state = AgentState.RESYNC if self.resync else AgentState.RESTORING
        if self.files is None:
            # What is left of a restore that was begun with snapshots at hand.
            self.store.clear({META_SERVING: begin_anew(), META_AGENT: self.standing.condition().pack()})
            return None
        self.standing.become(state, self.resync or f"looking for a snapshot in {self.files.location}")
        identity = ask_identity(self.log, {*majors.values(), catalog_topic}, timeout_s=timeout_s)
        passed_over: list[str] = []

        def pass_over(snapshot_id: str, reason: str) -> None:
            passed_over.append(f"{snapshot_id}: {reason}")
            self.events.snapshot_passed_over(snapshot_id, reason)

        found = restore_newest(
            self.files,
            self.store,
            identity=identity,
            watermarks=partitions.watermarks(majors, timeout_s),
            replace_state=bool(self.resync),
            meta={META_SERVING: begin_anew(), META_AGENT: self.standing.condition().pack()},
            on_progress=lambda done, total: self.standing.become(state, f"{done:,} of {total:,} cells"),
            on_passed_over=pass_over,
        )
        if found is None and self.resync:
            looked_at = "; ".join(passed_over) or "there is none"
            raise StoreError(f"{self.resync}. No snapshot in {self.files.location} can be used: {looked_at}")
        self.resync = ""
        if found is not None:
            self.events.restoring(found.manifest.snapshot_id)
        return found

    def take_if_due(self) -> None:
        """Leave a snapshot from time to time, where that was asked for; what fails is said, and tried again later."""
        if self.files is None or not self.interval_s:
            return
        now_s = self.clock.monotonic_s()
        if self._due_s is None:
            self._due_s = now_s + self.interval_s
        if now_s < self._due_s:
            return
        self._due_s = now_s + self.interval_s
        try:
            manifest = take(self.store, self.files, now_us=self.clock.now_us())
            prune(self.files, keep=SNAPSHOTS_KEPT, now_us=self.clock.now_us())
        except (SnapshotError, StoreError) as error:
            self.events.snapshot_failed(str(error))
        else:
            self.events.snapshot_taken(manifest.snapshot_id, manifest.cells)
