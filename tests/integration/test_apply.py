"""`syncline plan` and `apply` by the console script, against the session's real Kafka and registry."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from syncline.adapters.kafka.log import KafkaLog
from syncline.adapters.registry import ConfluentRegistry
from syncline.catalog_client import CatalogClient
from syncline.clock import SystemClock
from syncline.ports.log import TopicSpec
from syncline.wire.topics import Topics
from tests.unit.definitions.test_plan import ADDED, V1
from tests.unit.definitions.texts import (
    CONTRACT,
    CONTRACT_FILE,
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
    assert "agents go on serving flight_inputs@1" in applied.stderr


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


def test_two_applies_at_once_end_in_one_truth(console, stack, topics, tmp_path):
    """Two people apply different contracts under one version: one wins, the other is told to plan again."""
    ours = write(tmp_path / "ours", {**WHOLE})
    theirs = write(
        tmp_path / "theirs", {**WHOLE, CONTRACT_FILE: changed(CONTRACT, ("maximum: 1000", "maximum: 900"))}
    )

    with ThreadPoolExecutor(2) as together:
        done = list(together.map(lambda folder: console("apply", folder), (ours, theirs)))

    picture = picture_of(stack, topics)
    assert sorted(result.returncode for result in done) == [0, 1], [result.stderr for result in done]
    (loser,) = [result for result in done if result.returncode]
    assert "plan and apply again" in loser.stderr or "versions never change" in loser.stderr
    assert list(map(str, picture.views["airport_delay"])) == ["1.0"]


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
