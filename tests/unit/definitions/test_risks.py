"""Whom a plan would break: refused with a name and a way out, or said as a risk."""

from __future__ import annotations

import json

import pytest

from syncline.errors import DefinitionError
from tests.unit.definitions.cluster import Cluster
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

DASHBOARD_FILE = "subscriptions/dashboard.yaml"
DASHBOARD = """\
apiVersion: syncline/v1
kind: Subscription
name: dashboard
bundle: flight_inputs
policy: {pin: 1}
"""
ACCEPTS = "acceptsWidening: true\n"
WIDER = ("maximum: 1000", "maximum: 1100")
MINUTES = (
    "{minimum: -120, maximum: 1000}",
    "{minimum: -120, maximum: 1000}\n        customProperties: [{property: unit, value: min}]",
)


@pytest.fixture
def cluster(tmp_path) -> Cluster:
    """A cluster with two subscriptions: delay-predictor, `compatible: 1`, and dashboard, `pin: 1`."""
    applied = Cluster()
    applied.apply(write(tmp_path, {**WHOLE, DASHBOARD_FILE: DASHBOARD}))
    return applied


def problems_of(cluster: Cluster, folder, **options) -> list[tuple[str, str, str]]:
    """(rule, message, remedy) of everything the plan refuses."""
    with pytest.raises(DefinitionError) as raised:
        cluster.plan(folder, **options)
    return [(problem.rule, problem.message, problem.remedy) for problem in raised.value.problems]


def test_a_unit_changed_under_a_minor_is_refused_in_words(tmp_path):
    """From minutes to seconds: what every consumer would read, who that is, and what to do instead."""
    cluster = Cluster()
    minutes = changed(CONTRACT, MINUTES)
    cluster.apply(write(tmp_path, {**WHOLE, CONTRACT_FILE: minutes}))
    write(tmp_path, {CONTRACT_FILE: changed(minutes, V1, ("value: min", "value: s"))})

    assert problems_of(cluster, tmp_path) == [
        (
            "unit-changed",
            (
                "airport_delay@1.1 cannot follow airport_delay@1.0 as a MINOR: delay: its unit was min and is s now: "
                "every consumer would read numbers 60 times as large as those its model was trained on. "
                "It is read by delay-predictor"
            ),
            (
                "This is another feature: register airport_delay@2 beside airport_delay@1, or undo it (version 2.0.0)"
            ),
        )
    ]


def test_everything_that_breaks_is_said_at_once(cluster, tmp_path):
    """Two features and a setting: three refusals, each with its rule."""
    write(
        tmp_path,
        {
            CONTRACT_FILE: changed(
                CONTRACT,
                V1,
                WIDER,
                ("logicalType: integer", "logicalType: string"),
                ("customProperties:\n", "customProperties:\n  - {property: syncline.maxAhead, value: 1 h}\n"),
            )
        },
    )

    rules = [rule for rule, _, _ in problems_of(cluster, tmp_path)]

    assert rules == ["max-ahead-changed", "range-widened", "type-changed"]


def test_a_wider_range_needs_everyones_consent(cluster, tmp_path):
    """With --allow-widening the plan names who does not accept, pinned consumers too: a MAJOR has one topic."""
    accepting = SUBSCRIPTION + ACCEPTS
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, WIDER), SUBSCRIPTION_FILE: accepting})

    ((rule, message, remedy),) = problems_of(cluster, tmp_path, allow_widening=True)

    assert rule == "range-widened"
    assert message.startswith("airport_delay@1.1 would break the subscription dashboard: it reads `delay`: ")
    assert message.endswith("it does not say `acceptsWidening: true`")
    assert remedy == "Ask the team of dashboard to declare `acceptsWidening: true`, or raise the MAJOR"


def test_with_everyones_consent_a_wider_range_is_a_minor(cluster, tmp_path):
    """The plan says who will meet the wider values, and the release keeps that."""
    write(
        tmp_path,
        {
            CONTRACT_FILE: changed(CONTRACT, V1, WIDER),
            SUBSCRIPTION_FILE: SUBSCRIPTION + ACCEPTS,
            DASHBOARD_FILE: DASHBOARD + ACCEPTS,
        },
    )

    planned = cluster.plan(tmp_path, allow_widening=True)

    assert [(risk.consumer, risk.rule, risk.breaks) for risk in planned.risks] == [
        ("dashboard", "range-widened", False),
        ("delay-predictor", "range-widened", False),
    ]
    report = json.loads(planned.bundles[0].payload.compatibility)
    assert report["format_version"] == 1
    assert [change["rule"] for change in report["views"][0]["changes"]] == ["range-widened"]
    assert [risk["subscription"] for risk in report["subscriptions"]] == ["dashboard", "delay-predictor"]
    cluster.apply(tmp_path, allow_widening=True)
    assert not cluster.plan(tmp_path).has_changes


def test_consent_covers_wider_values_and_nothing_else(cluster, tmp_path):
    """Null is no wider range: it stays MAJOR, whoever accepts."""
    write(
        tmp_path,
        {
            CONTRACT_FILE: changed(
                CONTRACT,
                V1,
                WIDER,
                ("logicalType: integer, required: true", "logicalType: integer, required: false"),
            ),
            SUBSCRIPTION_FILE: SUBSCRIPTION + ACCEPTS,
            DASHBOARD_FILE: DASHBOARD + ACCEPTS,
        },
    )

    assert [rule for rule, _, _ in problems_of(cluster, tmp_path, allow_widening=True)] == ["made-nullable"]


def test_who_does_not_read_the_feature_need_not_consent(tmp_path):
    """A bundle without `delay` is not touched by its wider range."""
    cluster = Cluster()
    only = changed(
        BUNDLE,
        ("features: [delay]", "features: [departures]"),
        ("keys: {airport: dest}}", "keys: {airport: dest}, features: [departures]}"),
    )
    cluster.apply(write(tmp_path, {**WHOLE, BUNDLE_FILE: only}))
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, WIDER)})

    planned = cluster.plan(tmp_path, allow_widening=True)

    assert planned.risks == ()


@pytest.mark.parametrize(
    ("replacement", "rule", "reason"),
    [
        (
            ("features: [delay]", "features: [departures]"),
            "feature-removed",
            "`origin` has no delay any more",
        ),
        (
            ("keys: {airport: dest}", "keys: {airport: target}"),
            "keys-changed",
            "`dest` is joined by target now, and was by dest: requests do not give it",
        ),
    ],
)
def test_a_release_that_breaks_a_live_subscription_is_refused(cluster, tmp_path, replacement, rule, reason):
    """Who would be moved to it by policy is named; who is pinned is not touched."""
    write(tmp_path, {BUNDLE_FILE: changed(BUNDLE, replacement)})

    assert problems_of(cluster, tmp_path) == [
        (
            rule,
            f"flight_inputs@2 would break the subscription delay-predictor: {reason}",
            (
                "Undo it, release another bundle beside this one, or let delay-predictor pin the release it has"
            ),
        )
    ]
    write(tmp_path, {SUBSCRIPTION_FILE: changed(SUBSCRIPTION, ("compatible: 1", "pin: 1"))})
    assert cluster.plan(tmp_path).bundles[0].payload.release == 2


def test_an_alias_that_is_gone_breaks_who_follows(tmp_path):
    """`follow` takes whatever comes; `compatible` stays where it is, and the plan says so."""
    cluster = Cluster()
    plain = changed(SUBSCRIPTION, ("freshness: {origin: 5 s, weather: 2 h}\n", ""))
    follows = changed(plain, ("{compatible: 1}", "follow"), ("delay-predictor", "follower"))
    cluster.apply(write(tmp_path, {**WHOLE, SUBSCRIPTION_FILE: plain, DASHBOARD_FILE: follows}))
    write(tmp_path, {BUNDLE_FILE: changed(BUNDLE, ("  - {view: weather@1}\n", ""))})

    assert [(rule, "follower" in message) for rule, message, _ in problems_of(cluster, tmp_path)] == [
        ("alias-removed", True)
    ]
    write(tmp_path, {DASHBOARD_FILE: changed(follows, ("follow\n", "{pin: 1}\n"))})
    assert [str(risk) for risk in cluster.plan(tmp_path).risks] == [
        (
            "delay-predictor: it stays on flight_inputs@1, as flight_inputs@2 has other views or MAJORs "
            "(passed-over, by flight_inputs@2)"
        )
    ]


def test_a_new_major_beside_the_old_one_is_a_risk_and_no_refusal(cluster, tmp_path):
    """Who follows is told; who is compatible stays; the rollout handles the rest."""
    second = changed(CONTRACT, ("1.0.0", "2.0.0"), ("logicalType: number", "logicalType: integer"))
    write(
        tmp_path,
        {
            "contracts/second.odcs.yaml": second,
            BUNDLE_FILE: changed(BUNDLE, ("airport_delay@1, as: dest", "airport_delay@2, as: dest")),
            SUBSCRIPTION_FILE: changed(SUBSCRIPTION, ("{compatible: 1}", "follow")),
        },
    )

    planned = cluster.plan(tmp_path)

    assert [(risk.consumer, risk.rule, risk.breaks) for risk in planned.risks] == [
        ("delay-predictor", "major-changed", False)
    ]
    assert [change.rule for change in planned.views[0].changes] == ["type-changed"]


def test_a_narrower_minor_says_who_may_meet_old_values(cluster, tmp_path):
    """What was written before and breaks the narrower range is served INVALID to who reads the new release."""
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, ("maximum: 1000", "maximum: 900"))})

    planned = cluster.plan(tmp_path)

    assert [(risk.consumer, risk.rule, risk.breaks) for risk in planned.risks] == [
        ("delay-predictor", "range-narrowed", False)
    ]


def test_other_behaviour_for_stale_and_broken_values_is_a_risk(cluster, tmp_path):
    """What is done with stale values concerns who reads the release; a halt concerns every agent on the topic."""
    settings = "customProperties:\n  - {property: syncline.whenStale, value: 'null'}\n"
    settings += "  - {property: syncline.onViolation, value: halt}\n"
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, ("customProperties:\n", settings))})

    planned = cluster.plan(tmp_path)

    assert [(risk.consumer, risk.rule) for risk in planned.risks] == [
        ("dashboard", "on-violation-changed"),
        ("delay-predictor", "on-violation-changed"),
        ("delay-predictor", "when-stale-changed"),
    ]


def test_a_subscription_that_is_new_cannot_break(cluster, tmp_path):
    """No model reads it yet: it gets what the plan makes."""
    write(
        tmp_path,
        {
            SUBSCRIPTION_FILE: changed(SUBSCRIPTION, ("compatible: 1", "pin: 1")),
            BUNDLE_FILE: changed(BUNDLE, ("features: [delay]", "features: [departures]")),
            "subscriptions/new.yaml": changed(
                DASHBOARD, ("name: dashboard", "name: newcomer"), ("pin: 1", "pin: 2")
            ),
        },
    )

    planned = cluster.plan(tmp_path)

    assert [action.payload.consumer for action in planned.subscriptions] == ["delay-predictor", "newcomer"]
    assert planned.risks == ()


def test_a_feature_made_required_keeps_its_union_in_the_registry(cluster, tmp_path):
    """The schema that is registered is the one that old records can be read with; the contract refuses the null."""
    required = changed(
        CONTRACT,
        V1,
        ("logicalType: number\n        required: false", "logicalType: number\n        required: true"),
    )
    cluster.apply(write(tmp_path, {CONTRACT_FILE: required}))
    third = changed(required, ("1.1.0", "1.2.0"), ADDED)
    cluster.apply(write(tmp_path, {CONTRACT_FILE: third}))

    views = cluster.state()["views"]
    for version in ("1.0", "1.1", "1.2"):
        schema = json.loads(views["airport_delay", version].avro_schema)
        types = {field["name"]: field["type"] for field in schema["fields"]}
        assert types["delay"] == ["null", "double"]
    assert not cluster.plan(tmp_path).has_changes


def test_a_remedy_names_a_major_that_is_free(cluster, tmp_path):
    """With 2.0 registered beside it, a MAJOR change of 1.x goes to 3."""
    second = changed(CONTRACT, ("1.0.0", "2.0.0"))
    cluster.apply(write(tmp_path / "second", {CONTRACT_FILE: second}))
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, WIDER)})

    ((_, _, remedy),) = problems_of(cluster, tmp_path)

    assert "register airport_delay@3 beside airport_delay@1 (version 3.0.0)" in remedy
