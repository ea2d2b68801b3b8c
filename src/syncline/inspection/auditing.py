"""Asks all agents of a bundle for proof of their state, and collects it (log.md, audit)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from syncline.catalog.coordination import Cut, CutState
from syncline.catalog.fold import Picture
from syncline.catalog.rollout_events import AuditRequested, CutKind
from syncline.catalog_client import Author, CatalogClient, require_catalog
from syncline.clock import Clock
from syncline.contracts.durations import format_seconds
from syncline.errors import AuditFailed, CatalogError
from syncline.inspection.entities import Bucket, Explanation, buckets_to_list, explain
from syncline.inspection.fleet import Reports
from syncline.inspection.following import ReportFollower
from syncline.inspection.rollouts import live_coordinator, require_bundle
from syncline.inspection.witnesses import Evidence, everyone_has_answered, evidence_of, present_agents
from syncline.ports.log import Log
from syncline.rollout.steps import ATTEMPTS_MAX
from syncline.wire.topics import Topics

_TIMEOUT_S = 30.0
_POLL_S = 0.01
"""How long the catalog is waited for before the reports are looked at again: an audit takes well below a second."""
_LOOKED_AT = 2_000
"""How many of the last offsets of each partition of the reports tell who is there."""
_LOOKED_BACK_AT = 100_000
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Audit:
    """What came of one audit."""

    audit: int
    """Catalog offset of the request."""
    evidence: Evidence
    explanation: Explanation | None = None
    """Which entities differ; None where nobody asked, or there is nothing to explain."""


class Auditor:
    """The catalog as read to its end, and the reports. Not safe for use by two threads."""

    def __init__(
        self, log: Log, topics: Topics, *, clock: Clock, tell: Callable[[str], None] = lambda _said: None
    ) -> None:
        """Read the catalog to its end. `tell` hears what is waited for.

        Raises:
            TopicMissing: nothing has been applied to this cluster yet.
        """
        require_catalog(log, topics.catalog)
        self._log = log
        self._topics = topics
        self._clock = clock
        self._tell = tell
        self._follower: ReportFollower | None = None
        self._catalog = CatalogClient(log, topics.catalog, clock=clock, client_id="syncline-verify")
        self._catalog.prepare_to_write()
        self._catalog.catch_up(_TIMEOUT_S)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the readers."""
        self._catalog.close()
        if self._follower is not None:
            self._follower.close()

    @property
    def picture(self) -> Picture:
        """What stands in the catalog."""
        return self._catalog.picture

    def bundles(self) -> tuple[str, ...]:
        """The bundles that a declared consumer reads, by name."""
        return tuple(sorted({each.payload.bundle for each in self.picture.subscriptions.values()}))

    def reports(self) -> Reports:
        """What was reported lately, and since."""
        if self._follower is None:
            self._follower = ReportFollower(self._log, self._topics.reports, last=_LOOKED_AT)
        return self._follower.poll()

    def verify(self, bundle: str, author: Author, *, timeout_s: float, explained: bool = False) -> Audit:
        """Ask for an audit and wait until everyone has answered; `explained`: then name the entities that differ.

        Each of the two takes at most `timeout_s`; an agent that has not answered by then is named in the result.

        Raises:
            UnknownBundle: the catalog has no such bundle.
            AuditFailed: there is nobody to ask, or no coordinator made the line across the log in time.
            KeyboardInterrupt: Ctrl-C; once the audit was asked for, its message says where to look at it later.
        """
        require_bundle(self.picture, bundle)
        if not present_agents(self.reports(), bundle, now_us=self._clock.now_us()):
            raise AuditFailed(
                f"no agent of {bundle} was heard of lately: nothing can be proven; start one: syncline agent"
            )
        audit = self._audit(bundle, author, (), timeout_s=timeout_s)
        asked = buckets_to_list(audit.evidence.comparison) if explained else ()
        if not asked:
            return audit
        self._tell("listing the cells of the sub-digests that differ")
        second = self._audit(bundle, author, asked, timeout_s=timeout_s)
        found = explain(second.evidence.cut, asked, self.reports().proofs)
        return Audit(audit.audit, audit.evidence, found)

    def look_again(self, number: int, *, kind: CutKind) -> Audit:
        """What was reported of an audit, by the offset of its request or of its cut, or of a version cut, by its id.

        Raises:
            CatalogError: there is none.
        """
        cut = self._find(number, kind)
        follower = ReportFollower(self._log, self._topics.reports, last=_LOOKED_BACK_AT)
        try:
            reports = follower.poll()
        finally:
            follower.close()
        evidence = evidence_of(cut, reports, now_us=self._clock.now_us(), everyone_asked=False)
        request = self.picture.coordination.audits.get(cut.prepared.request)
        if request is None or not request.requested.buckets:
            return Audit(cut.prepared.request, evidence)
        listed = explain(cut, request.requested.buckets, reports.proofs)
        return Audit(cut.prepared.request, evidence, listed)

    def _audit(self, bundle: str, author: Author, buckets: Collection[Bucket], *, timeout_s: float) -> Audit:
        end_s, within = self._clock.monotonic_s() + timeout_s, format_seconds(timeout_s)
        # Nothing is asked for while nobody would enact it: requests of every try would be enacted one after another.
        self._await_coordinator(end_s, within)
        (audit,) = self._catalog.propose(
            [AuditRequested(bundle, tuple(buckets))],
            author,
            max(1.0, end_s - self._clock.monotonic_s()),
            remedy="run it again",
        )
        try:
            return self._await_answers(audit, end_s, within)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"the audit of {bundle} was asked for at catalog offset {audit}; it stands, and goes on by itself. "
                f"{_look_later(audit)}"
            ) from None

    def _await_answers(self, audit: int, end_s: float, within: str) -> Audit:
        while True:
            reports, now_us = self.reports(), self._clock.now_us()
            left_s = end_s - self._clock.monotonic_s()
            cut = self._committed(audit)
            if cut is not None and (left_s <= 0 or everyone_has_answered(cut, reports, now_us=now_us)):
                return Audit(audit, evidence_of(cut, reports, now_us=now_us))
            if cut is None and left_s <= 0:
                raise AuditFailed(self._why_no_cut(audit, within))
            self._catalog.poll(min(_POLL_S, max(0.0, left_s)))

    def _await_coordinator(self, end_s: float, within: str) -> None:
        told = False
        while (
            live_coordinator(self.picture, self.reports().coordinators, now_us=self._clock.now_us()) is None
        ):
            left_s = end_s - self._clock.monotonic_s()
            if left_s <= 0:
                raise AuditFailed(
                    f"no coordinator is live, and none came in {within}: nobody can draw the line across the "
                    "log at which agents compare. Nothing was asked for; start one: syncline coordinator"
                )
            if not told:
                told = True
                self._tell(f"no coordinator was heard of lately: waiting up to {within} for one")
            self._catalog.poll(min(_POLL_S, left_s))

    def _committed(self, audit: int) -> Cut | None:
        """The audit's cut, once it is committed.

        Raises:
            AuditFailed: the coordinator has tried as often as it does.
        """
        standing = self.picture.coordination
        cuts = [standing.cuts[cut] for cut in standing.audits[audit].cuts]
        committed = next((cut for cut in cuts if cut.state is CutState.COMMITTED), None)
        if committed is None and sum(cut.failed for cut in cuts) >= ATTEMPTS_MAX:
            raise AuditFailed(
                f"the audit at catalog offset {audit} failed {ATTEMPTS_MAX} times: {cuts[-1].why}. Mend that, then "
                "run it again"
            )
        return committed

    def _why_no_cut(self, audit: int, within: str) -> str:
        standing = self.picture.coordination
        said = f"the audit asked for at catalog offset {audit} was not drawn across the log within {within}"
        remedy = _look_later(audit)
        live = live_coordinator(self.picture, self.reports().coordinators, now_us=self._clock.now_us())
        if live is None:
            return f"{said}: no coordinator is live any more (syncline coordinator). {remedy}"
        if standing.open_cut is not None:
            return f"{said}: cut {standing.open_cut} is still open. {remedy}"
        return f"{said} by {live.status.coordinator}. {remedy}"

    def _find(self, number: int, kind: CutKind) -> Cut:
        standing = self.picture.coordination
        cuts = [cut for cut in standing.cuts.values() if cut.prepared.kind is kind]
        found = [cut for cut in cuts if number in (cut.id, cut.prepared.request)]
        if kind is CutKind.VERSION:
            found = [cut for cut in cuts if cut.id == number]
        committed = [cut for cut in found if cut.state is CutState.COMMITTED]
        if committed:
            return committed[-1]
        what = "audit" if kind is CutKind.AUDIT else "version cut"
        if found:
            why = f": {found[-1].why}" if found[-1].why else ""
            raise CatalogError(
                f"{what} {number} is {found[-1].state}{why}; only a committed one has a vector"
            )
        known = [
            str(cut.prepared.request if kind is CutKind.AUDIT else cut.id)
            for cut in cuts
            if cut.state is CutState.COMMITTED
        ]
        last = f"the last ones are {', '.join(known[-_SHOWN:])}" if known else "there was none yet"
        raise CatalogError(f"the catalog has no {what} {number}; {last}")


def _look_later(audit: int) -> str:
    return f"Look at it later with `syncline verify --audit {audit}`"
