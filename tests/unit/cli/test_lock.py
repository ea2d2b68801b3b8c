"""`syncline lock`: what a subscription resolved to, what is live, and what differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from syncline.adapters.lmdb.store import LmdbStore
from syncline.catalog.events import PolicyKind, SubscriptionDeclared
from syncline.catalog.lock import META_LOCK, parse
from tests.unit.agent.world import Cluster, Host, registration, release, subscription
from tests.unit.cli.cluster import Cli
from tests.unit.inspection.enactor import Enactor
from tests.unit.state.world import Version

FIRST = Version.make(7)
MINOR = Version.make(8, version="1.1.0", extra=True)
WHY = ("--reason", "INC-7: the new feature")
STRICT = SubscriptionDeclared("strict", "inputs", PolicyKind.PIN, 1)
LOST = SubscriptionDeclared("lost", "inputs", PolicyKind.PIN, 9)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A command line on a cluster whose bundle has two releases, the second without a rollout."""
    cluster = Cluster()
    cluster.make_topics(FIRST)
    cluster.decide(registration(FIRST), registration(MINOR))
    cluster.decide(release(FIRST), subscription(), STRICT, LOST)
    cluster.decide(release(MINOR, number=2, features=("mean", "extra")))
    return Cli.on(cluster, monkeypatch, capsys)


def saved(cli: Cli, path: Path, *arguments: object, **changed: Any) -> Path:
    """A file with the lock that `show` prints, some of it changed."""
    document = cli.json("lock", "show", "model", *arguments)
    document["lock"] |= changed
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_it_shows_what_the_policy_resolves_to_and_what_is_live(cli: Cli) -> None:
    """Exact versions, schema ids, hashes; and the release that agents serve until a rollout."""
    code, out, err = cli("lock", "show", "model")

    assert (code, err) == (0, "")
    assert "inputs@2  (policy follow: the newest)" in out
    assert "delay@1.1" in out
    assert MINOR.hash[:12] in out
    assert "inputs@1 is live for model: 5 differences, see syncline lock diff model" in out


def test_as_json_it_is_the_whole_lock(cli: Cli) -> None:
    """For machines: everything, with the hash that agents report."""
    document = cli.json("lock", "show", "model")

    lock = parse(json.dumps(document["lock"]))
    assert document["hash"] == lock.hash
    assert [(view.view, view.schema_id, view.contract_hash) for view in lock.views] == [
        ("delay@1.1", 8, MINOR.hash)
    ]
    assert document["live"]["release"] == 1
    assert document["live"]["hash"] == cli.json("lock", "show", "model", "--release", 1)["hash"]


def test_after_the_rollout_it_is_live(cli: Cli) -> None:
    """Then both are one, byte for byte."""
    assert cli("rollout", "start", "inputs@2", *WHY)[0] == 0
    Enactor(cli.cluster).enact()

    code, out, _ = cli("lock", "show", "model")

    assert code == 0
    assert "inputs@2 is live for model." in out
    assert cli.json("lock", "show", "model")["live"]["differences"] == []
    assert cli.json("lock", "diff", "model", "--detailed-exitcode")["equal"] is True


def test_any_release_can_be_looked_at(cli: Cli) -> None:
    """Whatever the policy says of it."""
    code, out, _ = cli("lock", "show", "strict", "--release", 2)

    assert code == 0
    assert "inputs@2  (as asked for)" in out
    assert "see syncline lock diff strict --to 2" in out


def test_what_is_deprecated_is_told(cli: Cli) -> None:
    """Where it is resolved, and where one would go to it."""
    assert cli("deprecate", "delay@1.1", "--until", "2099-06-30", "--since", "2026-01-01", *WHY)[0] == 0
    text = "deprecated since 2026-01-01, supported until 2099-06-30"

    assert cli.json("lock", "show", "model")["deprecated"] == {"delay@1.1": text}
    for arguments in (["show", "model"], ["diff", "model"]):
        assert f"inputs@2 names delay@1.1, which is {text}" in cli("lock", *arguments)[2]
    assert cli("lock", "show", "strict")[2] == ""


def test_the_store_says_what_its_agent_serves(cli: Cli, tmp_path: Path) -> None:
    """Nothing but the store is asked; the hash is that of what is live."""
    store = LmdbStore.open(tmp_path / "store", create=True)
    status = Host(cli.cluster, store=store).settle()
    store.close()
    live = cli.json("lock", "show", "model", "--release", 1)

    document = cli.json("lock", "show", "--store", tmp_path / "store", "--bootstrap-servers", "nowhere:1")

    assert document["lock"] == live["lock"]
    assert document["hash"] == live["hash"] == status.lock
    code, out, _ = cli("lock", "show", "model", "--store", tmp_path / "store")
    assert code == 0
    assert live["hash"] in out


def test_a_store_that_cannot_say_is_told(cli: Cli, tmp_path: Path) -> None:
    """None, one without a lock, one with other bytes, and one of another consumer."""
    assert "there is no store" in cli("lock", "show", "--store", tmp_path / "none")[2]
    store = LmdbStore.open(tmp_path / "store", create=True)
    assert "has no lock" in cli("lock", "show", "--store", tmp_path / "store")[2]
    store.commit([], {META_LOCK: b"junk"})
    code, _, err = cli("lock", "show", "--store", tmp_path / "store")
    assert (code, "it is no JSON" in err) == (1, True)
    store.commit([], {META_LOCK: json.dumps(cli.json("lock", "show", "model")["lock"]).encode()})
    code, _, err = cli("lock", "show", "strict", "--store", tmp_path / "store")
    store.close()

    assert code == 1
    assert "is that of model, not of strict" in err


def test_diff_is_from_what_is_live_to_what_the_policy_means(cli: Cli) -> None:
    """What a rollout would bring; exit 2 only if asked for."""
    code, out, _ = cli("lock", "diff", "model")

    assert code == 0
    assert out.splitlines() == [
        "inputs@1 (live) → inputs@2 (policy follow: the newest)",
        "  ~ release: 1 became 2",
        "  ~ delay: version: delay@1.0 became delay@1.1",
        "  ~ delay: schema id: 7 became 8",
        f"  ~ delay: contract: {FIRST.hash} became {MINOR.hash}",
        "  + delay:extra: added (a feature)",
    ]
    assert cli("lock", "diff", "model", "--detailed-exitcode")[0] == 2
    assert cli("lock", "diff", "strict", "--detailed-exitcode")[0] == 0


def test_diff_between_two_releases(cli: Cli) -> None:
    """Either way; one alone against what stands."""
    there = cli.json("lock", "diff", "strict", "--from", 1, "--to", 2)
    back = cli.json("lock", "diff", "strict", "--from", 2, "--to", 1)

    assert there["equal"] is False
    assert [(each["what"], each["after"], each["before"]) for each in back["differences"]] == [
        (each["what"], each["before"], each["after"]) for each in there["differences"]
    ]
    assert cli.json("lock", "diff", "model", "--from", 2)["equal"] is True
    assert cli.json("lock", "diff", "model", "--to", 1)["equal"] is True


def test_diff_against_a_saved_lock(cli: Cli, tmp_path: Path) -> None:
    """What has changed since a model was trained; the lock alone will do, too."""
    whole = saved(cli, tmp_path / "whole.json")
    alone = tmp_path / "alone.json"
    alone.write_text(json.dumps(json.loads(whole.read_text())["lock"]), encoding="utf-8")
    first = saved(cli, tmp_path / "first.json", "--release", 1)

    assert cli("lock", "diff", "model", whole, "--detailed-exitcode")[0] == 0
    assert cli("lock", "diff", "model", alone, "--detailed-exitcode")[0] == 0
    code, out, _ = cli("lock", "diff", "model", first, "--detailed-exitcode")
    assert code == 2
    assert f"inputs@1 (saved in {first}) → inputs@2" in out
    assert cli("lock", "diff", "model", first, "--to", 1, "--detailed-exitcode")[0] == 0


def test_a_file_that_holds_no_lock_of_this_consumer_is_told(cli: Cli, tmp_path: Path) -> None:
    """Junk, another document, a changed one, a newer one, that of another consumer, none at all."""
    junk, other, huge = tmp_path / "junk", tmp_path / "other", tmp_path / "huge"
    junk.write_bytes(b"\xff\xfe")
    other.write_text('{"a": 1}', encoding="utf-8")
    with huge.open("wb") as file:
        file.truncate(10_000_001)
    changed = saved(cli, tmp_path / "changed.json", release=3)
    newer = saved(cli, tmp_path / "newer.json", format_version=2)
    around = tmp_path / "around.json"
    around.write_text(json.dumps(json.loads(newer.read_text()) | {"format_version": 2}), encoding="utf-8")
    empty = saved(cli, tmp_path / "empty.json", views=[])
    view = json.loads(changed.read_text())["lock"]["views"][0]
    twice = saved(cli, tmp_path / "twice.json", views=[view, view])
    half = saved(cli, tmp_path / "half.json", views=[view | {"alias": "\ud800"}])
    cases = {
        junk: "holds no lock",
        other: "save one with `syncline lock show CONSUMER --output json`",
        huge: "larger than any lock",
        changed: "was changed after it was saved",
        newer: "upgrade it",
        around: f"{around}: the document has format version 2, and this Syncline knows 1: upgrade it",
        empty: f"{empty} holds no lock (the lock: views is empty, and every release has at least one)",
        twice: f"{twice} holds no lock (views[1]: alias delay is named twice, and names one view only)",
        half: f"{half} holds no lock (views[0]: alias is no text)",
        tmp_path / "none.json": "cannot be read",
        tmp_path: "cannot be read",
    }

    for path, said in cases.items():
        code, out, err = cli("lock", "diff", "model", path)
        assert (code, out) == (1, "")
        assert said in err
    code, _, err = cli("lock", "diff", "strict", saved(cli, tmp_path / "fine.json"))
    assert code == 1
    assert "is the lock of model, not of strict" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "modle"], "Did you mean `model`?"),
        (["diff", "modle"], "Did you mean `model`?"),
        (["show", "model", "--release", 3], "there is no inputs@3: inputs has the releases 1 to 2"),
        (["diff", "model", "--from", 3], "there is no inputs@3"),
        (["diff", "model", "--to", 3], "there is no inputs@3"),
        (["show", "lost"], "the policy of lost, pin: 9, resolves to nothing: inputs has no release 9"),
    ],
)
def test_what_cannot_be_resolved_is_told(cli: Cli, arguments: list[object], said: str) -> None:
    """One sentence, exit 1."""
    code, out, err = cli("lock", *arguments)

    assert (code, out) == (1, "")
    assert said in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["show"],
        ["show", "model", "--release", 0],
        ["show", "model", "--release", "newest"],
        ["show", "model", "--release", 1, "--store", "here"],
        ["diff"],
        ["diff", "model", "saved.json", "--from", 1],
    ],
)
def test_half_a_lock_is_a_usage_error(cli: Cli, arguments: list[object]) -> None:
    """Exit 64."""
    assert cli("lock", *arguments)[0] == 64


def test_a_catalog_without_subscriptions_says_to_apply(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And so does a cluster without a catalog."""
    cluster = Cluster()
    for _ in range(2):
        code, _, err = Cli.on(cluster, monkeypatch, capsys)("lock", "show", "model")
        assert code == 1
        assert "syncline apply" in err
        cluster.make_topics()
