"""Applying: in order, idempotent at each step, and refused where someone else was faster."""

from __future__ import annotations

import pytest

from syncline.definitions.apply import Ports, apply
from syncline.definitions.folder import read_folder
from syncline.errors import (
    DecisionVoid,
    LogUnavailable,
    RegistryUnavailable,
    SchemaIncompatible,
    TopicMismatch,
)
from syncline.ports.log import TopicSpec
from tests.unit.definitions.cluster import AUTHOR, NOW, Cluster, Fault
from tests.unit.definitions.test_plan import ADDED, V1
from tests.unit.definitions.texts import (
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
