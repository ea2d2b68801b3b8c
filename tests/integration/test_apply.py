"""`syncline plan` and `apply` by the console script, against the session's real Kafka and registry."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from syncline.adapters.kafka.log import KafkaLog
from syncline.adapters.registry import ConfluentRegistry
from syncline.catalog_client import Author, CatalogClient
from syncline.clock import SystemClock
from syncline.contracts.model import Version
from syncline.definitions.actions import Plan
from syncline.definitions.apply import Ports, apply
from syncline.definitions.folder import read_folder
from syncline.definitions.observe import observe
from syncline.definitions.plan import plan
from syncline.errors import DecisionVoid
from syncline.ports.log import TopicSpec
from syncline.wire.topics import Topics
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

pytestmark = pytest.mark.real


@pytest.fixture
def console(stack, prefix):
    """The installed console script on the real stack, under this test's prefix."""
    script = Path(sys.executable).with_name("syncline")

    def call(*arguments, registry: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                script,
                *map(str, arguments),
                "--bootstrap-servers",
                stack.bootstrap_servers,
                "--registry",
                registry or stack.registry_url,
                "--prefix",
                prefix.rstrip("-"),
            ],
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    return call


@pytest.fixture
def topics(prefix) -> Topics:
    """The names under this test's prefix."""
    return Topics(prefix.rstrip("-"))


def picture_of(stack, topics):
    """The catalog, folded anew."""
    catalog = CatalogClient(
        KafkaLog(stack.bootstrap_servers), topics.catalog, clock=SystemClock(), client_id="test"
    )
    try:
        return catalog.catch_up(30.0)
    finally:
        catalog.close()


def test_apply_on_real_servers_is_idempotent(console, stack, topics, tmp_path):
    """Topics with LogAppendTime, subjects with their level, a catalog that says it; a second apply writes nothing."""
    folder = write(tmp_path, WHOLE)

    first = console("apply", folder, "--actor", "ada", "--reason", "a test")
    offset = picture_of(stack, topics).next_offset
    second = console("apply", folder, "--actor", "ada", "--reason", "a test")
    planned = console("plan", folder, "--detailed-exitcode")

    assert (first.returncode, second.returncode, planned.returncode) == (0, 0, 0), first.stderr
    picture = picture_of(stack, topics)
    assert picture.next_offset == offset == 4
    assert picture.releases["flight_inputs"][0].decision.actor == "ada"
    log, registry = KafkaLog(stack.bootstrap_servers), ConfluentRegistry(stack.registry_url)
    feature_topic = topics.features("airport_delay", 1)
    described = log.describe_topic(feature_topic)
    assert described.partitions == 2
    assert described.config["message.timestamp.type"] == "LogAppendTime"
    assert registry.compatibility(f"{feature_topic}-value") == "BACKWARD_TRANSITIVE"
    registered = picture.newest("airport_delay")
    assert registry.lookup(f"{feature_topic}-value", registered.avro_schema) == registered.schema_id


def test_a_new_minor_passes_the_real_registry(console, stack, topics, tmp_path):
    """A feature with a default is added: the registry takes the schema, and a second release is recorded."""
    console("apply", write(tmp_path, WHOLE))
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, ADDED)})

    planned = console("plan", tmp_path, "--detailed-exitcode", "--output", "json")
    applied = console("apply", tmp_path)

    assert (planned.returncode, applied.returncode) == (2, 0), applied.stderr
    assert json.loads(planned.stdout)["views"][0]["change"] == "new MINOR"
    picture = picture_of(stack, topics)
    assert [str(version) for version in picture.views["airport_delay"]] == ["1.0", "1.1"]
    assert len(picture.releases["flight_inputs"]) == 2
    assert "syncline rollout start flight_inputs@2 --reason" in applied.stderr


def test_registry_down_writes_nothing(console, stack, topics, tmp_path):
    """With the registry's port closed, apply says so, exits 1, and there is no topic afterwards."""
    done = console("apply", write(tmp_path, WHOLE), registry="http://127.0.0.1:1/apis/ccompat/v7")

    assert (done.returncode, done.stdout) == (1, "")
    assert "did not answer" in done.stderr
    assert "Traceback" not in done.stderr
    assert KafkaLog(stack.bootstrap_servers).describe_topic(topics.catalog) is None


def test_a_topic_with_producers_timestamps_is_refused(console, stack, topics, tmp_path):
    """A topic that someone made by hand keeps CreateTime: apply names the setting, and decides nothing."""
    log = KafkaLog(stack.bootstrap_servers)
    log.create_topic(
        TopicSpec(topics.features("airport_delay", 1), 2, {"message.timestamp.type": "CreateTime"})
    )

    done = console("apply", write(tmp_path, WHOLE))

    assert done.returncode == 1
    assert "message.timestamp.type=LogAppendTime" in done.stderr
    assert log.describe_topic(topics.catalog) is None


def at_once(console, *folders) -> list[subprocess.CompletedProcess[str]]:
    """Applies these folders by as many processes, all started together."""
    barrier = Barrier(len(folders))

    def start(folder) -> subprocess.CompletedProcess[str]:
        barrier.wait()
        return console("apply", folder)

    with ThreadPoolExecutor(len(folders)) as together:
        return list(together.map(start, folders))


def test_two_applies_at_once_end_in_one_truth(console, stack, topics, tmp_path):
    """Two people apply different contracts under one version: one wins, the other is told to plan again."""
    ours = write(tmp_path / "ours", {**WHOLE})
    theirs = write(
        tmp_path / "theirs", {**WHOLE, CONTRACT_FILE: changed(CONTRACT, ("maximum: 1000", "maximum: 900"))}
    )

    done = at_once(console, ours, theirs)

    picture = picture_of(stack, topics)
    assert sorted(result.returncode for result in done) == [0, 1], [result.stderr for result in done]
    (loser,) = [result for result in done if result.returncode]
    assert "plan and apply again" in loser.stderr or "versions never change" in loser.stderr
    assert list(map(str, picture.views["airport_delay"])) == ["1.0"]
    winner = ours if done[0].returncode == 0 else theirs
    assert console("plan", winner, "--detailed-exitcode").returncode == 0, "nothing is half-written"


def test_the_same_applied_by_two_processes_at_once_ends_well_for_both(console, stack, topics, tmp_path):
    """Whoever is second finds that nothing is left to do; every decision counts once."""
    folder = write(tmp_path, WHOLE)

    done = at_once(console, folder, folder)

    assert [result.returncode for result in done] == [0, 0], [result.stderr for result in done]
    picture = picture_of(stack, topics)
    assert [len(releases) for releases in picture.releases.values()] == [1]
    assert console("plan", folder, "--detailed-exitcode").returncode == 0


def test_of_two_decisions_planned_on_one_picture_exactly_one_counts(stack, topics, registry_url, tmp_path):
    """Both have planned before either applies, over and over: the fold keeps one, and its rival is told."""
    log, registry = KafkaLog(stack.bootstrap_servers), ConfluentRegistry(registry_url, timeout_s=20.0)
    clients = [
        CatalogClient(log, topics.catalog, clock=SystemClock(), client_id=f"writer-{number}")
        for number in (0, 1)
    ]

    def planned(catalog: CatalogClient, label: str) -> Plan:
        text = changed(SUBSCRIPTION, ("env: test", f"env: {label}"))
        definitions = read_folder(
            write(tmp_path / label, {**WHOLE, SUBSCRIPTION_FILE: text}), prefix=topics.prefix
        )
        seen = observe(definitions, log=log, registry=registry, catalog=catalog, topics=topics)
        return plan(definitions, seen.picture, topics=seen.topics, prefix=topics.prefix)

    def act(catalog: CatalogClient, mine: Plan, barrier: Barrier) -> str:
        barrier.wait()
        try:
            apply(mine, Ports(log, registry, catalog, SystemClock()), Author("tests", "a race"))
        except DecisionVoid as error:
            return str(error)
        return ""

    try:
        apply(
            planned(clients[0], "first"),
            Ports(log, registry, clients[0], SystemClock()),
            Author("tests", "first"),
        )
        for number in range(8):
            labels = [f"round-{number}-writer-{writer}" for writer in (0, 1)]
            plans = [planned(catalog, label) for catalog, label in zip(clients, labels, strict=True)]
            barrier = Barrier(2)
            with ThreadPoolExecutor(2) as together:
                said = list(together.map(act, clients, plans, [barrier, barrier]))

            won = [label for label, error in zip(labels, said, strict=True) if not error]
            assert len(won) == 1, said
            assert all("run plan and apply again" in error for error in said if error)
            labelled = picture_of(stack, topics).subscriptions["delay-predictor"].payload.labels
            assert labelled == (("env", won[0]),)
    finally:
        for catalog in clients:
            catalog.close()


def test_a_subscription_declared_since_the_plan_stops_the_release(
    stack, topics, console, registry_url, tmp_path
):
    """It would break by it, and no decision about the bundle says so: apply looks again before it writes."""
    pinned = changed(SUBSCRIPTION, ("compatible: 1", "pin: 1"))
    folder = write(tmp_path / "ours", {**WHOLE, SUBSCRIPTION_FILE: pinned})
    assert console("apply", folder).returncode == 0
    write(folder, {BUNDLE_FILE: changed(BUNDLE, ("features: [delay]", "features: [departures]"))})
    log, registry = KafkaLog(stack.bootstrap_servers), ConfluentRegistry(registry_url, timeout_s=20.0)
    catalog = CatalogClient(log, topics.catalog, clock=SystemClock(), client_id="tests")
    definitions = read_folder(folder, prefix=topics.prefix)
    seen = observe(definitions, log=log, registry=registry, catalog=catalog, topics=topics)
    ours = plan(definitions, seen.picture, topics=seen.topics, prefix=topics.prefix)
    follower = changed(SUBSCRIPTION, ("{compatible: 1}", "follow"), ("delay-predictor", "follower"))
    theirs = console("apply", write(tmp_path / "theirs", {SUBSCRIPTION_FILE: follower}))

    try:
        with pytest.raises(DecisionVoid, match="the subscription follower to flight_inputs was declared"):
            apply(ours, Ports(log, registry, catalog, SystemClock()), Author("tests", "unaware"))
    finally:
        catalog.close()

    assert theirs.returncode == 0, theirs.stderr
    assert len(picture_of(stack, topics).releases["flight_inputs"]) == 1
    again = console("plan", folder)
    assert again.returncode == 1
    assert "would break the subscription follower: `origin` has no delay any more" in again.stderr


def test_a_plan_for_people_and_machines_names_level_reason_and_risk(console, tmp_path):
    """Like Terraform: signs, levels and reasons, then who is at risk; the same as one JSON document."""
    console("apply", write(tmp_path, WHOLE))
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, ADDED, ("maximum: 1000", "maximum: 900"))})

    text, document = (console("plan", tmp_path, *more) for more in ((), ("--output", "json")))

    assert text.returncode == document.returncode == 0, text.stderr
    assert "      ~ delay: its largest value was 1000 and is 900 now" in text.stdout
    assert "      + taxi: it was added" in text.stdout
    assert "Subscriptions at risk:\n  ! delay-predictor: `delay`: values written before" in text.stdout
    (view,) = json.loads(document.stdout)["views"]
    assert (view["change"], view["level"], view["before"]) == ("new MINOR", "MINOR", "airport_delay@1.0")
    assert [(change["what"], change["rule"]) for change in view["changes"]] == [
        ("delay", "range-narrowed"),
        ("taxi", "feature-added"),
    ]
    assert [risk["subscription"] for risk in json.loads(document.stdout)["at_risk"]] == ["delay-predictor"]


def test_a_wider_range_is_applied_only_with_consent_and_a_reason(console, stack, topics, tmp_path):
    """Refused; refused for who does not accept; usage without a reason; then a MINOR that the registry takes, too."""
    console("apply", write(tmp_path, WHOLE))
    wider = write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, V1, ("maximum: 1000", "maximum: 1100"))})

    refused = console("apply", wider, "--reason", "new runway")
    unwilling = console("apply", wider, "--allow-widening", "--reason", "new runway")
    write(tmp_path, {SUBSCRIPTION_FILE: SUBSCRIPTION + "acceptsWidening: true\n"})
    silent = console("apply", wider, "--allow-widening")
    applied = console("apply", wider, "--allow-widening", "--reason", "new runway")

    assert (refused.returncode, unwilling.returncode, silent.returncode, applied.returncode) == (1, 1, 64, 0)
    assert "register airport_delay@2 beside airport_delay@1" in refused.stderr
    assert "would break the subscription delay-predictor" in unwilling.stderr
    assert "needs a --reason" in silent.stderr
    assert "(MAJOR, accepted as MINOR)" in applied.stdout
    recorded = picture_of(stack, topics).views["airport_delay"][Version(1, 1)]
    assert recorded.decision.reason == "new runway"


def test_a_feature_made_required_is_taken_by_the_registry(console, stack, topics, tmp_path):
    """MINOR by our table: the Avro union stays, so that the real registry agrees."""
    console("apply", write(tmp_path, WHOLE))
    required = changed(
        CONTRACT,
        V1,
        ("logicalType: number\n        required: false", "logicalType: number\n        required: true"),
    )

    applied = console("apply", write(tmp_path, {CONTRACT_FILE: required}))

    assert applied.returncode == 0, applied.stderr
    assert list(map(str, picture_of(stack, topics).views["airport_delay"])) == ["1.0", "1.1"]


def test_an_apply_killed_half_way_is_simply_run_again(stack, topics, tmp_path, console):
    """With kill -9 after its first step, and later ones in the next runs; the last ends as an undisturbed one does."""
    folder = write(tmp_path, WHOLE)
    script = Path(sys.executable).with_name("syncline")
    command = [script, "apply", folder, "--bootstrap-servers", stack.bootstrap_servers]
    command += ["--registry", stack.registry_url, "--prefix", topics.prefix]
    for steps in (1, 4, 2, 3):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        )
        said = [process.stderr.readline() for _ in range(steps)]
        process.kill()
        process.communicate(timeout=60)
        assert said[0].startswith(("made topic", "registered schema", "recorded")), said

    last = console("apply", folder)
    planned = console("plan", folder, "--detailed-exitcode")

    assert (last.returncode, planned.returncode) == (0, 0), last.stderr + planned.stderr
    picture = picture_of(stack, topics)
    assert set(picture.views) == {"airport_delay", "weather"}
    assert len(picture.releases["flight_inputs"]) == 1
    assert picture.subscriptions["delay-predictor"].payload.bundle == "flight_inputs"
    assert picture.void == ()
