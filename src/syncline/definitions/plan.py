"""What apply would do: the folder against the catalog and the cluster. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from syncline.catalog.events import BundleReleased
from syncline.catalog.fold import Picture
from syncline.catalog.risks import Risk, Step
from syncline.definitions.actions import DeclareSubscription, Plan, ReleaseBundle
from syncline.definitions.ageing import ageing_notes, is_over, retired_problems
from syncline.definitions.check import ResolvedBundle, check
from syncline.definitions.live import LiveSubscriptions, premises
from syncline.definitions.model import Definitions
from syncline.definitions.registrations import Registering
from syncline.definitions.releases import compatibility_report, release_differences, release_steps
from syncline.definitions.topics import differences, mismatches, own_topics, view_topics
from syncline.definitions.views import Views
from syncline.errors import DefinitionError, Problem
from syncline.ports.log import TopicDescription, TopicSpec
from syncline.wire.topics import Topics


def plan(
    definitions: Definitions,
    picture: Picture,
    *,
    topics: Mapping[str, TopicDescription | None] | None = None,
    refusals: Mapping[str, Sequence[str]] | None = None,
    prefix: str = "syncline",
    allow_widening: bool = False,
) -> Plan:
    """What applying `definitions` would change in what the catalog says.

    Args:
        definitions: as read from the folder.
        picture: the catalog; an empty one for a cluster that nothing was applied to.
        topics: each needed topic as it is, None where it does not exist; None altogether: not looked at.
        refusals: view reference (`airport_delay@1.3`) → further reasons not to register it, as the registry gives.
        prefix: of all topics.
        allow_widening: wider ranges and more allowed values are MINOR where every live subscription accepts them.

    Raises:
        DefinitionError: lists everything that may not be applied, with file, line, rule and remedy.
    """
    planning = _Planning(definitions, picture, prefix, allow_widening=allow_widening)
    planning.look_at_topics(topics)
    planning.look_at_definitions(refusals or {})
    if planning.problems:
        raise DefinitionError(
            sorted(planning.problems, key=lambda problem: (problem.file, problem.line or 0))
        )
    return planning.plan


class _Planning:
    def __init__(
        self, definitions: Definitions, picture: Picture, prefix: str, *, allow_widening: bool
    ) -> None:
        self._definitions = definitions
        self._picture = picture
        self._views = Views(definitions, picture, prefix=prefix)
        contracts = [file.contract for file in definitions.contracts if not is_over(picture, file.contract)]
        needed = [*own_topics(Topics(prefix)), *view_topics(contracts)]
        self.plan = Plan(picture.next_offset, needed_topics=tuple(needed), allow_widening=allow_widening)
        self.problems: list[Problem] = []

    def look_at_topics(self, topics: Mapping[str, TopicDescription | None] | None) -> None:
        if topics is None:
            self.plan = replace(self.plan, topics=self.plan.needed_topics)
            return
        by_topic = {file.contract.topic: file for file in self._definitions.contracts}
        missing: list[TopicSpec] = []
        notes: list[str] = []
        for spec in self.plan.needed_topics:
            found = topics.get(spec.name)
            if found is None:
                missing.append(spec)
                continue
            notes += differences(spec, found)
            for reason in mismatches(spec, found):
                said, _, remedy = reason.rpartition(": ")
                file = by_topic.get(spec.name)
                if file is None:
                    self.problems.append(Problem("cluster", "", "topic", said, _sentence(remedy)))
                else:
                    self.problems.append(file.place.problem("topic", said, _sentence(remedy)))
        self.plan = replace(self.plan, topics=tuple(missing), notes=tuple(notes))

    def look_at_definitions(self, refusals: Mapping[str, Sequence[str]]) -> None:
        """Views first, then the bundles on them, then who reads those."""
        declarations = self._declarations()
        live = LiveSubscriptions(self._picture, [action.payload for action in declarations])
        registering = Registering(
            self._picture, self._views, allow_widening=self.plan.allow_widening, readers=live.readers
        )
        for file in self._definitions.contracts:
            registering.look_at(file, refusals.get(file.contract.reference, ()))
        views = registering.found
        checked = check(self._definitions, self._views, picture=self._picture)
        resolved = list(checked.bundles.values())
        planned = [each.released for each in resolved if each.is_new]
        steps = {release.bundle: self._steps(release) for release in planned}
        minors = {(step.comparison.old, step.comparison.new): step for step in views.minors}
        for step in (step for of_bundle in steps.values() for step in of_bundle):
            if step.is_minor:
                minors.setdefault((step.comparison.old, step.comparison.new), step)
        risks = live.risks(planned, list(minors.values()), self._views.contract)
        consented = [step.contract.reference for step in views.minors if self.plan.allow_widening]
        self.problems += [*views.problems, *checked.problems]
        self.problems += retired_problems(
            self._definitions, self._picture, planned, [action.payload for action in declarations]
        )
        self.problems += live.refusals(risks, self._definitions, consented=consented)
        declared = {action.payload.consumer for action in declarations}
        unchanged = [
            *views.unchanged,
            *(f"bundle {each.bundle.name}@{each.release}" for each in resolved if not each.is_new),
            *(
                f"subscription {each.name}"
                for each in self._definitions.subscriptions
                if each.name not in declared
            ),
        ]
        self.plan = replace(
            self.plan,
            views=tuple(views.actions),
            bundles=tuple(
                self._bundle(
                    release,
                    steps[release.bundle],
                    [risk for risk in risks if live.bundle_of(risk.consumer) == release.bundle],
                )
                for release in planned
            ),
            subscriptions=tuple(declarations),
            unchanged=tuple(unchanged),
            notes=(
                *self.plan.notes,
                *views.notes,
                *checked.notes,
                *ageing_notes(self._definitions, self._picture, resolved),
                *self._notes(resolved),
            ),
            risks=tuple(risks),
            premises=premises(self._picture, views.actions, planned, declarations),
        )

    def _steps(self, release: BundleReleased) -> tuple[Step, ...]:
        before = self._picture.releases.get(release.bundle, ())
        return release_steps(before[-1].payload.views, release.views, self._views.contract) if before else ()

    def _bundle(self, release: BundleReleased, steps: Sequence[Step], risks: Sequence[Risk]) -> ReleaseBundle:
        before = self._picture.releases.get(release.bundle, ())
        if not before:
            return ReleaseBundle(release)
        found = release_differences(before[-1].payload.views, release.views)
        report = compatibility_report(
            against=release.release - 1, differences=found, steps=steps, risks=risks
        )
        return ReleaseBundle(replace(release, compatibility=report), found)

    def _notes(self, bundles: Sequence[ResolvedBundle]) -> list[str]:
        notes = []
        for each in bundles:
            releases = self._picture.releases.get(each.bundle.name, ())
            if not each.is_new and releases[-1].payload.owner != each.bundle.owner:
                notes.append(
                    f"bundle {each.bundle.name}: its new owner, {each.bundle.owner}, will be recorded with its next "
                    "release"
                )
            elif each.is_new and releases:
                name = each.bundle.name
                notes.append(
                    f"{name}@{each.release} will be recorded, and changes nothing yet: agents warm its cells beside "
                    f"what they serve, and switch with `syncline rollout start {name}@{each.release} --reason …`"
                )
        return notes

    def _declarations(self) -> list[DeclareSubscription]:
        found = []
        for subscription in self._definitions.subscriptions:
            declared = self._picture.subscriptions.get(subscription.name)
            payload = subscription.declared
            if declared is None or declared.payload != payload:
                found.append(DeclareSubscription(payload, declared.payload if declared else None))
        return found


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
