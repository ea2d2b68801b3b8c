"""How failures are told: a sentence on stderr, and on stdout one document where JSON was asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from syncline.cli.main import run
from tests.unit.agent.world import Cluster, registration, release, subscription
from tests.unit.cli.cluster import Cli
from tests.unit.state.world import Version

VIEW = Version.make(7)
SYNCLINE = [sys.executable, "-m", "syncline"]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A command line on a cluster with one bundle."""
    cluster = Cluster()
    cluster.make_topics(VIEW)
    cluster.decide(registration(VIEW), release(VIEW), subscription())
    return Cli.on(cluster, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (["rollout", "start", "inputs@9", "--reason", "x"], "UnknownBundle", "inputs"),
        (["rollout", "status", "nope"], "UnknownBundle", "nope"),
        (["verify", "nope"], "UnknownBundle", "nope"),
        (["lock", "show", "nope"], "UnknownBundle", "no subscription of nope"),
        (["withdraw", "nope", "--reason", "x"], "UnknownBundle", "nope"),
        (["snapshot", "list", "nonsense://x"], "SnapshotError", "nonsense://x"),
    ],
)
def test_a_failure_is_a_document_where_json_was_asked_for(
    cli: Cli, arguments: list[str], kind: str, said: str
) -> None:
    """Exit 1, the sentence on stderr as ever, and the same in one document with the kind of the error."""
    code, out, err = cli(*arguments, "--output", "json")

    document = json.loads(out)
    assert code == 1
    assert document == {"format_version": 1, "error": {"kind": kind, "message": document["error"]["message"]}}
    assert said in document["error"]["message"]
    assert err.endswith(f"syncline: {document['error']['message']}\n")
    assert cli(*arguments)[1] == ""


def test_brokers_that_are_away_are_a_document(cli: Cli) -> None:
    """What a page in the night should hold."""
    cli.cluster.log.available = False

    assert cli.json("verify", code=1)["error"]["kind"] == "LogUnavailable"


def test_settings_that_are_wrong_are_a_document(cli: Cli) -> None:
    """They are read before the command begins."""
    assert cli.json("status", "--prefix", "no prefix", code=1)["error"]["kind"] == "SettingsError"


def test_a_command_with_a_document_of_its_own_has_only_that(cli: Cli, tmp_path: Path) -> None:
    """Wrong definitions are listed as ever."""
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "x.odcs.yaml").write_text("a: 1", encoding="utf-8")

    document = cli.json("validate", tmp_path, code=1)

    assert document["valid"] is False
    assert "error" not in document


def test_a_usage_error_stays_text(cli: Cli) -> None:
    """Exit 64: whoever wrote the script reads it."""
    code, out, _ = cli("withdraw", "model", "--output", "json")

    assert (code, out) == (64, "")


def test_a_fault_of_ours_is_a_document(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script is told of these, too."""

    def broken(*given: object, **named: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("syncline.cli.letters.require_catalog", broken)

    assert cli.json("lock", "show", "model", code=1)["error"]["kind"] == "ZeroDivisionError"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("output", ["text", "json"])
def test_a_result_that_cannot_be_written_is_told(tmp_path: Path, unbuffered: str, output: str) -> None:
    """A full disk behind stdout is no fault of Syncline: what was done stands."""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [*SYNCLINE, "snapshot", "list", tmp_path, "--output", output],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )

    assert ended.returncode == 1
    assert ended.stderr == (
        "syncline: stdout cannot be written (No space left on device), and the command ended at that. What it had done "
        "by then stands, and only its result is lost: see what stands before you run it again\n"
    )


def test_without_stdout_nothing_is_done(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A closed stdout is told before anything is decided."""
    before = len(cli.cluster.read("syncline.catalog"))
    monkeypatch.setattr(sys, "stdout", None)

    code = run(["withdraw", "model", "--reason", "x"])

    assert code == 1
    assert "stdout is closed" in capsys.readouterr().err
    assert len(cli.cluster.read("syncline.catalog")) == before
