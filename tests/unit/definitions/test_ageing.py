"""Planning on versions that are on their way out: deprecated ones are told, retired ones refused."""

from __future__ import annotations

from datetime import date

import pytest

from syncline.catalog.lifecycle_events import SubscriptionWithdrawn, ViewVersionDeprecated, ViewVersionRetired
from syncline.contracts.model import Version
from syncline.definitions.apply import Ports, apply
from syncline.definitions.folder import read_folder
from syncline.definitions.model import Definitions
from syncline.errors import DecisionVoid, DefinitionError
from tests.unit.definitions.cluster import AUTHOR, NOW, Cluster
from tests.unit.definitions.test_plan import ADDED, V1
from tests.unit.definitions.texts import (
    BUNDLE,
    BUNDLE_FILE,
    CONTRACT,
    CONTRACT_FILE,
    SUBSCRIPTION_FILE,
    WHOLE,
    changed,
    write,
)

V2 = ("version: 1.0.0", "version: 2.0.0")
TEXT = "deprecated since 2026-01-01, supported until 2026-06-30; use airport_delay@2 instead"


@pytest.fixture
def cluster(tmp_path) -> Cluster:
    """A cluster to which the whole folder was applied."""
    applied = Cluster()
    applied.apply(write(tmp_path, WHOLE))
    return applied


def decide(cluster: Cluster, *payloads) -> list[int]:
    """Append decisions, based on all that stands."""
    catalog = cluster.catalog()
    catalog.catch_up(5)
    try:
        return catalog.propose(payloads, AUTHOR)
    finally:
        catalog.close()


def deprecated(major: int = 1, minor: int = 0) -> ViewVersionDeprecated:
    """A deprecation of a version of airport_delay."""
    return ViewVersionDeprecated(
        "airport_delay", Version(major, minor), date(2026, 1, 1), date(2026, 6, 30), "airport_delay@2"
    )


def retire_the_first(cluster: Cluster) -> None:
    """Nobody subscribes any more, and airport_delay@1.0 is gone."""
    decide(
        cluster,
        SubscriptionWithdrawn("delay-predictor"),
        deprecated(),
        ViewVersionRetired("airport_delay", Version(1, 0)),
    )


def problems_of(cluster: Cluster, folder) -> list[tuple[str, str, str, str, str]]:
    """(file, field, rule, message, remedy) of everything the plan refuses."""
    with pytest.raises(DefinitionError) as raised:
        cluster.plan(folder)
    return [
        (problem.file.rpartition("/")[2], problem.path, problem.rule, problem.message, problem.remedy)
        for problem in raised.value.problems
    ]


def test_a_bundle_that_names_a_deprecated_version_is_told(cluster, tmp_path):
    """Every alias, in every plan until it is left; nothing is refused."""
    decide(cluster, deprecated())

    planned = cluster.plan(tmp_path)

    assert not planned.has_changes
    assert planned.notes == tuple(
        f"bundle flight_inputs@1 names airport_delay@1.0 (`{alias}`), which is {TEXT}"
        for alias in ("origin", "dest")
    )


def test_a_new_minor_of_a_deprecated_major_is_told_with_the_command(cluster, tmp_path):
    """It is not deprecated by itself: somebody decides."""
    decide(cluster, deprecated())
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, ADDED)})

    notes = cluster.plan(tmp_path).notes

    assert (
        "all of airport_delay@1 is deprecated, and airport_delay@1.1 is new: to deprecate it as well, "
        "`syncline deprecate airport_delay@1.1 --until 2026-06-30 --reason …`"
    ) in notes


@pytest.mark.parametrize(
    ("status", "command"),
    [
        ("deprecated", "syncline deprecate airport_delay@1.0 --until DATE --reason …"),
        ("retired", "syncline retire airport_delay@1.0 --reason …"),
    ],
)
def test_what_a_document_says_of_its_own_end_is_no_decision(cluster, tmp_path, status, command):
    """`status` is a note to people: the command that decides is told, by validate and by plan."""
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, ("status: active", f"status: {status}"))})

    said = [f"says `status: {status}` of itself", command]

    for notes in (read_folder(tmp_path).notes, cluster.plan(tmp_path).notes):
        assert any(all(part in note for part in said) for note in notes)


def test_the_documents_last_day_of_support_is_in_the_command(cluster, tmp_path):
    """`endOfSupport` is what `--until` asks for; where both say something else, that is told."""
    ends = ("slaProperties:\n", "slaProperties:\n  - {property: endOfSupport, value: 2026-12-31}\n")
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, ends, ("status: active", "status: deprecated"))})

    assert any("--until 2026-12-31 " in note for note in read_folder(tmp_path).notes)

    decide(cluster, deprecated())
    notes = cluster.plan(tmp_path).notes
    assert not any("of itself" in note for note in notes)
    assert any(
        "its support ends on 2026-12-31, and it is deprecated until 2026-06-30" in note for note in notes
    )


def test_a_release_that_names_a_retired_version_is_refused(cluster, tmp_path):
    """File, field, rule, and what to name instead; once for each alias."""
    retire_the_first(cluster)
    write(tmp_path, {BUNDLE_FILE: changed(BUNDLE, (", features: [delay]", ""))})
    (tmp_path / SUBSCRIPTION_FILE).unlink()

    found = problems_of(cluster, tmp_path)

    assert [each[:3] for each in found] == [
        ("flight_inputs.yaml", f"features[{number}].view", "retired") for number in (0, 1)
    ]
    assert found[0][3].startswith("airport_delay@1.0 was retired at catalog offset ")
    assert found[0][3].endswith(" by ada@example.org: no release may name it")
    assert found[0][4] == "Name airport_delay@2"


def test_the_remedy_is_a_version_that_is_left(cluster, tmp_path):
    """Where nobody said what to use instead; and none where none is left."""
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, ADDED)})
    cluster.apply(Definitions(contracts=read_folder(tmp_path).contracts))
    decide(
        cluster,
        SubscriptionWithdrawn("delay-predictor"),
        ViewVersionRetired("airport_delay", Version(1, 0)),
        ViewVersionRetired("weather", Version(1, 0)),
    )
    write(
        tmp_path,
        {
            BUNDLE_FILE: changed(
                BUNDLE, ("airport_delay@1,", "airport_delay@1.0,"), (", features: [delay]", "")
            )
        },
    )
    (tmp_path / SUBSCRIPTION_FILE).unlink()

    found = problems_of(cluster, tmp_path)

    assert [(each[1], each[4]) for each in found] == [
        ("features[0].view", "Name airport_delay@1.1"),
        ("features[2].view", "Take it out: no version of it is left"),
    ]


def test_no_minor_follows_a_major_that_is_retired_whole(cluster, tmp_path):
    """The next MAJOR does."""
    retire_the_first(cluster)
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, ADDED)})
    for name in (BUNDLE_FILE, SUBSCRIPTION_FILE):
        (tmp_path / name).unlink()

    ((file, field, rule, message, remedy),) = problems_of(cluster, tmp_path)

    assert (file, field, rule) == ("airport_delay.odcs.yaml", "version", "retired")
    assert message.startswith("all of airport_delay@1 is retired, airport_delay@1.0 at catalog offset ")
    assert remedy == "Raise the version to 2.0.0, or remove the file"
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V2)})
    assert [action.contract.reference for action in cluster.plan(tmp_path).views] == ["airport_delay@2.0"]


def test_a_subscription_that_would_read_what_is_retired_is_refused(cluster, tmp_path):
    """Its bundle stands as it was released: another release comes first."""
    retire_the_first(cluster)

    ((file, field, rule, message, remedy),) = problems_of(cluster, tmp_path)

    assert (file, field, rule) == ("delay_predictor.yaml", "policy", "retired")
    assert "delay-predictor would read flight_inputs@1, which names airport_delay@1.0" in message
    assert "release the bundle without it and roll that out first" in remedy


def test_a_folder_whose_retired_files_are_still_there_is_told_and_applies(cluster, tmp_path):
    """Nothing to do; and a topic that was deleted since is not made again."""
    retire_the_first(cluster)
    (tmp_path / SUBSCRIPTION_FILE).unlink()

    planned = cluster.plan(tmp_path)

    assert not planned.has_changes
    assert any(
        note.startswith("airport_delay@1.0 is retired at catalog offset")
        and note.endswith("its file may be removed")
        for note in planned.notes
    )
    assert not any("airport_delay" in spec.name for spec in planned.needed_topics)
    assert any("weather" in spec.name for spec in planned.needed_topics)


def test_a_retirement_that_comes_between_plan_and_apply_is_seen(cluster, tmp_path):
    """Two at once: what was planned on the version is not recorded."""
    (tmp_path / SUBSCRIPTION_FILE).unlink()
    decide(cluster, SubscriptionWithdrawn("delay-predictor"))
    other = changed(BUNDLE, ("name: flight_inputs", "name: other"))
    write(tmp_path, {"bundles/other.yaml": other})
    planned = cluster.plan(tmp_path)
    decide(cluster, ViewVersionRetired("airport_delay", Version(1, 0)))
    catalog = cluster.catalog()

    with pytest.raises(DecisionVoid, match="view airport_delay was changed"):
        apply(planned, Ports(cluster.log, cluster.registry, catalog, NOW), AUTHOR)
    assert "other" not in catalog.picture.releases
    catalog.close()
