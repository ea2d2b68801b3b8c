"""Applying: in order, idempotent at each step, and refused where someone else was faster."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.contracts.codec.avro import contract_hash
from syncline.definitions.apply import Ports, apply
from syncline.definitions.folder import read_folder
from syncline.errors import (
    CatalogError,
    DecisionVoid,
    DefinitionError,
    LogUnavailable,
    RegistryUnavailable,
    SchemaIncompatible,
    TopicMismatch,
)
from syncline.ports.log import TopicSpec
from tests.unit.definitions.cluster import AUTHOR, NOW, Cluster, Fault, Interloper
from tests.unit.definitions.test_plan import ADDED, V1
from tests.unit.definitions.texts import (
    BUNDLE,
    BUNDLE_FILE,
    CONTRACT,
    CONTRACT_FILE,
    SUBSCRIPTION,
    SUBSCRIPTION_FILE,
    WHOLE,
    changed,
    write,
)


def test_apply_makes_topics_schemas_and_decisions(tmp_path):
    """Topics with their settings, subjects with their level, and a catalog that says who and why (P11)."""
    cluster = Cluster()

    offsets = cluster.apply(write(tmp_path, WHOLE))

    state = cluster.state()
    assert offsets == [0, 1, 2, 3]
    assert state["topics"]["syncline.features.airport_delay.v1"] == (
        2,
        {"cleanup.policy": "delete", "retention.ms": "604800000", "message.timestamp.type": "LogAppendTime"},
    )
    assert set(state["levels"].values()) == {"BACKWARD_TRANSITIVE"}
    registered = state["views"]["airport_delay", "1.0"]
    assert cluster.registry.schema(registered.schema_id) == registered.avro_schema
    assert str(registered.release_date) == "2026-11-22"
    decision = cluster.picture().releases["flight_inputs"][0].decision
    assert (decision.actor, decision.reason) == (AUTHOR.actor, AUTHOR.reason)


def test_the_level_is_set_before_the_first_schema(tmp_path):
    """A registry whose default is NONE never holds a schema of ours without its compatibility level."""
    cluster = Cluster()

    cluster.apply(write(tmp_path, WHOLE))

    subject = "syncline.features.weather.v1-value"
    assert [name for name, of in cluster.registry.log if of == subject] == ["set_compatibility", "register"]


def test_applying_again_changes_nothing(tmp_path):
    """A second apply writes nothing at all."""
    cluster = Cluster()
    cluster.apply(write(tmp_path, WHOLE))
    before, next_offset = cluster.state(), cluster.picture().next_offset

    offsets = cluster.apply(tmp_path)

    assert offsets == []
    assert (cluster.state(), cluster.picture().next_offset) == (before, next_offset)


def undisturbed(folder) -> Cluster:
    """A cluster to which the folder was applied without a fault."""
    cluster = Cluster()
    cluster.apply(folder)
    return cluster


@pytest.mark.parametrize("after", [False, True], ids=["before its effect", "after its effect"])
def test_an_apply_that_failed_anywhere_is_simply_run_again(tmp_path, after):
    """Whichever call to a port fails, the next apply leads to the end of an undisturbed one."""
    definitions = read_folder(write(tmp_path, WHOLE))
    expected = undisturbed(definitions).state()
    counting = Fault()
    Cluster().apply(definitions, counting)
    assert len(counting.calls) > 30, "the faults below reach every call"

    for number in range(1, len(counting.calls) + 1):
        cluster = Cluster()
        with pytest.raises((LogUnavailable, RegistryUnavailable)):
            cluster.apply(definitions, Fault(number, after=after))

        cluster.apply(definitions)

        assert cluster.state() == expected, f"after call {number}, {counting.calls[number - 1]}"
        assert not cluster.plan(definitions).has_changes


def test_a_change_that_failed_anywhere_is_simply_run_again(tmp_path):
    """The same for a second apply, with a new MINOR, a release and a changed subscription."""
    second = {
        CONTRACT_FILE: changed(CONTRACT, V1, ADDED),
        SUBSCRIPTION_FILE: changed(SUBSCRIPTION, ("env: test", "env: prod")),
    }
    before = read_folder(write(tmp_path, WHOLE))
    after = read_folder(write(tmp_path, second))
    reference = undisturbed(before)
    counting = Fault()
    reference.apply(after, counting)

    for number in range(1, len(counting.calls) + 1):
        cluster = undisturbed(before)
        with pytest.raises((LogUnavailable, RegistryUnavailable)):
            cluster.apply(after, Fault(number, after=True))

        cluster.apply(after)

        assert cluster.state() == reference.state(), f"after call {number}, {counting.calls[number - 1]}"


def test_with_the_registry_down_nothing_is_written(tmp_path):
    """Reachability comes first: no topic is made before the registry has answered."""
    cluster = Cluster()
    planned = cluster.plan(write(tmp_path, WHOLE))
    registry = Fault(1)

    class Down:
        def ping(self):
            registry.call("ping", RegistryUnavailable, lambda: None)

    with pytest.raises(RegistryUnavailable):
        apply(planned, Ports(cluster.log, Down(), cluster.catalog(), NOW), AUTHOR)

    assert cluster.log._topics == {}


def test_with_the_brokers_down_nothing_is_written(tmp_path):
    """Nor is a schema registered before a broker has answered."""
    cluster = Cluster()
    planned = cluster.plan(write(tmp_path, WHOLE))
    cluster.log.available = False

    with pytest.raises(LogUnavailable):
        apply(planned, Ports(cluster.log, cluster.registry, cluster.catalog(), NOW), AUTHOR)

    assert cluster.registry.log == []


def test_a_refused_schema_leaves_the_catalog_alone(tmp_path):
    """All schemas are registered before the first decision: a refusal decides nothing."""
    cluster = undisturbed(write(tmp_path, WHOLE))
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, ADDED)})
    before = cluster.picture().next_offset

    def refuse(subject, schema):
        raise SchemaIncompatible("the registry refuses it")

    cluster.registry.register = refuse
    with pytest.raises(SchemaIncompatible):
        cluster.apply(tmp_path)

    assert cluster.picture().next_offset == before


def test_metadata_asks_the_registry_for_no_new_schema(tmp_path):
    """A new owner is a catalog record with the schema id, and the release date, that the version has."""
    cluster = undisturbed(write(tmp_path, WHOLE))
    first = cluster.state()["views"]["airport_delay", "1.0"]
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, ("flight-ops", "runway-ops"))})
    cluster.registry.log.clear()

    cluster.apply(tmp_path)

    second = cluster.state()["views"]["airport_delay", "1.0"]
    assert cluster.registry.log == []
    assert (second.owner, second.schema_id, second.release_date) == (
        "runway-ops",
        first.schema_id,
        first.release_date,
    )


def test_of_two_applies_at_once_one_is_told_to_plan_again(tmp_path):
    """Both planned on the same catalog; the second finds its subject changed and decides nothing."""
    cluster = undisturbed(write(tmp_path, WHOLE))
    write(tmp_path, {SUBSCRIPTION_FILE: changed(SUBSCRIPTION, ("env: test", "env: first"))})
    first_catalog, second_catalog = cluster.catalog(), cluster.catalog()
    first = cluster.plan(tmp_path, first_catalog)
    write(tmp_path, {SUBSCRIPTION_FILE: changed(SUBSCRIPTION, ("env: test", "env: second"))})
    second = cluster.plan(tmp_path, second_catalog)

    apply(first, Ports(cluster.log, cluster.registry, first_catalog, NOW), AUTHOR)
    with pytest.raises(DecisionVoid, match="run plan and apply again"):
        apply(second, Ports(cluster.log, cluster.registry, second_catalog, NOW), AUTHOR)

    assert cluster.picture().subscriptions["delay-predictor"].payload.labels == (("env", "first"),)


def test_two_applies_about_different_subjects_both_count(tmp_path):
    """Only decisions about the same subject are in each other's way."""
    cluster = undisturbed(write(tmp_path, WHOLE))
    theirs = write(
        tmp_path / "theirs",
        {"subscriptions/other.yaml": changed(SUBSCRIPTION, ("name: delay-predictor", "name: dashboard"))},
    )
    write(tmp_path, {SUBSCRIPTION_FILE: changed(SUBSCRIPTION, ("env: test", "env: prod"))})
    our_catalog = cluster.catalog()
    ours = cluster.plan(tmp_path, our_catalog)

    cluster.apply(theirs)
    apply(ours, Ports(cluster.log, cluster.registry, our_catalog, NOW), AUTHOR)

    assert set(cluster.picture().subscriptions) == {"dashboard", "delay-predictor"}
    assert cluster.state()["void"] == []


def test_a_topic_that_appeared_since_the_plan_is_looked_at(tmp_path):
    """Someone made the topic between plan and apply, with producers' timestamps: apply refuses it."""
    cluster = Cluster()
    catalog = cluster.catalog()
    planned = cluster.plan(write(tmp_path, WHOLE), catalog)
    cluster.log.create_topic(TopicSpec("syncline.features.weather.v1", 6, {}))

    with pytest.raises(TopicMismatch, match=r"message\.timestamp\.type=LogAppendTime"):
        apply(planned, Ports(cluster.log, cluster.registry, catalog, NOW), AUTHOR)

    assert cluster.registry.log == []


def test_a_stricter_level_is_left_as_it_is(tmp_path):
    """FULL_TRANSITIVE promises all that BACKWARD_TRANSITIVE does."""
    cluster = Cluster()
    subject = "syncline.features.weather.v1-value"
    cluster.registry.levels[subject] = "FULL_TRANSITIVE"

    cluster.apply(write(tmp_path, WHOLE))

    assert cluster.registry.levels[subject] == "FULL_TRANSITIVE"


def calls_of(definitions, cluster: Cluster) -> int:
    """How many calls an apply makes: somebody else can come before each of them."""
    counting = Fault()
    cluster.apply(definitions, counting)
    return len(counting.calls)


def tried(apply_it) -> Exception | None:
    """What an apply failed with, if it did."""
    try:
        apply_it()
    except (CatalogError, DefinitionError) as error:
        return error
    return None


def test_of_two_that_contradict_each_other_one_counts_whenever_they_meet(tmp_path):
    """Another contract under the same version, applied wholly before any call of ours: exactly one of us ends well."""
    ours = read_folder(write(tmp_path / "ours", WHOLE))
    contradicting = changed(CONTRACT, ("maximum: 1000", "maximum: 900"))
    theirs = read_folder(write(tmp_path / "theirs", {**WHOLE, CONTRACT_FILE: contradicting}))
    ends = {name: undisturbed(each).state()["views"] for name, each in (("ours", ours), ("theirs", theirs))}
    hashes = {name: end["airport_delay", "1.0"].contract_hash for name, end in ends.items()}

    for number in range(1, calls_of(ours, Cluster()) + 1):
        cluster, failed = Cluster(), []
        meet = Interloper(
            number, lambda cluster=cluster, failed=failed: failed.append(tried(lambda: cluster.apply(theirs)))
        )

        our_error = tried(lambda cluster=cluster, meet=meet: cluster.apply(ours, meet))

        (their_error,) = failed
        assert (our_error is None) != (their_error is None), f"before call {number}"
        winner = "theirs" if their_error is None else "ours"
        state = cluster.state()
        assert state["views"]["airport_delay", "1.0"].contract_hash == hashes[winner]
        assert [len(releases) for releases in state["releases"].values()] == [1]
        assert set(state["subscriptions"]) == {"delay-predictor"}
        error = our_error or their_error
        assert isinstance(error, DefinitionError) or "run plan and apply again" in str(error)


@pytest.mark.parametrize("again", [False, True], ids=["the first", "a second, changed"])
def test_the_same_applied_twice_at_once_ends_well_for_both(tmp_path, again):
    """Whenever they meet, neither fails, and the catalog says everything once."""
    definitions = read_folder(write(tmp_path, WHOLE))
    start = Cluster if not again else lambda: undisturbed(read_folder(write(tmp_path / "first", WHOLE)))
    if again:
        definitions = read_folder(write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, ADDED)}))
    reference = start()
    calls = calls_of(definitions, reference)
    expected = {**reference.state(), "void": None}

    for number in range(1, calls + 1):
        cluster = start()
        meet = Interloper(number, lambda cluster=cluster: cluster.apply(definitions))

        cluster.apply(definitions, meet)

        assert {**cluster.state(), "void": None} == expected, f"before call {number}"
        assert not cluster.plan(definitions).has_changes


def test_a_subscription_declared_meanwhile_is_never_broken_unseen(tmp_path):
    """A release drops a feature while somebody subscribes to it: who comes second is told, whenever it is."""
    dropping = changed(BUNDLE, ("features: [delay]", "features: [departures]"))
    pinned = changed(SUBSCRIPTION, ("compatible: 1", "pin: 1"))
    first = read_folder(write(tmp_path / "first", {**WHOLE, SUBSCRIPTION_FILE: pinned}))
    ours = read_folder(write(tmp_path / "ours", {**WHOLE, SUBSCRIPTION_FILE: pinned, BUNDLE_FILE: dropping}))
    follower = changed(SUBSCRIPTION, ("{compatible: 1}", "follow"), ("delay-predictor", "follower"))
    theirs = read_folder(write(tmp_path / "theirs", {"subscriptions/follower.yaml": follower}))
    told = 0

    for number in range(1, calls_of(ours, undisturbed(first)) + 1):
        cluster = undisturbed(first)
        meet = Interloper(number, lambda cluster=cluster: cluster.apply(theirs))

        error = tried(lambda cluster=cluster, meet=meet: cluster.apply(ours, meet))

        picture = cluster.picture()
        declared_at = picture.subscriptions["follower"].offset
        released_at = [release.offset for release in picture.releases["flight_inputs"][1:]]
        if error is None:
            assert released_at, "nothing failed, so it is there"
            assert declared_at > released_at[0], f"before call {number}: it was there, and was not seen"
        else:
            told += 1
            assert "follower" in str(error)
    assert told > 5


def test_what_stands_is_named_where_a_later_decision_is_void(tmp_path):
    """Between our first and second record somebody else changes what the second is about."""
    cluster = undisturbed(write(tmp_path, WHOLE))
    changes = {
        CONTRACT_FILE: changed(CONTRACT, ("flight-ops", "runway-ops")),
        SUBSCRIPTION_FILE: changed(SUBSCRIPTION, ("env: test", "env: ours")),
    }
    write(tmp_path, changes)
    theirs = read_folder(
        write(tmp_path / "theirs", {SUBSCRIPTION_FILE: changed(SUBSCRIPTION, ("env: test", "env: theirs"))})
    )
    definitions = read_folder(tmp_path)
    counting = Fault()
    undisturbed(read_folder(write(tmp_path / "before", WHOLE))).apply(definitions, counting)
    second_append = [number for number, name in enumerate(counting.calls, 1) if name == "append"][1]

    with pytest.raises(
        DecisionVoid, match="What was recorded before stands: view airport_delay at catalog offset 4"
    ):
        cluster.apply(definitions, Interloper(second_append, lambda: cluster.apply(theirs)))

    assert cluster.picture().subscriptions["delay-predictor"].payload.labels == (("env", "theirs"),)


@settings(max_examples=30)
@given(
    first=st.integers(1, 70),
    second=st.integers(1, 70),
    who=st.permutations(["ours", "theirs", "ours"]) | st.permutations(["ours", "theirs", "others"]),
)
def test_of_three_writers_all_that_agree_with_the_winner_end_well(tmp_path_factory, first, second, who):
    """One begins, another comes between, a third between that one's calls: the fold decides, and everybody knows."""
    tmp_path = tmp_path_factory.mktemp("folders")
    limits = {"ours": "maximum: 1000", "theirs": "maximum: 900", "others": "maximum: 800"}
    folders = {
        name: read_folder(
            write(tmp_path / name, {**WHOLE, CONTRACT_FILE: changed(CONTRACT, ("maximum: 1000", limit))})
        )
        for name, limit in limits.items()
    }
    hashes = {contract_hash(each.contracts[0].contract): name for name, each in folders.items()}
    cluster, errors = Cluster(), {}

    def third() -> None:
        errors[2] = tried(lambda: cluster.apply(folders[who[2]]))

    def between() -> None:
        errors[1] = tried(lambda: cluster.apply(folders[who[1]], Interloper(second, third)))

    errors[0] = tried(lambda: cluster.apply(folders[who[0]], Interloper(first, between)))

    state = cluster.state()
    winner = hashes[state["views"]["airport_delay", "1.0"].contract_hash]
    assert {number: error is None for number, error in errors.items()} == {
        number: who[number] == winner for number in errors
    }
    assert len(state["releases"]["flight_inputs"]) == 1
    assert not cluster.plan(folders[winner]).has_changes
