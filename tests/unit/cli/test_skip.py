"""`syncline skip`: what it passes, what it refuses to pass, and what it says."""

from __future__ import annotations

import sys

import pytest

from syncline.catalog.events import RecordSkipped, SchemaRefused
from syncline.wire.framing import prefix as framing
from tests.unit.agent.world import CATALOG, Cluster, Host, registration, release, subscription
from tests.unit.cli.cluster import Cli
from tests.unit.state.world import NOW_MS, Record, Version, delete, heartbeat, marker

VIEW = Version.make(7, partitions=2)
STRICT = Version.make(20, view="strict", on_violation="halt", late_arrival="10 min")
TOPIC, STRICT_TOPIC = VIEW.contract.topic, STRICT.contract.topic
NOW_US = NOW_MS * 1_000
FOREIGN = Record(b"EWR", framing(77) + b"x", NOW_MS)
REASON = ("--reason", "INC-7: not ours")


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A command line on a cluster with two views and an agent's subscription."""
    cluster = Cluster()
    cluster.make_topics(VIEW, STRICT)
    for version in (VIEW, STRICT):
        cluster.decide(registration(version))
    cluster.decide(release(VIEW, STRICT), subscription())
    return Cli.on(cluster, monkeypatch, capsys)


def decisions(cli: Cli) -> int:
    """How many records the catalog has."""
    return len(cli.cluster.read(CATALOG))


def test_a_skip_lets_the_agent_pass_and_says_what_it_did(cli: Cli) -> None:
    """P11: who and why stand in the catalog; the held agent goes on by itself."""
    cli.cluster.put(TOPIC, [FOREIGN], 1)
    host = Host(cli.cluster)
    assert host.settle().state == "HOLDING"

    document = cli.json("skip", TOPIC, 1, 0, *REASON)

    assert document["decided"] is True
    assert document["catalog_offset"] == 4
    assert (document["key"], document["schema_id"], document["time"]) == (
        "EWR",
        77,
        "2023-11-14T22:13:20.000Z",
    )
    assert "not in the catalog" in document["holds_because"]
    assert host.settle().state == "LIVE"
    (letter,) = cli.cluster.letters(VIEW)
    assert letter.reason.message == "skipped by ada at catalog offset 4: INC-7: not ours"


def test_what_was_skipped_already_is_told_and_decided_once(cli: Cli) -> None:
    """Skipping again changes nothing, and is no failure."""
    cli.cluster.put(TOPIC, [FOREIGN], 1)
    assert cli("skip", TOPIC, 1, 0, *REASON)[0] == 0
    before = decisions(cli)

    code, out, _ = cli("skip", TOPIC, 1, 0, "--reason", "again")

    assert (code, decisions(cli)) == (0, before)
    assert "Passed already, at catalog offset 4, by ada: INC-7: not ours" in out
    assert cli.json("skip", TOPIC, 1, 0, *REASON)["decided"] is False


def test_a_record_that_halts_can_be_skipped(cli: Cli) -> None:
    """What a contract's `halt` holds: a broken rule, a fault of the framing, a delete without its time."""
    cli.cluster.put(
        STRICT_TOPIC,
        [
            STRICT.record(at_us=NOW_US, mean=500.0),
            Record(b"EWR", b"junk!", NOW_MS),
            Record(b"EWR", None, NOW_MS),
        ],
    )

    for offset in range(3):
        document = cli.json("skip", STRICT_TOPIC, 0, offset, *REASON)
        assert "says halt" in document["holds_because"]


def test_a_record_that_is_late_only_by_its_partition_can_be_skipped(cli: Cli) -> None:
    """T is that of the partition, not of the record: a broker's clock may have been set back."""
    late = STRICT.record(at_us=NOW_US, ms=NOW_MS)
    cli.cluster.put(STRICT_TOPIC, [heartbeat(ms=NOW_MS + 3_600_000), late, late])

    assert "late" in cli.json("skip", STRICT_TOPIC, 0, 1, *REASON)["holds_because"]


REFUSED = {
    "unknown topic": (["syncline.features.dely.v1", 0, 0], f"Did you mean `{TOPIC}`?"),
    "catalog": ([CATALOG, 0, 0], "no view in the catalog has the topic"),
    "partition out of range": ([TOPIC, 2, 0], "it has 0 to 1"),
    "beyond the end": ([TOPIC, 0, 4], "keeps the offsets 1 to 3"),
    "below the start": ([TOPIC, 0, 0], "keeps the offsets 1 to 3"),
    "an empty partition": ([TOPIC, 1, 0], "is empty"),
    "a good record": ([TOPIC, 0, 1], "A skip would be ignored"),
    "a broken record that does not halt": ([TOPIC, 0, 2], "A skip would be ignored"),
    "a marker": ([TOPIC, 0, 3], "control record"),
    "a good record under halt": ([STRICT_TOPIC, 0, 0], "A skip would be ignored"),
    "a delete under halt": ([STRICT_TOPIC, 0, 1], "A skip would be ignored"),
    "a heartbeat": ([STRICT_TOPIC, 0, 2], "control record"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_holds_nothing_is_not_skipped(cli: Cli, name: str) -> None:
    """One sentence with the remedy, exit 1, and nothing is decided."""
    place, said = REFUSED[name]
    cli.cluster.put(
        TOPIC,
        [FOREIGN, VIEW.record(at_us=NOW_US), VIEW.record(at_us=NOW_US, mean=500.0), marker(3, ms=NOW_MS)],
    )
    cli.cluster.log.trim(TOPIC, 0, 1)
    cli.cluster.put(STRICT_TOPIC, [STRICT.record(at_us=NOW_US), delete(at_us=NOW_US), heartbeat(ms=NOW_MS)])
    before = decisions(cli)

    code, out, err = cli("skip", *place, *REASON)

    assert (code, out, decisions(cli)) == (1, "", before)
    assert said in err


@pytest.mark.parametrize(
    "arguments",
    [
        [TOPIC, 0, 0],
        [TOPIC, 0, 0, "--reason", "  "],
        [TOPIC, 0, *REASON],
        [*REASON],
        [TOPIC, "one", 0, *REASON],
        [TOPIC, 0, -1, *REASON],
        [TOPIC, 0, 2**63, *REASON],
        ["--schema-id", -1, *REASON],
        ["--schema-id", 2**32, *REASON],
        ["--schema-id", 77],
        [TOPIC, 0, 0, "--schema-id", 77, *REASON],
    ],
)
def test_half_a_command_is_a_usage_error(cli: Cli, arguments: list[object]) -> None:
    """Exit 64: one record or one schema id, and a reason always."""
    cli.cluster.put(TOPIC, [FOREIGN])
    before = decisions(cli)

    code, out, _ = cli("skip", *arguments)

    assert (code, out, decisions(cli)) == (64, "", before)


def test_a_refused_id_passes_all_its_records(cli: Cli) -> None:
    """`--schema-id`: final; a single record under it then holds nothing any more."""
    cli.cluster.put(TOPIC, [FOREIGN, FOREIGN], 1)
    host = Host(cli.cluster)
    host.settle()

    document = cli.json("skip", "--schema-id", 77, *REASON)

    assert document == {"format_version": 1, "decided": True, "catalog_offset": 4, "schema_id": 77}
    assert host.settle().state == "LIVE"
    assert [each.reason.rule for each in cli.cluster.letters(VIEW)] == ["refused", "refused"]
    assert cli.json("skip", "--schema-id", 77, *REASON)["decided"] is False
    code, _, err = cli("skip", TOPIC, 1, 0, *REASON)
    assert code == 1
    assert "refused by ada at catalog offset 4: INC-7: not ours" in err


def test_an_id_that_no_registry_gives_can_be_refused(cli: Cli) -> None:
    """Junk that begins with a zero byte names any of the 2^32 ids."""
    cli.cluster.put(TOPIC, [Record(b"EWR", b"\x00\xff\xff\xff\xff", NOW_MS)], 1)
    assert cli("skip", "--schema-id", 2**32 - 1, *REASON)[0] == 0

    assert Host(cli.cluster).settle().state == "LIVE"


def test_an_id_that_the_catalog_knows_is_not_refused(cli: Cli) -> None:
    """Its contract judges; the message says which, and how one record is passed."""
    before = decisions(cli)

    code, _, err = cli("skip", "--schema-id", 7, *REASON)

    assert (code, decisions(cli)) == (1, before)
    assert "delay@1.0" in err
    assert "syncline skip TOPIC PARTITION OFFSET" in err


def test_on_a_terminal_it_shows_the_record_and_asks(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a yes nothing is decided; --yes does not ask."""
    cli.cluster.put(TOPIC, [FOREIGN], 1)
    before = decisions(cli)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)

    code, out, err = cli("skip", TOPIC, 1, 0, *REASON)

    assert (code, decisions(cli)) == (1, before)
    assert "EWR" in out
    assert "77" in out
    assert "Nothing was decided" in err
    assert cli("skip", TOPIC, 1, 0, *REASON, "--yes")[0] == 0


def test_a_catalog_that_was_never_made_says_to_apply(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As every command that looks at the cluster."""
    code, _, err = Cli.on(Cluster(), monkeypatch, capsys)("skip", TOPIC, 0, 0, *REASON)

    assert code == 1
    assert "syncline apply" in err


def test_decisions_of_both_kinds_come_back_from_the_catalog(cli: Cli) -> None:
    """Ids up to 2^32 - 1 and offsets up to 2^63 - 1 survive the catalog's bytes."""
    cli.cluster.decide(SchemaRefused(2**32 - 1), RecordSkipped(TOPIC, 2**31 - 1, 2**63 - 1))

    assert decisions(cli) == 6
