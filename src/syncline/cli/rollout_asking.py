"""A request about a rollout, from what the catalog says to what became of it."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from syncline import wiring
from syncline.catalog.coordination import Rollout
from syncline.catalog.enactment import Member, admits, base_release, rulings_for
from syncline.catalog.events import Decision
from syncline.catalog.fold import Picture
from syncline.catalog.lifecycle import served_by
from syncline.catalog.lock import policy_text
from syncline.catalog.rollout_events import Cohort, RolloutAction, RolloutMode, RolloutRequested
from syncline.catalog.rules import why_void
from syncline.catalog_client import Author, CatalogClient, require_catalog
from syncline.cli.authorship import default_actor
from syncline.cli.main import EXIT_INTERRUPTED
from syncline.cli.output import Output
from syncline.cli.rollout_status import crossing_document
from syncline.clock import SystemClock
from syncline.contracts.durations import format_seconds
from syncline.errors import DecisionVoid
from syncline.inspection.fleet import Reports
from syncline.inspection.following import ReportFollower
from syncline.inspection.rollout_preview import Preview, preview, require_audience
from syncline.inspection.rollout_progress import Asked, remedy, without_rollout
from syncline.inspection.rollout_wait import Waited, wait_for
from syncline.inspection.rollouts import is_live, require_bundle
from syncline.ports.log import Log
from syncline.settings import ConnectionSettings
from syncline.wire.topics import Topics

_TIMEOUT_S = 30.0


class Desk:
    """Where requests are made: the catalog as read to its end, the reports of the last minutes, and an output."""

    def __init__(self, log: Log, topics: Topics, output: Output) -> None:
        """Nothing is read yet: `open` does that."""
        self._clock = SystemClock()
        self._output = output
        self._catalog = CatalogClient(log, topics.catalog, clock=self._clock, client_id="syncline-rollout")
        self._log, self._topics = log, topics
        self._follower: ReportFollower | None = None

    @classmethod
    def open(cls, settings: ConnectionSettings, output: Output) -> Desk:
        """With the catalog read to its end.

        Raises:
            TopicMissing: nothing has been applied to this cluster yet.
        """
        log = wiring.open_log(settings)
        log.cluster_id()  # asks for less long: whoever asks while no broker answers is told soon
        topics = Topics(settings.prefix)
        require_catalog(log, topics.catalog)
        desk = cls(log, topics, output)
        # A rollback is waited for by somebody whose model is wrong.
        desk._catalog.prepare_to_write()
        desk._catalog.catch_up(_TIMEOUT_S)
        return desk

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

    def reports(self) -> Reports:
        """What was reported lately."""
        return self._following().poll()

    def _following(self) -> ReportFollower:
        """Opened when it is first needed: a request that nobody waits for needs no reports."""
        if self._follower is None:
            self._follower = ReportFollower(self._log, self._topics.reports)
        return self._follower

    def now_us(self) -> int:
        """By this machine's clock."""
        return self._clock.now_us()

    def preview(self, bundle: str, release: int, cohort: Cohort) -> Preview:
        """What it would mean to bring this release live.

        Raises:
            UnknownBundle: the catalog has no such bundle or release.
        """
        return preview(
            self.picture, self.reports(), bundle=bundle, release=release, cohort=cohort, now_us=self.now_us()
        )

    def require_audience(self, meant: Preview) -> None:
        """Make sure that a rollout for some of the consumers moves one of them.

        Raises:
            UnknownBundle: it names a consumer that has no live subscription of the bundle.
            CatalogError: nobody whom it is for would switch.
        """
        require_audience(self.picture, meant)

    def request(self, bundle: str, action: str, *, mode: str, evidence: str) -> RolloutRequested:
        """What to ask of the rollout of this bundle that is under way.

        Raises:
            UnknownBundle: the catalog has no such bundle.
            DecisionVoid: no rollout of it is under way.
        """
        require_bundle(self.picture, bundle)
        rollout = self.picture.coordination.under_way(bundle)
        if rollout is None:
            raise DecisionVoid(
                f"no rollout of {bundle} is under way. "
                f"{without_rollout(self.picture, bundle, RolloutAction(action))}"
            )
        asked, live = RolloutAction(action), is_live(self.picture, rollout)
        back = asked is RolloutAction.ROLLBACK
        if (
            asked is RolloutAction.PAUSE
            and live
            and rollout.final_after_us is None
            and not _was_told_to_end(rollout)
        ):
            raise DecisionVoid(
                f"{bundle}@{rollout.to_release} is live: nothing is left to pause. "
                f"Go back with `syncline rollout rollback {bundle} --reason …`"
            )
        return RolloutRequested(
            bundle,
            asked,
            # Live for a part only, it is not what those serve whom a promote is for: the fold tells by it whether the
            # release went live meanwhile.
            from_release=rollout.to_release if back or live else rollout.from_release,
            to_release=rollout.from_release if back else rollout.to_release,
            cohort=rollout.cohort,
            mode=RolloutMode(mode),
            evidence=evidence,
        )

    def question(self, payload: RolloutRequested) -> str:
        """What to ask first, where it cannot be undone; empty where it can."""
        rollout = self.picture.coordination.under_way(payload.bundle)
        if (
            payload.action is not RolloutAction.PROMOTE
            or rollout is None
            or not is_live(self.picture, rollout)
        ):
            # On to its cohort or to everyone, by a cut: that can be rolled back.
            return ""
        if _was_told_to_end(rollout):
            # The way back goes on.
            return ""
        bundle = payload.bundle
        return f"Make {bundle}@{rollout.to_release} final? {bundle}@{rollout.from_release} is let go then"

    def stays_behind(self, payload: RolloutRequested) -> list[str]:
        """Whom the rollout moved and a rollback does not reach, as their policy does not admit what it goes back to."""
        rollout = self.picture.coordination.under_way(payload.bundle)
        if payload.action is not RolloutAction.ROLLBACK or rollout is None:
            return []
        bundle, source, target = payload.bundle, payload.from_release, payload.to_release
        releases = [recorded.payload for recorded in self.picture.releases[bundle]]
        return [
            f"{consumer} keeps {bundle}@{source}: its policy, {policy_text(found)}, "
            f"does not admit {bundle}@{target}; stop its agents, or declare it anew"
            for consumer, recorded in sorted(self.picture.subscriptions.items())
            if (found := recorded.payload).bundle == bundle
            and served_by(self.picture, consumer) == source
            and _served_before(self.picture, consumer, rollout) != source
            and not admits(found, releases, target)
        ]

    def require_valid(self, payload: RolloutRequested) -> None:
        """Make sure that the request would count, before anybody is asked, and before it stands in the catalog.

        Raises:
            DecisionVoid: it would not; with the reason of the fold, and what to do.
        """
        based_on = self.picture.next_offset
        why = why_void(self.picture, Decision("", 0, "", "", based_on, payload))
        if why is not None:
            raise DecisionVoid(f"{why}. {remedy(self.picture, payload)}")

    def ask(self, payload: RolloutRequested, *, actor: str | None, reason: str) -> Asked:
        """Put the request into the catalog.

        Raises:
            DecisionVoid: another decision about this bundle's rollout came first; with what to do now.
        """
        before = self.picture
        rollout = before.coordination.under_way(payload.bundle)
        was_live = rollout is not None and is_live(before, rollout)
        try:
            (offset,) = self._catalog.propose([payload], Author(actor or default_actor(), reason))
        except KeyboardInterrupt:
            look = f"`syncline rollout status {payload.bundle}`"
            self._output.say(
                f"interrupted while it was asked for: it may stand all the same; {look} shows it"
            )
            raise
        except DecisionVoid:
            # What to do depends on what has come between.
            remedied = f"Nothing was changed by it. {remedy(self.picture, payload)}"
            raise DecisionVoid(f"{self._why_void(payload)}. {remedied}") from None
        is_start = payload.action is RolloutAction.START or rollout is None
        return Asked(
            payload.action,
            payload.bundle,
            offset,
            rollout=offset if is_start or rollout is None else rollout.id,
            was_live=was_live,
        )

    def _why_void(self, payload: RolloutRequested) -> str:
        """Why the last such request does not count."""
        voids = reversed(self.picture.void)
        return next(void.reason for void in voids if void.decision and void.decision.payload == payload)

    def answer(
        self, asked: Asked, *, wait: bool, timeout_s: float, shown: dict[str, Any] | None = None
    ) -> int:
        """Say what was asked for, and with `wait` what became of it; returns the exit code."""
        output = self._output
        said = f"{asked.action} of {asked.bundle} asked for at catalog offset {asked.offset}"
        document: dict[str, Any] = {
            "action": str(asked.action),
            "bundle": asked.bundle,
            "catalog_offset": asked.offset,
            **(shown or {}),
        }
        follow = f"syncline rollout status {asked.bundle}"
        if not wait:
            if output.is_json:
                output.document(document | {"waited": False})
            else:
                output.line(
                    f"{said}. The coordinator enacts it; `{follow}` shows how far it is.", style="green"
                )
            return 0
        output.say(said)
        waited = wait_for(
            asked,
            catalog=self._catalog,
            reports=self._following(),
            clock=self._clock,
            timeout_s=timeout_s,
            tell=lambda step: output.say(f"  {step}"),
        )
        if output.is_json:
            output.document(document | {"waited": True} | _waited_document(waited))
        elif not waited.interrupted:
            _show_waited(waited, output, timeout_s=timeout_s, follow=follow)
        if waited.interrupted:
            output.say(f"{said}; it stands, and goes on by itself: {_after_ctrl_c(asked, follow)}")
            return EXIT_INTERRUPTED
        return 0 if waited.done else 1


def _show_waited(waited: Waited, output: Output, *, timeout_s: float, follow: str) -> None:
    if waited.answer is None:
        why = f": {'; '.join(waited.waiting)}" if waited.waiting else ""
        output.line(f"Not done within {format_seconds(timeout_s)}{why}", style="red")
        output.say(f"It stands, and goes on by itself. Next: {follow}")
        return
    output.line(
        waited.answer.said, style="green" if waited.done else "red" if not waited.answer.done else "yellow"
    )
    for crossing in waited.missing:
        output.line(
            f"{crossing.agent} has not switched within {format_seconds(timeout_s)}: {crossing.why}",
            style="yellow",
        )
    if waited.missing:
        output.say(f"Next: {follow}")
    elif waited.answer.next_command:
        output.say(f"Next: {waited.answer.next_command}")


def _waited_document(waited: Waited) -> dict[str, Any]:
    return {
        "done": waited.done and not waited.interrupted,
        "timed_out": not waited.is_over and not waited.interrupted,
        "answer": None if waited.answer is None else waited.answer.said,
        "interrupted": waited.interrupted,
        "next_command": "" if waited.answer is None else waited.answer.next_command,
        "waiting": list(waited.waiting),
        "steps": list(waited.steps),
        "agents": [crossing_document(crossing) for crossing in waited.crossings],
    }


def _after_ctrl_c(asked: Asked, follow: str) -> str:
    """How to follow what goes on, and how to stop it where it can be stopped."""
    if asked.action not in (RolloutAction.START, RolloutAction.PROMOTE) or asked.makes_final:
        return f"`{follow}`"
    ending = f"syncline rollout abort {asked.bundle} --reason …"
    return f"`{follow}`; `{ending}` ends it, and once it is live, `rollback` does"


def _was_told_to_end(rollout: Rollout) -> bool:
    return any(rollout.asked_to(each) for each in (RolloutAction.ABORT, RolloutAction.ROLLBACK))


def _served_before(picture: Picture, consumer: str, rollout: Rollout) -> int | None:
    """The release that the consumer's agents served before the rollout; None where it is not declared."""
    queue = [
        ruling for ruling in rulings_for(picture, Member(consumer, ""), after=-1) if ruling.epoch < rollout.id
    ]
    if queue:
        return queue[-1].to_release
    first = base_release(picture, consumer)
    return None if first is None else first.payload.release
