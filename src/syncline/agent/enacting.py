"""What the agent serves: it enacts decisions one after another, each in one store transaction, and proves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from syncline.agent.releases import is_passed_through, let_go, majors_of, to_keep, unserved
from syncline.catalog.enactment import base_release, declarations
from syncline.catalog.lock import META_LOCK, lock_of
from syncline.catalog.serving import META_AGENT, META_SERVING, Serving, serve
from syncline.contracts.model import Version
from syncline.errors import CatalogError, CatalogLost, StoreFull
from syncline.rollout.alignment import Alignment, Place, is_aligned
from syncline.state.partition import FOLD_VERSION
from syncline.telemetry.cut_reports import CutReached, DigestAt, encode_cut_report
from syncline.telemetry.deprecated_use import DeprecatedUse

if TYPE_CHECKING:
    from syncline.agent.cursor import Cursor
    from syncline.agent.releases import Majors
    from syncline.agent.standing import Standing
    from syncline.catalog.coordination import Ruling
    from syncline.catalog.enactment import Member
    from syncline.catalog.events import BundleReleased
    from syncline.catalog.fold import Picture, Recorded
    from syncline.clock import Clock
    from syncline.ports.store import Store
    from syncline.schema_book import SchemaBook
    from syncline.telemetry.agent_events import AgentEvents

META_REACHED = "reached"
"""The meta name under which the store keeps the report of the cut that was enacted last."""

ENACTED_A_TURN = 20
"""A new agent has the whole history of its bundle before it: meanwhile it reports, and ends when it is told to."""


class Enacting:
    """The active release of one agent, and the decisions that change it."""

    def __init__(
        self,
        member: Member,
        *,
        store: Store,
        clock: Clock,
        book: SchemaBook,
        standing: Standing,
        events: AgentEvents,
        alignment_limit_s: float,
    ) -> None:
        self._member = member
        self._store = store
        self._clock = clock
        self._book = book
        self._standing = standing
        self._events = events
        self.alignment = Alignment(alignment_limit_s)
        self._deprecated_use = DeprecatedUse(
            lambda reference, text: events.deprecated_versions_served({reference: text})
        )
        self.serving: Serving | None = None
        """What is served; None before the catalog says what."""
        self.lock = ""
        """The hash of the lock that is served."""
        self.cohort = member.consumer
        """The consumer, then the labels of its subscription: who gets the same decisions, but for shares."""
        self.freshness: tuple[tuple[str, int], ...] = ()
        """(topic, the age that contract and subscription allow, in µs), of what is served."""
        self.cannot_serve: dict[int, str] = {}
        """Release → why this agent could not serve it."""
        self.releases_known = 0
        """How many releases of its bundle it has read of."""
        self.unopened: dict[int, str] = {}
        """Release → why its topics could not be opened."""
        self.undeclared = ""
        """Why there is nothing to serve: the catalog does not know the consumer; empty where it does."""
        self.gone: set[str] = set()
        """Topics that are not read, as only releases that are passed through have them."""
        self._picture: Picture | None = None
        with store.snapshot() as snapshot:
            packed = snapshot.meta(META_SERVING)
        self._stored = Serving.unpack(packed) if packed is not None else None

    def learn(self, picture: Picture) -> None:
        """Take in the catalog as read so far: what stands ahead, and what the active release is served with.

        Raises:
            CatalogLost: it is another catalog than the one that the store's release was decided in.
            StoreFull: no room; it is to be learned again.
        """
        self._picture = picture
        declared = picture.subscriptions.get(self._member.consumer)
        self.undeclared = ""
        if declared is None:
            # Withdrawn while it runs, it goes on with what it serves: its model may be the last to hear of it.
            self.undeclared = (
                f"subscription {self._member.consumer} is not in the catalog: run `syncline apply`"
            )
            self.alignment.learn(picture, self._member, applied=self.serving.epoch if self.serving else -1)
            return
        before, base = self.serving or self._stored, self._base(picture)
        release, epoch, cut = base.payload.release, base.offset, None
        since = declarations(picture, self._member.consumer)[0].offset
        if before is not None and (before.consumer, before.declared_at) == (self._member.consumer, since):
            _require_known(picture, before, declared.payload.bundle)
            release, epoch, cut = before.release, before.epoch, before.cut
        elif before is None or (before.bundle, before.epoch) != (base.payload.bundle, epoch):
            self._standing.must_catch_up()
        recorded = picture.releases[declared.payload.bundle][release - 1]
        serving = serve(picture, declared.payload, recorded, epoch=epoch, cut=cut, declared_at=since)
        self.alignment.learn(picture, self._member, applied=epoch)
        self._judge_releases(picture, declared.payload.bundle)
        if serving == self.serving:
            return
        self._take_over(picture, serving, {})

    def _take_over(self, picture: Picture, serving: Serving, more: Mapping[str, bytes | None]) -> None:
        """Make it the active release: one transaction writes it, with all that says so."""
        subscription = picture.subscriptions[self._member.consumer].payload
        lock = lock_of(picture, subscription, serving.release)
        is_new = self.serving is None or (self.serving.release, self.serving.epoch) != (
            serving.release,
            serving.epoch,
        )
        refused, self._standing.refuses = self._standing.refuses, self._refusal()
        try:
            self._store.commit(
                [],
                {
                    META_SERVING: serving.pack(),
                    META_LOCK: lock.pack(),
                    META_AGENT: self._standing.condition().pack(),
                    **more,
                },
            )
        except StoreFull:
            # What was refused still is, as nothing was written.
            self._standing.refuses = refused or self._standing.refuses
            raise
        self.serving, self.lock = serving, lock.hash
        labels = (f"{name}={value}" for name, value in subscription.labels)
        self.cohort = ",".join((self._member.consumer, *labels))
        self.freshness = self._freshness(picture, serving)
        self._deprecated_use.only(serving.deprecated)
        if is_new:
            views = [view.view for view in serving.views]
            self._events.release_active(serving.bundle, serving.release, serving.epoch, views)

    def _freshness(self, picture: Picture, serving: Serving) -> tuple[tuple[str, int], ...]:
        limits: dict[str, int] = {}
        for view in serving.views:
            registered = picture.version(view.view, Version(view.major, view.minor))
            try:
                stated = None if registered is None else self._book[registered.schema_id].contract.max_age_us
            except CatalogError:
                stated = None
            for limit in (view.max_age_us, stated):
                if limit is not None:
                    limits[view.topic] = min(limit, limits.get(view.topic, limit))
        return tuple(sorted(limits.items()))

    def warn(self) -> None:
        """Say once an hour what is served although it is on its way out."""
        self._deprecated_use.tell(self._clock.monotonic_s())

    def begin_anew(self) -> bytes:
        """Forget what was enacted, as the state is to come from a snapshot; what the store shall serve meanwhile."""
        picture, self.serving, self._stored = self._picture, None, None
        if picture is None:
            raise AssertionError("the catalog is folded before a state is thrown away")
        self._standing.must_catch_up()
        subscription = picture.subscriptions[self._member.consumer].payload
        return serve(picture, subscription, self._base(picture)).pack()

    def _base(self, picture: Picture) -> Recorded[BundleReleased]:
        base = base_release(picture, self._member.consumer)
        if base is None:
            raise AssertionError("a declared consumer has a release to begin with")
        return base

    def topics_to_keep(self) -> dict[int, Majors]:
        """Release → topics of all releases whose cells are to be kept current, ascending."""
        picture, serving = self._picture, self.serving
        if picture is None or serving is None:
            return {}
        if self.undeclared:
            return {serving.release: majors_of(picture, serving.bundle, serving.release)}
        return to_keep(picture, self._member, serving, cannot_serve=self.cannot_serve)

    def topics_let_go(self) -> set[str]:
        """The topics that only releases before the active one have, and that nothing can bring back."""
        picture, serving = self._picture, self.serving
        if picture is None or serving is None or self.undeclared:
            return set()
        return let_go(picture, self._member, serving)

    def is_passed_through(self, release: int) -> bool:
        """Whether a release is only passed through on the way to what stands: its topics may be gone, or trimmed."""
        picture, serving = self._picture, self.serving
        if picture is None or serving is None:
            return False
        return is_passed_through(picture, self.alignment.queue, serving, release)

    @property
    def needed_release(self) -> int | None:
        """The release that the agent is there for: what it serves, unless that is only passed through."""
        if self.serving is None:
            return None
        is_passed = self.is_passed_through(self.serving.release)
        return self.alignment.queue[-1].to_release if is_passed else self.serving.release

    @property
    def is_passing(self) -> bool:
        """Whether what is served is only passed through, on the way to what is needed."""
        return self.serving is not None and self.needed_release != self.serving.release

    @property
    def needed_topics(self) -> frozenset[str]:
        """The topics without which the agent can do nothing for its consumer."""
        if self.serving is None:
            return frozenset()
        if self._picture is None or not self.is_passing:
            return self.serving.topics
        return frozenset(majors_of(self._picture, self.serving.bundle, self.needed_release or 0).values())

    def _judge_releases(self, picture: Picture, bundle: str) -> None:
        """Which releases of the future this agent could not serve."""
        self.releases_known = len(picture.releases[bundle])
        subscription = picture.subscriptions[self._member.consumer].payload
        ahead = {ruling.to_release for ruling in self.alignment.queue}
        found = unserved(picture, subscription, self._book, ahead=ahead)
        for number, why in found.items():
            if number not in self.cannot_serve:
                self._events.cannot_serve(bundle, number, why)
        self.cannot_serve = found

    def blocked(self) -> str:
        """Why the next decision is never enacted by this agent; empty where it can be."""
        queue = self.alignment.queue
        if not queue:
            return ""
        release = queue[0].to_release
        why = self.cannot_serve.get(release) or self.unopened.get(release, "")
        return f"{queue[0].bundle}@{release} is to be served, and this agent cannot: {why}" if why else ""

    def enact_what_is_ready(self, cursors: Mapping[Place, Cursor]) -> list[CutReached]:
        """Enact the queue as far as positions allow, a few a turn; reports of the cuts among them."""
        reports: list[CutReached] = []
        for _ in range(ENACTED_A_TURN):
            if not self.alignment.queue or self.blocked():
                break
            positions = self._positions(cursors)
            ruling = self.alignment.ready(positions)
            if ruling is None or self._picture is None or self.serving is None:
                break
            reached = self._report(ruling, cursors, positions) if ruling.cut is not None else None
            try:
                self._enact(ruling, reached)
            except StoreFull:
                if not reports:
                    raise
                # What was enacted before it is told first; the next turn finds out whether there is room.
                break
            if reached is not None:
                reports.append(reached)
        refusal = self._refusal()
        if refusal != self._standing.refuses:
            self._standing.refuses = refusal
            self._standing.save()
        return reports

    def _positions(self, cursors: Mapping[Place, Cursor]) -> dict[Place, int]:
        """Where every partition stands, for the head of the queue; one that is not open yet stands nowhere."""
        wanted = {topic for majors in self.topics_to_keep().values() for topic in majors.values()}
        found = {
            (topic, partition): -1
            for topic, partition, _ in self.alignment.queue[0].floor
            if topic in wanted and topic not in self.gone
        }
        return found | {place: cursor.state.next_offset for place, cursor in cursors.items()}

    def _enact(self, ruling: Ruling, reached: CutReached | None) -> None:
        picture, serving = self._picture, self.serving
        if picture is None or serving is None:
            raise AssertionError("nothing is enacted before the catalog is folded")
        subscription = picture.subscriptions[self._member.consumer].payload
        recorded = picture.releases[ruling.bundle][ruling.to_release - 1]
        # What comes next decides whether readers are refused: the queue goes on first.
        self.alignment.pass_head()
        now = serve(
            picture,
            subscription,
            recorded,
            epoch=ruling.epoch,
            cut=ruling.introduced_by,
            declared_at=serving.declared_at,
        )
        if now.topics & self.gone:
            # It is passed through, and its values are not here.
            self._standing.must_catch_up()
        more = {} if reached is None else {META_REACHED: encode_cut_report(reached)}
        try:
            self._take_over(picture, now, more)
        except StoreFull:
            # Nothing was written: it is still to be enacted, and what an Immediate speaks of is not served meanwhile.
            self.alignment.learn(picture, self._member, applied=serving.epoch)
            self._standing.refuses = self._refusal()
            raise
        self._events.decision_enacted(
            ruling.bundle,
            release=ruling.to_release,
            epoch=ruling.epoch,
            cut=ruling.cut,
            aligned=reached is not None and reached.aligned,
            held_us=reached.held_us if reached else -1,
        )

    def _report(
        self, ruling: Ruling, cursors: Mapping[Place, Cursor], positions: Mapping[Place, int]
    ) -> CutReached:
        if ruling.cut is None:
            raise AssertionError("an Immediate has no vector")
        aligned = is_aligned(ruling, positions)
        since_s = self.alignment.held_since_s(ruling.cut)
        digests = tuple(
            digest_at(cursors[topic, partition], offset)
            for topic, partition, offset in ruling.floor
            if (topic, partition) in cursors
        )
        why = ""
        if not aligned:
            gave_up = ruling.cut in self.alignment.given_up
            unknown = any(found.digest is None for found in digests)
            why = "gave up holding" if gave_up else "snapshot" if unknown else "it was past the cut already"
        return self.reached(
            cut=ruling.cut,
            epoch=ruling.epoch,
            release=ruling.to_release,
            aligned=aligned,
            why=why,
            held_us=-1 if since_s is None else round((self._clock.monotonic_s() - since_s) * 1_000_000),
            digests=digests,
        )

    def reached(
        self,
        *,
        cut: int,
        epoch: int,
        release: int,
        digests: tuple[DigestAt, ...],
        aligned: bool = False,
        why: str = "",
        held_us: int = -1,
        audit: bool = False,
    ) -> CutReached:
        """The report of this agent about a cut."""
        return CutReached(
            agent=f"{self._member.consumer}/{self._member.instance}",
            consumer=self._member.consumer,
            reported_at_us=self._clock.now_us(),
            fold_version=FOLD_VERSION,
            cut=cut,
            epoch=epoch,
            bundle=self.serving.bundle if self.serving else "",
            release=release,
            audit=audit,
            aligned=aligned,
            why=why,
            held_us=held_us,
            partitions=digests,
        )

    def _refusal(self) -> str:
        if not self.alignment.refuses:
            return ""
        ruling = self.alignment.queue[0]
        return (
            f"{ruling.bundle} was rolled back to release {ruling.to_release} at catalog offset {ruling.epoch}, and "
            "this store is not far enough to serve it yet"
        )


def _require_known(picture: Picture, before: Serving, bundle: str) -> None:
    """What the store has enacted stands in a catalog that was read to its end, unless that was made again."""
    if before.epoch >= picture.next_offset or before.release > len(picture.releases[bundle]):
        raise CatalogLost(
            f"the store serves {before.bundle}@{before.release}, as decided at catalog offset {before.epoch}, and this "
            f"catalog ends at {picture.next_offset} without it: it was deleted and made again, or truncated. Restore "
            "it; or, where all of it was begun anew, start this agent with an empty store folder"
        )


def digest_at(cursor: Cursor, offset: int) -> DigestAt:
    """The digest of the records below a marker, as the ring remembers it; unknown of a state that is no proof."""
    state, digest = cursor.state, None
    if not state.head_trimmed:
        digest = next((entry.digest for entry in state.ring if entry.offset == offset), None)
        if digest is None and state.next_offset == offset:
            # The commit may be read before the marker is: the state is that of the vector all the same.
            digest = state.digest.total
    return DigestAt(cursor.major.topic, cursor.partition, offset, digest)
