"""The CLI's verbs for definitions and for looking: exit codes, what goes to stdout, what to stderr."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from syncline import wiring
from syncline.adapters.embedded.log import EmbeddedLog
from syncline.adapters.registry import ConfluentRegistry
from syncline.cli.main import COMMANDS, run
from syncline.errors import RegistryUnavailable
from syncline.telemetry.reports import AgentStatus, PartitionStatus, encode_report
from syncline.telemetry.violations import Reporter, RuleCount, ViewCounts, ViolationCounts
from syncline.wire.dead_letters import DeadLetter, Reason
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

TOPIC = "syncline.features.airport_delay.v1"


@pytest.fixture
def cli(embedded, monkeypatch, capsys):
    """The command line in this process, on an embedded broker; returns (exit code, stdout, stderr)."""
    log = EmbeddedLog(embedded.broker)
    monkeypatch.setattr(wiring, "open_log", lambda settings: log)
    monkeypatch.setattr(wiring, "open_registry", lambda settings: ConfluentRegistry(embedded.registry_url))
    monkeypatch.setenv("SYNCLINE_ACTOR", "ada")

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    call.log = log
    return call


def console(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The installed console script, in a process of its own."""
    script = Path(sys.executable).with_name("syncline")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SYNCLINE_")}
    return subprocess.run(
        [script, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**clean, **environment},
    )


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_help_names_every_command_without_loading_any():
    """`syncline --help` is quick: neither Kafka's client nor Arrow is imported for it."""
    script = "import sys; from syncline.cli.main import run; run(['--help']); print(sorted(sys.modules))"

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )

    commands = done.stdout.partition("Commands:")[2]
    assert all(f"  {name} " in commands for name in COMMANDS)
    assert not [
        name
        for name in ("confluent_kafka", "pyarrow", "numpy", "pydantic", "rich")
        if f"'{name}'" in commands
    ]


@pytest.mark.parametrize(
    "arguments", [["bogus"], ["plan", "--bogus"], ["plan", "a", "b"], ["plan", "--output", "xml"], []]
)
def test_wrong_usage_exits_64(arguments):
    """2 is kept for "there are changes", so usage errors have another code."""
    done = console(*arguments)

    assert (done.returncode, done.stdout) == (64, "")
    assert "Usage: syncline" in done.stderr


def test_init_writes_a_folder_that_validates(tmp_path):
    """What `init` writes is valid as it stands, and says what to do next."""
    made = console("init", str(tmp_path / "features"))
    checked = console("validate", str(tmp_path / "features"))

    assert made.returncode == 0
    assert "syncline validate" in made.stderr
    assert checked.returncode == 0
    assert "3 contracts, 1 bundle, 2 subscriptions: all valid" in checked.stdout


def test_init_overwrites_nothing_and_writes_all_or_nothing(tmp_path):
    """One file in the way, and none is written; the one there stays as it was."""
    mine = tmp_path / "subscriptions" / "ops_dashboard.yaml"
    write(tmp_path, {"subscriptions/ops_dashboard.yaml": "mine"})

    done = console("init", str(tmp_path))

    assert done.returncode == 1
    assert "nothing was written" in done.stderr
    assert mine.read_text() == "mine"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


def test_init_into_an_impossible_place_leaves_nothing_behind(tmp_path):
    """A file where a folder should be: one clear message, and no half of an example."""
    write(tmp_path, {"features/subscriptions": "a file"})

    done = console("init", str(tmp_path / "features"))

    assert done.returncode == 1
    assert "nothing was written" in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["features", "subscriptions"]


def test_validate_lists_every_problem_on_stderr(tmp_path):
    """Problems of several files in one go, each with file, line and remedy; exit 1, no traceback."""
    write(
        tmp_path, {**WHOLE, BUNDLE_FILE: changed(BUNDLE, ("as: dest", "as: de__st")), CONTRACT_FILE: "a: [\n"}
    )

    done = console("validate", str(tmp_path))

    assert (done.returncode, done.stdout) == (1, "")
    assert f"{CONTRACT_FILE}:2: this is no YAML" in done.stderr
    assert (
        f"{BUNDLE_FILE}:7: features[1].as: `de__st` would make result names ambiguous [alias]." in done.stderr
    )
    assert "Traceback" not in done.stderr


def test_validate_as_json_has_the_problems_on_stdout(tmp_path):
    """A program gets one document with a format_version, and the same exit code."""
    write(tmp_path, {**WHOLE, BUNDLE_FILE: changed(BUNDLE, ("as: dest", "as: origin"))})

    done = console("validate", str(tmp_path), "--output", "json")

    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert (document["format_version"], document["valid"]) == (1, False)
    assert [(problem["file"], problem["rule"]) for problem in document["problems"]] == [
        (BUNDLE_FILE, "duplicate-alias")
    ]


def test_a_setting_that_is_wrong_is_named(tmp_path):
    """A malformed variable is one message with its name, not a traceback."""
    done = console("plan", str(write(tmp_path, WHOLE)), SYNCLINE_CLIENT="{not json")

    assert done.returncode == 1
    assert "SYNCLINE_CLIENT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_registry_url_with_a_password_is_refused_without_repeating_it(tmp_path):
    """Credentials do not belong into a URL, and not into a message either."""
    done = console("plan", str(write(tmp_path, WHOLE)), "--registry", "http://ada:hunter2@127.0.0.1:1")

    assert done.returncode == 1
    assert "credentials" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_broker_down_is_one_clear_message(tmp_path):
    """No broker: exit 1 with the address's owner named, within seconds."""
    done = console("plan", str(write(tmp_path, WHOLE)), SYNCLINE_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")

    assert (done.returncode, done.stdout) == (1, "")
    assert "no broker answered" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unexpected_error_is_one_line_with_a_hint(monkeypatch, capsys):
    """A fault of ours is said as such; the traceback comes only when asked for."""
    monkeypatch.setattr(wiring, "open_log", lambda settings: 1 / 0)

    assert run(["status"]) == 1

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "ZeroDivisionError" in said
    assert "SYNCLINE_DEBUG=1" in said


def test_a_missing_extra_is_named(tmp_path):
    """Installed without the extra that a command needs, it says which one to install."""
    # In a process of its own: the agent's command sets up that process's logs for good.
    code = (
        "import sys; sys.modules['lmdb'] = None; from syncline.cli.main import run\n"
        "sys.exit(run(['agent', '--subscription', 'model', '--store', sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 1
    assert "pip install 'syncline[agent]'" in done.stderr


def test_ctrl_c_ends_quietly_with_130(tmp_path):
    """An interrupted command says nothing and exits as shells expect."""
    os.mkfifo(tmp_path / "gate")
    code = (
        "import signal, sys; from syncline import wiring; from syncline.cli.main import run\n"
        # Tests that run in the background of a shell inherit that the signal is ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def wait(settings):\n"
        "    import time\n"
        "    open(sys.argv[1]).close()\n"
        # Not signal.pause: a signal that comes just before it would be slept through.
        "    while True: time.sleep(0.05)\n"
        "wiring.open_log = wait\nsys.exit(run(['status']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "gate")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    (tmp_path / "gate").write_text("")  # opens only once the command has come to its waiting

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err.strip()) == (130, "", "")


def test_plan_apply_and_plan_again(cli, tmp_path):
    """There are changes (2), they are applied (0), there are none (0)."""
    folder = write(tmp_path, WHOLE)

    before = cli("plan", folder, "--detailed-exitcode")
    applied = cli("apply", folder, "--yes", "--reason", "a test")
    after = cli("plan", folder, "--detailed-exitcode")

    assert before[0] == 2
    assert "  + view airport_delay@1.0: new view, 2 features, owner flight-ops" in before[1]
    assert "Plan: 6 topics, 2 view versions, 1 release, 1 subscription; 0 unchanged." in before[1]
    assert applied[0] == 0, applied
    assert "Applied by ada: 4 decisions in the catalog." in applied[1]
    assert after[0] == 0
    assert after[1] == "No changes: the catalog (up to offset 4) says what the folder says.\n"


def test_plan_without_detailed_exitcode_is_0(cli, tmp_path):
    """Changes are no failure unless they are asked for."""
    assert cli("plan", write(tmp_path, WHOLE))[0] == 0


def test_plan_and_apply_speak_json(cli, tmp_path):
    """One document on stdout each; what was done on the way is on stderr."""
    folder = write(tmp_path, WHOLE)

    planned = json.loads(cli("plan", folder, "--output", "json")[1])
    code, out, err = cli("apply", folder, "--yes", "--output", "json")
    applied = json.loads(out)

    assert planned["changes"] is True
    assert [view["reference"] for view in planned["views"]] == ["airport_delay@1.0", "weather@1.0"]
    assert code == 0
    assert applied["offsets"] == [0, 1, 2, 3]
    assert {"format_version": 1, **applied["plan"]} == planned
    assert f"made topic {TOPIC}" in err


def test_a_second_release_is_said_to_wait_for_a_rollout(cli, tmp_path):
    """A new release is recorded and not served: plan and apply say so, and name the command that rolls it out."""
    cli("apply", write(tmp_path, WHOLE), "--yes")
    write(
        tmp_path,
        {
            BUNDLE_FILE: changed(BUNDLE, ("  - {view: weather@1}\n", "")),
            SUBSCRIPTION_FILE: changed(SUBSCRIPTION, (", weather: 2 h", "")),
        },
    )

    code, out, err = cli("apply", tmp_path, "--yes")

    assert code == 0
    assert "  ~ bundle flight_inputs@2" in out
    assert "flight_inputs@2 will be recorded, and changes nothing yet" in err
    assert "syncline rollout start flight_inputs@2 --reason" in err


def test_registry_down_at_apply_is_one_clear_error_and_nothing_written(cli, tmp_path, embedded):
    """RegistryUnavailable before the first topic; with the registry back, the same apply goes through."""
    folder = write(tmp_path, WHOLE)

    class Down(ConfluentRegistry):
        def _ask(self, *arguments, **settings):
            raise RegistryUnavailable("the registry did not answer")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "open_registry", lambda settings: Down("http://127.0.0.1:1"))
        code, out, err = cli("apply", folder, "--yes")

    assert (code, out) == (1, "")
    assert err.endswith("syncline: the registry did not answer\n")
    assert cli.log.describe_topic("syncline.catalog") is None
    assert cli("apply", folder, "--yes")[0] == 0


def test_a_question_is_asked_only_on_a_terminal(cli, tmp_path, monkeypatch):
    """On a terminal apply asks, and a no changes nothing; elsewhere nobody could answer."""
    folder = write(tmp_path, WHOLE)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *arguments, **settings: False)

    code, _, err = cli("apply", folder)

    assert code == 1
    assert err.endswith("Nothing was changed.\n")
    assert cli.log.describe_topic("syncline.catalog") is None


def test_looking_at_an_empty_cluster_says_to_apply(cli):
    """On a cluster without a catalog, status and dlq that names the remedy."""
    for command in (["status"], ["dlq", "list"], ["dlq", "show", "airport_delay", "0:0"]):
        code, out, err = cli(*command)

        assert (code, out) == (1, ""), command
        assert "syncline apply" in err, command


def report(agent: str, *, digest: int, next_offset: int = 7, end_offset: int = 7) -> bytes:
    """An agent's report about one partition."""
    partition = PartitionStatus(TOPIC, 0, next_offset, end_offset, cells=3, digest=digest, t_ms=1, held="")
    return encode_report(
        AgentStatus(
            agent=agent,
            consumer=agent.partition("/")[0],
            reported_at_us=1_900_000_000_000_000,
            state="LIVE",
            reason="",
            bundle="flight_inputs",
            release=1,
            epoch=2,
            catalog_offset=4,
            fold_version=1,
            applied_rows=1_234,
            dead_letters=5,
            partitions=(partition,),
        )
    )


def send(log, topic: str, records) -> None:
    """Append (key, value, headers) records to partition 0, and wait for them."""
    writer = log.writer(client_id="test")
    for key, value, headers in records:
        writer.append(topic, key=key, value=value, headers=headers, partition=0)
    writer.flush(30.0)
    writer.close(5.0)


def test_status_shows_each_agents_last_report_and_that_digests_agree(cli, tmp_path):
    """The newest report of each agent counts; at equal positions digests are compared (P2)."""
    cli("apply", write(tmp_path, WHOLE), "--yes")
    old, new = report("model/a", digest=1, next_offset=3), report("model/a", digest=0xABC)
    other = report("model/b", digest=0xABC)
    send(
        cli.log,
        "syncline.reports",
        [(b"a", old, ()), (b"a", new, ()), (b"b", other, ()), (b"?", b"junk", ())],
    )

    code, out, err = cli("status", "--partitions")

    assert code == 0
    assert "Digests agree in 1 comparison at equal positions." in out
    assert out.count("0000000000000abc") == 2
    assert "model/a  LIVE   flight_inputs@1" in out
    assert "1 report could not be read" in err


def test_status_exits_1_where_digests_disagree(cli, tmp_path):
    """Two agents that read the same records and differ: named with partition, position and both digests."""
    cli("apply", write(tmp_path, WHOLE), "--yes")
    send(
        cli.log,
        "syncline.reports",
        [(b"a", report("model/a", digest=1), ()), (b"b", report("model/b", digest=2), ())],
    )

    code, out, _ = cli("status")
    document = json.loads(cli("status", "--output", "json")[1])

    assert code == 1
    assert (
        f"DISAGREE: {TOPIC}[0] below offset 7: model/a has 0000000000000001, model/b has 0000000000000002"
        in out
    )
    assert document["digests"]["disagreements"][0]["digests"] == {
        "model/a": "0000000000000001",
        "model/b": "0000000000000002",
    }


def test_status_shows_violations_of_the_last_hour_or_all(cli, tmp_path):
    """What publishers and agents counted: as a table and as JSON; older windows only with --all."""
    cli("apply", write(tmp_path, WHOLE), "--yes")
    hour_us = 3_600_000_000
    start_us = time.time_ns() // 1_000 // hour_us * hour_us
    rules = (RuleCount("delay", "maximum", "raised", 7),)
    windows = [
        ViolationCounts(
            Reporter("publisher", "job"),
            at_us,
            at_us + hour_us,
            (ViewCounts("airport_delay@1.0", 70, 7, rules),),
        )
        for at_us in (start_us - 5 * hour_us, start_us)
    ]
    send(cli.log, "syncline.reports", [(b"job", encode_report(window), ()) for window in windows])

    code, out, err = cli("status")
    document = json.loads(cli("status", "--all", "--output", "json")[1])

    assert (code, err) == (0, "")
    assert re.search(r"airport_delay@1\.0:delay +maximum +raised +7 +10\.00%.* job\n", out)
    (rule,) = document["violations"]["rules"]
    assert (rule["count"], rule["rows_judged"], rule["reporters"]) == (14, 140, ["job"])


def letter(agent: str, *, offset: int = 41, message: str = "delay: maximum: 1301.0 is not <= 1000"):
    """A dead letter as an agent writes it."""
    dead = DeadLetter(
        topic=TOPIC,
        partition=1,
        offset=offset,
        timestamp_ms=1_700_000_000_000,
        key=b"EWR",
        value=b"\x00\x00\x00\x00\x01\xff",
        headers=[("traceparent", b"00-1-2-01")],
        reason=Reason("maximum", "delay", message, "CONTRACT", "airport_delay@1.0", 1),
        agent=agent,
    )
    return dead.key, dead.value, dead.record_headers()


def test_dead_letters_of_replicas_count_once(cli, tmp_path):
    """Every agent writes its own copy; the list folds them by topic, partition and offset."""
    cli("apply", write(tmp_path, WHOLE), "--yes")
    records = [letter("model/a"), letter("model/b"), letter("model/a", offset=42)]
    send(cli.log, f"{TOPIC}.dlq", records)

    document = json.loads(cli("dlq", "list", "airport_delay@1", "--output", "json")[1])
    code, out, _ = cli("dlq", "list")

    assert document["count"] == 2
    assert [(found["rule"], found["feature"], found["count"]) for found in document["groups"]] == [
        ("maximum", "delay", 2)
    ]
    assert code == 0
    assert "delay: maximum: 1301.0 is not <= 1000" in out


def test_one_dead_letter_is_shown_whole(cli, tmp_path):
    """Key, headers, reason and bytes; the fields where the catalog's schema reads them, else why it does not."""
    cli("apply", write(tmp_path, WHOLE), "--yes")
    send(cli.log, f"{TOPIC}.dlq", [letter("model/a")])

    (shown,) = json.loads(cli("dlq", "show", TOPIC, "1:41", "--output", "json")[1])["dead_letters"]

    assert (shown["key"], shown["value_hex"], shown["value_bytes"]) == ("EWR", "0000000001ff", 6)
    assert shown["headers"] == [["traceparent", "00-1-2-01"]]
    assert shown["not_decoded"]
    code, out, _ = cli("dlq", "show", "airport_delay", "1:41")
    assert code == 0
    assert "value_hex" in out
    assert cli("dlq", "show", TOPIC, "1:40")[0] == 1


def test_what_stands_in_a_topic_cannot_steer_the_terminal(cli, tmp_path):
    """Anyone can write a header: escape sequences come out as text."""
    cli("apply", write(tmp_path, WHOLE), "--yes")
    send(cli.log, f"{TOPIC}.dlq", [letter("model/a", message="\x1b]0;owned\x07 \x1b[2J")])

    for command in (["dlq", "list"], ["dlq", "show", TOPIC, "1:41"]):
        _, out, _ = cli(*command)

        assert "\x1b" not in out
        assert "\\x1b]0;owned" in out


def test_an_unknown_view_names_the_nearest(cli, tmp_path):
    """A typing error in a view's name costs one look."""
    cli("apply", write(tmp_path, WHOLE), "--yes")

    code, _, err = cli("dlq", "list", "airport_dely")

    assert code == 1
    assert "Did you mean `airport_delay@1`?" in err


def test_doctor_says_what_is_well_and_what_is_not(cli, tmp_path):
    """Each check is a line; one broker is a warning, which is no failure."""
    cli("apply", write(tmp_path, WHOLE), "--yes")

    code, out, _ = cli("doctor")

    lines = out.splitlines()
    assert code == 0, out
    assert any(line.startswith("ok    registry: 2 schemas have the catalog's ids") for line in lines)
    assert any(line.startswith("warn  replication: with 1 broker") for line in lines)
    assert not any(line.startswith("fail") for line in lines)


def test_doctor_fails_where_the_registry_is_another_one(cli, tmp_path, embedded):
    """A registry that does not know the catalog's schemas would give publishers wrong ids."""
    from syncline.adapters.embedded.registry import EmbeddedRegistry

    cli("apply", write(tmp_path, WHOLE), "--yes")
    with EmbeddedRegistry.start() as other, pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "open_registry", lambda settings: ConfluentRegistry(other.url))
        code, out, _ = cli("doctor")

    assert code == 1
    assert "fail  registry" in out
    assert "another registry than apply used" in out


def test_doctor_with_nothing_up_fails_with_remedies():
    """Neither brokers nor registry: two failures with what to check, and exit 1."""
    done = console(
        "doctor",
        SYNCLINE_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}",
        SYNCLINE_REGISTRY_URL=f"http://127.0.0.1:{free_port()}",
    )

    failed = [line for line in done.stdout.splitlines() if line.startswith("fail")]
    assert done.returncode == 1
    assert [line.split(":")[0].split()[1] for line in failed] == ["brokers", "registry"]
    assert "SYNCLINE_BOOTSTRAP_SERVERS" in failed[0]


def test_a_contract_that_needs_more_than_the_catalog_has_is_one_message(cli, tmp_path):
    """A changed contract under its old version fails plan and apply alike, with nothing written."""
    cli("apply", write(tmp_path, WHOLE), "--yes")
    write(tmp_path, {CONTRACT_FILE: changed(CONTRACT, ("maximum: 1000", "maximum: 900"))})

    for verb in ("plan", "apply"):
        code, out, err = cli(verb, tmp_path)

        assert (code, out) == (1, "")
        assert "versions never change: delay: its largest value was 1000 and is 900 now" in err
