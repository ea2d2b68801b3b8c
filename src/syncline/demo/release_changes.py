"""Versions change while flights keep flowing and a model keeps reading: a MINOR, a MAJOR, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from syncline.catalog.contracts import contract_of
from syncline.demo.applying import FOLDER_NAME, DefinitionsFolder, apply_folder
from syncline.demo.cut_shown import show_cut
from syncline.demo.inputs import BUNDLE
from syncline.demo.processes import run_command
from syncline.demo.watch import Expected
from syncline.errors import SynclineError

if TYPE_CHECKING:
    from syncline.catalog.fold import Picture
    from syncline.demo.scene import Scene
    from syncline.demo.watch import Seen


def minor(scene: Scene, folder: DefinitionsFolder) -> None:
    """A feature is added: in the same topic, under another schema id."""
    screen = scene.screen
    _apply(scene, folder, change="minor", reason="a busy airport is late sooner: count its movements")
    scene.flow.write("airport_delay@1.1")
    screen.say(
        "The job writes airport_delay@1.1 from now on, into the same topic. Agents keep what is new, and show "
        "nothing of it yet."
    )
    screen.say(
        "The cut: a marker goes into every partition. An agent that meets one waits there until it has met all of "
        "them, then switches in one transaction. It serves the old release until then."
    )
    _go_live(scene, 2, reason="the model has learnt from movements_1h")
    scene.command("rollout", "promote", BUNDLE, "--reason", "predictions are better", "--yes", "--wait")


def major(scene: Scene, folder: DefinitionsFolder) -> None:
    """The unit of a feature changes: another topic, which agents keep beside the old one."""
    screen = scene.screen
    screen.say(
        "The names stay and the unit changes: a model that takes one for the other takes 12 minutes for 12 hours."
    )
    _apply(scene, folder, change="major", reason="delays in seconds, as everywhere else")
    scene.flow.write("airport_delay@1.1", "airport_delay@2.0")
    screen.say(
        "The job writes both majors, each into its own topic. Agents keep the new cells beside the old ones."
    )
    _go_live(scene, 3, reason="version 2 of the model reads seconds")


def back(scene: Scene) -> None:
    """The release before comes back at once: its cells were kept."""
    scene.command("rollout", "rollback", BUNDLE, "--reason", "version 2 of the model is worse", "--wait")
    scene.wait_for_inputs(2)
    scene.screen.say(
        f"Both agents had kept the cells of {BUNDLE}@2, so nothing was copied and nobody waited for a marker."
    )


def prove(scene: Scene) -> None:
    """Both agents count their cells again, at a line across the log that flows on.

    Raises:
        SynclineError: their states differ, or what they keep is not what they count.
    """
    scene.screen.say(f"$ syncline verify {BUNDLE}")
    verdict = run_command(scene.cluster.settings, "verify", BUNDLE).splitlines()[-1]
    scene.screen.quote(verdict)
    if not verdict.startswith("IN SYNC"):
        raise SynclineError(f"syncline verify said {verdict!r}: please report this")
    scene.screen.say(
        "An audit is a cut that changes no version: at its markers each agent added up every cell anew, and reported."
    )


def tell_inputs(scene: Scene) -> None:
    """What the model has read all the while.

    Raises:
        SynclineError: an input mixed releases, a read failed, or releases came in another order.
    """
    seen = {agent: watch.seen for agent, watch in scene.watches.items()}
    require_pure(seen, order=[f"{BUNDLE}@{number}" for number in (1, 2, 3, 2)])
    releases = sorted({release for one in seen.values() for release in one.inputs})
    scene.screen.table(
        [
            ("release", ""),
            ("delays come from", ""),
            *((f"inputs from {agent.partition('/')[2]}", "right") for agent in seen),
            ("mixed", "right"),
            ("for instance", ""),
        ],
        [
            (
                release,
                f"{scene.expected[release].version}, in {scene.expected[release].unit}",
                *(f"{one.inputs[release]:,}" for one in seen.values()),
                "0",
                _sample(seen, release, scene.expected[release].unit),
            )
            for release in releases
        ],
    )
    scene.screen.say(
        "Every name and every delay of every input was that of its release, in its unit, as the job had said it. "
        "No read failed."
    )


def require_pure(seen: Mapping[str, Seen], *, order: list[str]) -> None:
    """Make sure that every replica handed out these releases in this order, and no input that mixed any.

    Raises:
        SynclineError: it did not; the message says what was met.
    """
    for agent, one in seen.items():
        if one.faults:
            raise SynclineError(f"{agent} handed out what breaks a promise: {'; '.join(one.faults)}")
        if one.releases != order:
            met = ", ".join(one.releases) or "nothing"
            raise SynclineError(f"{agent} handed out {met}, and not {', '.join(order)}")


def expected_of(picture: Picture, release: int) -> Expected:
    """What inputs of a release look like, as the catalog says."""
    views = picture.releases[BUNDLE][release - 1].payload.views
    (version,) = {view.version for view in views if view.view == "airport_delay"}
    registered = picture.version("airport_delay", version)
    if registered is None:
        raise AssertionError("a release names only versions that are registered")
    (unit,) = {
        feature.unit or ""
        for feature in contract_of(registered).features
        if feature.name == "dep_delay_mean_1h"
    }
    names = frozenset(f"{view.alias}__{feature}" for view in views for feature in view.features)
    return Expected(f"airport_delay@{version}", unit, names)


def _apply(scene: Scene, folder: DefinitionsFolder, *, change: str, reason: str) -> None:
    screen = scene.screen
    for file in folder.edit(change):
        screen.say(f"edited {FOLDER_NAME}/{file}")
    screen.say(f"$ syncline plan {FOLDER_NAME}")
    scene.show(run_command(scene.cluster.settings, "plan", str(folder.path)))
    screen.say(f'$ syncline apply {FOLDER_NAME} --reason "{reason}"')
    picture = apply_folder(
        folder.path, scene.cluster, clock=scene.clock, reason=reason, on_step=lambda _: None
    )
    newest = len(picture.releases[BUNDLE])
    # Known before it can be live: the watches take every other release for a fault.
    scene.expected[f"{BUNDLE}@{newest}"] = expected_of(picture, newest)


def _go_live(scene: Scene, release: int, *, reason: str) -> None:
    before = scene.flow.sent
    scene.command(
        "rollout",
        "start",
        f"{BUNDLE}@{release}",
        "--reason",
        reason,
        "--yes",
        "--wait",
    )
    scene.wait_for_inputs(release)
    ruling = scene.last_ruling()
    reports = scene.reports_of(ruling.cut)
    show_cut(
        scene.screen, ruling, reports, {agent: watch.seen.before for agent, watch in scene.watches.items()}
    )
    passed = scene.flow.sent - before
    if not passed:
        raise SynclineError("no flight flowed while the version changed: there was nothing to show")
    scene.screen.say(f"Flights did not stop for it: {passed:,} updates were published meanwhile.")


def _sample(seen: Mapping[str, Seen], release: str, unit: str) -> str:
    found = next((one.samples[release] for one in seen.values() if release in one.samples), None)
    return "" if found is None else f"{found[0]} is late by {found[1]:,.1f} {unit}"
