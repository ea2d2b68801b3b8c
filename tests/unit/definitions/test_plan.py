"""Planning: the folder against the catalog, what it would change, and what it refuses."""

from __future__ import annotations

import pytest

from syncline.definitions.actions import ViewChange
from syncline.definitions.folder import read_folder
from syncline.definitions.plan import plan
from syncline.errors import DefinitionError
from syncline.ports.log import TopicSpec
from syncline.wire.topics import feature_config
from tests.unit.definitions.cluster import Cluster
from tests.unit.definitions.texts import (
    BUNDLE,
    BUNDLE_FILE,
    CONTRACT,
    CONTRACT_FILE,
    SUBSCRIPTION,
    SUBSCRIPTION_FILE,
    WEATHER_FILE,
    WHOLE,
    changed,
    write,
)

V1 = ("version: 1.0.0", "version: 1.1.0")
ADDED = (
    "      - {name: departures,",
    (
        "      - name: taxi\n        logicalType: number\n        required: false\n"
        "        customProperties: [{property: syncline.default, value: null}]\n      - {name: departures,"
    ),
)


@pytest.fixture
def cluster(tmp_path) -> Cluster:
    """A cluster to which the whole folder was applied."""
    applied = Cluster()
    applied.apply(write(tmp_path, WHOLE))
    return applied


def problems_of(cluster: Cluster, folder) -> list[tuple[str, str, str]]:
    """(rule, message, remedy) of everything the plan refuses."""
    with pytest.raises(DefinitionError) as raised:
        cluster.plan(folder)
    return [(problem.rule, problem.message, problem.remedy) for problem in raised.value.problems]


def test_on_a_fresh_cluster_all_is_new(tmp_path):
    """Without a catalog, plan wants every topic, view, bundle and subscription, in that order."""
    planned = Cluster().plan(write(tmp_path, WHOLE))

    assert [spec.name for spec in planned.topics] == [
        "syncline.catalog",
        "syncline.reports",
        "syncline.features.airport_delay.v1",
        "syncline.features.airport_delay.v1.dlq",
        "syncline.features.weather.v1",
        "syncline.features.weather.v1.dlq",
    ]
    assert [(action.contract.reference, action.change) for action in planned.views] == [
        ("airport_delay@1.0", ViewChange.NEW_VIEW),
        ("weather@1.0", ViewChange.NEW_VIEW),
    ]
    assert [action.payload.release for action in planned.bundles] == [1]
    assert [action.payload.consumer for action in planned.subscriptions] == ["delay-predictor"]
    assert planned.based_on == 0


def test_a_bundle_takes_all_features_and_its_own_join_keys_where_nothing_is_said(tmp_path):
    """Features left out mean all; join keys left out are asked for under their own names."""
    (release,) = Cluster().plan(write(tmp_path, WHOLE)).bundles

    by_alias = {view.alias: view for view in release.payload.views}
    assert by_alias["dest"].features == ("delay", "departures")
    assert by_alias["dest"].keys == (("airport", "dest"),)
    assert by_alias["weather"].keys == (("station", "station"),)


def test_what_was_applied_is_no_change(cluster, tmp_path):
    """Planning again after apply finds nothing to do, comments and layout being no content."""
    write(tmp_path, {CONTRACT_FILE: f"# a remark\n{CONTRACT}"})

    planned = cluster.plan(tmp_path)

    assert not planned.has_changes
    assert planned.unchanged == (
        "view airport_delay@1.0",
        "view weather@1.0",
        "bundle flight_inputs@1",
        "subscription delay-predictor",
    )


def test_a_new_owner_is_metadata_only(cluster, tmp_path):
    """What decides over no message is registered again under the same version, with the same schema."""
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, ("flight-ops", "runway-ops"), ("1.0.0", "1.0.1"))})

    planned = cluster.plan(tmp_path)

    assert [(action.contract.reference, action.change) for action in planned.views] == [
        ("airport_delay@1.0", ViewChange.METADATA)
    ]
    assert not planned.bundles


def test_a_new_minor_takes_its_bundles_along_and_says_when_agents_switch(cluster, tmp_path):
    """A release follows from a new MINOR; the plan says truthfully that agents do not serve it yet."""
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, ADDED)})

    planned = cluster.plan(tmp_path)

    assert [(str(change)) for change in planned.views[0].changes] == [
        "taxi: it was added; what was written before has its default, null (MINOR)"
    ]
    assert planned.views[0].before == "airport_delay@1.0"
    (release,) = planned.bundles
    assert release.payload.release == 2
    assert release.differences == (
        "origin: airport_delay@1.0 became airport_delay@1.1",
        "dest: airport_delay@1.0 became airport_delay@1.1",
        "dest: with taxi",
    )
    assert planned.notes == (
        (
            "flight_inputs@2 will be recorded, and changes nothing yet: agents warm its cells beside what they serve, "
            "and switch with `syncline rollout start flight_inputs@2 --reason …`"
        ),
    )


def test_a_new_major_stands_beside_the_old_one(cluster, tmp_path):
    """Another MAJOR has its own topic; the bundle stays on the MAJOR it names."""
    second = changed(CONTRACT, ("1.0.0", "2.0.0"), ("logicalType: number", "logicalType: integer"))
    write(tmp_path, {"contracts/second.odcs.yaml": second})

    planned = cluster.plan(tmp_path)

    assert [action.change for action in planned.views] == [ViewChange.NEW_MAJOR]
    assert [spec.name for spec in planned.topics] == [
        "syncline.features.airport_delay.v2",
        "syncline.features.airport_delay.v2.dlq",
    ]
    assert not planned.bundles


def test_a_changed_contract_under_the_same_version_is_refused(cluster, tmp_path):
    """Versions never change: the refusal names what changed, and which number to raise."""
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, ("maximum: 1000", "maximum: 900"))})

    assert problems_of(cluster, tmp_path) == [
        (
            "version",
            (
                "airport_delay@1.0 is registered with another contract, and versions never change: "
                "delay: its largest value was 1000 and is 900 now: values that were fine before break the contract now "
                "(MINOR)"
            ),
            "Raise the version to 1.1.0",
        )
    ]


def test_a_change_that_breaks_readers_asks_for_a_major(cluster, tmp_path):
    """The number to raise follows from the gravest change."""
    write(
        tmp_path,
        {
            CONTRACT_FILE: changed(
                CONTRACT, ("maximum: 1000", "maximum: 900"), ("logicalType: integer", "logicalType: string")
            )
        },
    )

    ((_, message, remedy),) = problems_of(cluster, tmp_path)

    assert "departures: its type was long and is string now" in message
    assert remedy == "Raise the version to 2.0.0"


@pytest.mark.parametrize(
    ("replacement", "rule", "what"),
    [
        (
            ("maximum: 1000", "maximum: 1100"),
            "range-widened",
            "delay: its largest value was 1000 and is 1100 now",
        ),
        (
            ("logicalType: integer, required: true", "logicalType: integer, required: false"),
            "made-nullable",
            "departures: it may be null now",
        ),
        (
            ("      - {name: departures, logicalType: integer, required: true}\n", ""),
            "feature-removed",
            "departures: it was removed",
        ),
        (("value: 2}", "value: 3}"), "partitions-changed", "partitions: 2 became 3"),
        (
            ("customProperties:\n", "customProperties:\n  - {property: syncline.lateArrival, value: 1 h}\n"),
            "late-arrival-changed",
            "lateArrival: none became 1 h",
        ),
        (("name: airport,", "name: code,"), "keys-changed", "join keys: airport string became code string"),
        (("value: 5, unit: s", "value: 6, unit: s"), "latency-loosened", "latency: 5 s became 6 s"),
    ],
)
def test_a_minor_that_would_break_readers_is_refused(tmp_path, replacement, rule, what):
    """What belongs to the MAJOR cannot change under a new MINOR: the rule, the reason and the way out are said."""
    folder = write(tmp_path, {CONTRACT_FILE: CONTRACT})
    cluster = Cluster()
    cluster.apply(folder)
    text = changed(CONTRACT, V1, replacement)
    write(folder, {CONTRACT_FILE: text})

    ((message, remedy),) = [
        (said, to_do) for found, said, to_do in problems_of(cluster, folder) if found == rule
    ]

    assert message.startswith(f"airport_delay@1.1 cannot follow airport_delay@1.0 as a MINOR: {what}: ")
    assert remedy.startswith("Undo it, or register airport_delay@2 beside airport_delay@1 (version 2.0.0)")


@pytest.mark.parametrize(
    ("applied", "written", "message"),
    [
        ("1.3.0", "1.2.0", "airport_delay@1.2 is lower than 1.3, which is registered; versions only go up"),
        ("2.0.0", "1.0.0", "airport_delay@1.0 would come after MAJOR 2; versions only go up"),
        (
            "1.0.2",
            "1.0.1",
            "airport_delay@1.0.1 is lower than airport_delay@1.0.2, which is registered; versions only go up",
        ),
    ],
)
def test_a_version_that_goes_back_is_refused(tmp_path, applied, written, message):
    """Versions only go up, be it the MAJOR, the MINOR or the third number."""
    cluster = Cluster()
    cluster.apply(write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, ("1.0.0", applied))}))
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, ("1.0.0", written))})

    assert [(rule, said) for rule, said, _ in problems_of(cluster, tmp_path)] == [("version", message)]


def test_a_folder_older_than_the_catalog_is_told_so(cluster, tmp_path):
    """Whoever plans from a stale checkout reads more than that nothing would change."""
    cluster.apply(write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, ADDED)}))
    write(tmp_path, {CONTRACT_FILE: CONTRACT})

    notes = cluster.plan(tmp_path).notes

    assert notes[0] == (
        f"airport_delay@1.1 is registered, and {CONTRACT_FILE} still says 1.0: is this folder older than "
        "what was applied last?"
    )


def test_a_bundle_may_stand_on_views_of_the_catalog(cluster, tmp_path):
    """A team needs no copy of another team's contract: the newest version of the MAJOR in the catalog is taken."""
    other = write(tmp_path / "other", {BUNDLE_FILE: changed(BUNDLE, ("flight_inputs", "other_inputs"))})

    (release,) = cluster.plan(other).bundles

    assert [f"{view.view}@{view.version}" for view in release.payload.views] == [
        "airport_delay@1.0",
        "airport_delay@1.0",
        "weather@1.0",
    ]


@pytest.mark.parametrize(
    ("reference", "remedy"),
    [
        ("wether@1", "Did you mean `weather`?"),
        ("weather@2", "Known are: weather@1.0"),
        ("weather@1.7", "Known are: weather@1.0"),
    ],
)
def test_a_view_that_is_nowhere_is_refused(cluster, tmp_path, reference, remedy):
    """With the catalog at hand, an unknown view, MAJOR or MINOR is a problem with what there is."""
    other = write(
        tmp_path / "other", {BUNDLE_FILE: changed(BUNDLE, ("view: weather@1", f"view: {reference}"))}
    )

    assert problems_of(cluster, other) == [
        ("unknown-view", f"there is no {reference}, neither here nor in the catalog", remedy)
    ]


def test_a_subscription_to_a_release_to_come_is_refused(cluster, tmp_path):
    """Only releases that exist, or that this plan makes, can be named."""
    write(tmp_path, {SUBSCRIPTION_FILE: changed(SUBSCRIPTION, ("compatible: 1", "pin: 2"))})

    assert problems_of(cluster, tmp_path) == [
        ("unknown-release", "flight_inputs has no release 2 yet", "Name a release from 1 to 1")
    ]


def test_a_subscription_to_no_bundle_is_refused(cluster, tmp_path):
    """A subscription names a bundle of the folder or of the catalog."""
    other = write(
        tmp_path / "other",
        {SUBSCRIPTION_FILE: changed(SUBSCRIPTION, ("bundle: flight_inputs", "bundle: flight_input"))},
    )

    assert problems_of(cluster, other) == [
        (
            "unknown-bundle",
            "there is no bundle flight_input, neither here nor in the catalog",
            "Did you mean `flight_inputs`?",
        )
    ]


def test_a_pinned_subscription_is_held_against_its_release(cluster, tmp_path):
    """An alias that only release 1 has is good for who is pinned to it, and for nobody else."""
    without_weather = changed(BUNDLE, ("  - {view: weather@1}\n", ""))
    pinned = changed(SUBSCRIPTION, ("compatible: 1", "pin: 1"))
    write(tmp_path, {BUNDLE_FILE: without_weather, SUBSCRIPTION_FILE: pinned})

    planned = cluster.plan(tmp_path)

    assert planned.bundles[0].differences == ("weather: removed",)
    write(tmp_path, {SUBSCRIPTION_FILE: changed(pinned, ("{pin: 1}", "follow"))})
    assert [rule for rule, _, _ in problems_of(cluster, tmp_path)] == ["unknown-alias"]


def test_a_changed_subscription_is_declared_again(cluster, tmp_path):
    """What the consumer said before stands beside what it says now."""
    write(tmp_path, {SUBSCRIPTION_FILE: changed(SUBSCRIPTION, ("env: test", "env: prod"))})

    (declared,) = cluster.plan(tmp_path).subscriptions

    assert declared.before is not None
    assert (declared.before.labels, declared.payload.labels) == ((("env", "test"),), (("env", "prod"),))


def test_the_registrys_objections_stand_beside_the_file(cluster, tmp_path):
    """A schema that the registry would refuse is refused at plan, in the file that states it."""
    cluster.registry.refused = ["incompatible: reader type int"]
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, ADDED)})

    assert problems_of(cluster, tmp_path) == [
        ("registry", "incompatible: reader type int", "Undo it, or raise the version to 2.0.0")
    ]


def test_a_missing_topic_is_made_again(cluster, tmp_path):
    """A topic that someone deleted is a change, though the catalog knows its view."""
    cluster.log.delete_topic("syncline.features.weather.v1.dlq")

    planned = cluster.plan(tmp_path)

    assert planned.has_changes
    assert [spec.name for spec in planned.topics] == ["syncline.features.weather.v1.dlq"]


@pytest.mark.parametrize(
    ("partitions", "config", "message"),
    [
        (3, {}, "syncline.features.airport_delay.v1 has 3 partitions, not 2; keys would move"),
        (2, {"cleanup.policy": "compact,delete"}, "syncline.features.airport_delay.v1 is compacted"),
        (
            2,
            {"message.timestamp.type": "CreateTime"},
            "syncline.features.airport_delay.v1 keeps the producers' timestamps (CreateTime)",
        ),
    ],
)
def test_a_topic_that_will_not_do_is_refused(tmp_path, partitions, config, message):
    """Other partitions, compaction, or producers' timestamps: said at plan, with the file."""
    cluster = Cluster()
    name = "syncline.features.airport_delay.v1"
    cluster.log.create_topic(TopicSpec(name, partitions, {**feature_config(1), **config}))

    problems = problems_of(cluster, write(tmp_path, WHOLE))

    assert [rule for rule, _, _ in problems] == ["topic"]
    assert problems[0][1].startswith(message)


def test_a_topic_with_another_retention_is_said_and_left_alone(cluster, tmp_path):
    """Retention harms nobody, so it is no refusal; but apply does not change it, and says so."""
    write(
        tmp_path,
        {
            CONTRACT_FILE: changed(
                CONTRACT,
                ("slaProperties:\n", "slaProperties:\n  - {property: retention, value: 1, unit: d}\n"),
            )
        },
    )

    planned = cluster.plan(tmp_path)

    assert planned.notes == (
        (
            "syncline.features.airport_delay.v1 has retention.ms=604800000, the definitions say 86400000; "
            "apply leaves it as it is"
        ),
    )


def test_planning_is_a_pure_function(cluster, tmp_path):
    """The same folder and picture give equal plans: nothing else is asked."""
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, ADDED), WEATHER_FILE: WHOLE[WEATHER_FILE]})
    definitions, picture = read_folder(tmp_path), cluster.picture()

    assert plan(definitions, picture) == plan(definitions, picture)
