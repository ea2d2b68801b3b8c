"""`syncline dlq`: what is listed, what is published again, and what is not."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from syncline.catalog.events import SchemaRefused
from syncline.cli.dlq import dlq
from syncline.ports.log import OutcomeKind
from syncline.state.cell import unpack_cell
from syncline.wire.framing import prefix as framing
from syncline.wire.keys import encode_key, partition_for
from tests.unit.agent.world import Cluster, Host, digests, registration, release, subscription
from tests.unit.cli.cluster import Cli, letter
from tests.unit.state.reference import FLAWS
from tests.unit.state.world import NOW_MS, Record, Version, delete, marker

PARTITIONS = 2
VIEW = Version.make(7, partitions=PARTITIONS)
NEXT = Version.make(9, version="1.1.0", partitions=PARTITIONS, extra=True)
STRICT = Version.make(20, view="strict", on_violation="halt")
LAX = Version.make(21, view="lax", on_violation="observe")
TOPIC, DLQ = VIEW.contract.topic, f"{VIEW.contract.topic}.dlq"
NOW_US = NOW_MS * 1_000


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A command line on a cluster with four views' versions."""
    cluster = Cluster()
    cluster.make_topics(VIEW, STRICT, LAX)
    for version in (VIEW, NEXT, STRICT, LAX):
        cluster.decide(registration(version))
    return Cli.on(cluster, monkeypatch, capsys)


def stands(cli: Cli, topic: str = TOPIC) -> list[tuple[bytes | None, bytes | None, Any]]:
    """All that stands in a topic."""
    described = cli.cluster.log.describe_topic(topic)
    assert described is not None
    return [
        (record.key, record.value, tuple(record.headers))
        for partition in range(described.partitions)
        for record in cli.cluster.read(topic, partition)
    ]


def good(airport: str = "EWR", *, number: int = 0, **values: Any) -> Record:
    """A record that an agent would apply now."""
    return VIEW.record(airport, at_us=NOW_US + number, **values)


def test_copies_of_replicas_count_once_and_one_written_by_hand_hides_none(cli: Cli) -> None:
    """The same record of the same place with the same bytes is a copy; anything else is a letter of its own."""
    forged = letter(VIEW, good(mean=1.0), offset=4)
    copies = [letter(VIEW, good(mean=500.0), offset=4, agent=agent) for agent in ("a", "b", "b")]
    cli.cluster.put(DLQ, [forged, *copies, letter(VIEW, good(mean=500.0), offset=5)])

    document = cli.json("dlq", "list")

    assert document["count"] == 3
    assert sorted(each["id"] for each in document["dead_letters"]) == ["0:4", "0:4", "0:5"]
    assert len(cli.json("dlq", "show", TOPIC, "0:4")["dead_letters"]) == 2


def test_the_newest_are_listed_and_all_are_counted(cli: Cli) -> None:
    """A bounded list beside exact counts by group."""
    records = [letter(VIEW, good(number=number * 1_000), offset=number) for number in range(20)]
    cli.cluster.put(DLQ, [*records, letter(VIEW, good(), offset=99, rule="minimum")])

    document = cli.json("dlq", "list", "delay@1", "--limit", "3")

    assert document["count"] == 21
    assert [(each["rule"], each["count"]) for each in document["groups"]] == [("maximum", 20), ("minimum", 1)]
    assert [each["id"] for each in document["dead_letters"]] == ["0:19", "0:18", "0:17"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--rule", "maximum"], {"0:0", "0:1"}),
        (["--feature", "count"], {"0:2"}),
        (["--view-version", "1.1"], {"0:1"}),
        (["--view-version", "delay@1.0"], {"0:0", "0:2"}),
        (["--since", "2023-11-14T22:13:21Z"], {"0:1", "0:2"}),
        (["--until", "2023-11-14T22:13:21.5+00:00"], {"0:0", "0:1"}),
        (["--since", "3 h ago"], set()),
        (["--until", "3 h"], {"0:0", "0:1", "0:2"}),
        (["--id", "0:0", "--id", "0:2"], {"0:0", "0:2"}),
        (["--rule", "maximum", "--view-version", "1.1"], {"0:1"}),
    ],
)
def test_filters_narrow_what_is_listed_and_what_would_be_replayed(
    cli: Cli, options: list[str], found: set[str]
) -> None:
    """By rule, feature, version, time (RFC 3339, or how long ago) and name; all of them must hold."""
    cli.cluster.put(
        DLQ,
        [
            letter(VIEW, VIEW.record(at_us=NOW_US), offset=0),
            letter(VIEW, VIEW.record(at_us=NOW_US + 1_500_000), offset=1, reference="delay@1.1"),
            letter(VIEW, VIEW.record(at_us=NOW_US + 2_500_000), offset=2, rule="minimum", feature="count"),
        ],
    )

    listed = cli.json("dlq", "list", TOPIC, *options)["dead_letters"]
    replayed = cli.json("dlq", "replay", TOPIC, *options)["letters"]

    assert {each["id"] for each in listed} == found
    assert {each["id"] for each in replayed} == found


@pytest.mark.parametrize(
    "options",
    [
        ["--since", "yesterday"],
        ["--since", "2023-11-14T22:13:21"],
        ["--until", "-2 h"],
        ["--id", "garbage"],
        ["--id", "-1:5"],
        ["--id", "0:99999999999999999999"],
        ["--id", ""],
    ],
)
def test_filters_that_mean_nothing_are_a_usage_error(cli: Cli, options: list[str]) -> None:
    """Exit 64 with what is wanted instead, before anything is read."""
    code, out, err = cli("dlq", "replay", TOPIC, *options)

    assert (code, out) == (64, "")
    assert "syncline dlq list" in err or "RFC 3339" in err or "2026-11-23T03:00:00Z" in err


def test_a_period_that_ends_before_it_begins_is_a_usage_error(cli: Cli) -> None:
    """Nobody is told that there are no dead letters because two options were exchanged."""
    code, out, err = cli("dlq", "list", TOPIC, "--since", "2 h", "--until", "3 h")

    assert (code, out) == (64, "")
    assert "exchange them" in err


def test_each_remedy_is_said_once_and_is_one_that_helps(cli: Cli) -> None:
    """Rules that a MINOR can widen stand together; what no MINOR can allow says so, and nothing is offered in vain."""
    rows = [good(mean=500.0), good(mean=-500.0), good(mean=float("nan"))]
    cli.cluster.put(DLQ, [letter(VIEW, each, offset=number) for number, each in enumerate(rows)])

    code, out, err = cli("dlq", "replay", "delay")

    assert code == 0
    assert "Nothing was published. No letter would be applied." in out
    assert err.count("--allow-widening") == 1
    assert "finite (1): no MINOR can allow it" in err

    assert "Nothing was published: no letter would be applied." in cli("dlq", "replay", "delay", "--yes")[1]


def test_a_name_that_no_version_has_is_told_from_an_unknown_schema(cli: Cli) -> None:
    """Both break a rule called `unknown`; the remedy for a feature's name is a version that has it."""
    row = json.dumps({"airport": "EWR", "event_time": NOW_US, "mean": 2.5, "other": 1})
    original = Record(b"EWR", row.encode(), NOW_MS, (("content-type", b"application/json"),))
    cli.cluster.put(DLQ, [letter(VIEW, original, offset=-1, partition=-1, rule="unknown")])

    (group,) = cli.json("dlq", "replay", TOPIC, "--as", "1.0")["groups"]

    assert (group["rule"], group["outcome"]) == ("unknown", "still breaks")
    assert "has the feature" in group["remedy"]


def test_without_yes_nothing_is_published(cli: Cli) -> None:
    """A dry run first: it says what would be applied, and what to do about the rest."""
    cli.cluster.put(DLQ, [letter(VIEW, good(), offset=0), letter(VIEW, good(mean=500.0), offset=1)])

    code, out, err = cli("dlq", "replay", "delay")

    assert code == 0
    assert stands(cli) == []
    assert "Nothing was published. 1 letter would be applied" in out
    assert "--as VERSION" in err


def test_what_would_be_applied_is_published_as_it_was(cli: Cli) -> None:
    """Key, bytes and headers of the original, without ours; in its key's partition, wherever it stood before."""
    kept = (("traceparent", b"00-1-2-01"), ("twice", b"1"), ("twice", None))
    airports = [f"A{number}" for number in range(6)]
    records = [VIEW.record(name, at_us=NOW_US) for name in airports]
    records = [Record(each.key, each.value, each.ms, kept) for each in records]
    cli.cluster.put(
        DLQ, [letter(VIEW, each, offset=number, partition=0) for number, each in enumerate(records)]
    )

    document = cli.json("dlq", "replay", TOPIC, "--yes")

    assert (document["dry_run"], document["sent"], document["failed"]) == (False, 6, [])
    assert sorted(stands(cli)) == sorted((each.key, each.value, kept) for each in records)
    for partition in range(PARTITIONS):
        keys = [record.key for record in cli.cluster.read(TOPIC, partition)]
        assert keys
        assert {partition_for(key, PARTITIONS) for key in keys} == {partition}


def test_a_delete_is_replayed_with_its_time(cli: Cli) -> None:
    """Its event time is the `ce_time` header, which stays."""
    gone = delete(at_us=NOW_US)
    cli.cluster.put(DLQ, [letter(VIEW, gone, rule="partition", feature="")])

    cli.json("dlq", "replay", TOPIC, "--yes")

    assert stands(cli) == [(gone.key, None, gone.headers)]


def test_every_kind_of_bad_record_still_breaks_and_none_is_published(cli: Cli) -> None:
    """Each with the rule that it breaks now, and what to do instead."""
    records = [FLAWS[name](VIEW, "EWR", encode_key(["EWR"]), NOW_US, NOW_MS) for name in FLAWS]
    ahead = VIEW.record(at_us=time.time_ns() // 1_000 + 3_600 * 10**6)
    unknown = Record(b"EWR", framing(2**32 - 1) + b"x", NOW_MS)
    foreign = Record(b"EWR", STRICT.value(at_us=NOW_US), NOW_MS)
    control = marker(7, ms=NOW_MS)
    everything = [*records, ahead, unknown, foreign, control]
    cli.cluster.put(DLQ, [letter(VIEW, each, offset=number) for number, each in enumerate(everything)])

    document = cli.json("dlq", "replay", TOPIC, "--yes")

    assert (document["would_be_applied"], document["sent"]) == (0, 0)
    assert stands(cli) == []
    rules = {each["id"]: each["rule"] for each in document["letters"]}
    count = len(records)
    assert [rules[f"0:{count + number}"] for number in range(4)] == ["ahead", "unknown", "schema", "control"]
    assert all(each["remedy"] for each in document["groups"])
    assert {each["rule"]: each["outcome"] for each in document["groups"]}[
        "unknown"
    ] == "would hold its partition"


def test_a_letter_under_halt_would_hold_and_each_has_its_verdict(cli: Cli) -> None:
    """A view that halts is not stopped by its own replay: the good ones go, the others are named."""
    rows = [STRICT.record(at_us=NOW_US + number, mean=500.0 if number % 2 else 1.0) for number in range(6)]
    cli.cluster.put(
        f"{STRICT.contract.topic}.dlq",
        [letter(STRICT, each, offset=number, rule="skipped") for number, each in enumerate(rows)],
    )

    document = cli.json("dlq", "replay", "strict", "--yes")

    assert (document["sent"], document["still_broken"]) == (3, 3)
    outcomes = {each["id"]: each["outcome"] for each in document["letters"]}
    assert [outcomes[f"0:{number}"] for number in (0, 1)] == ["would be applied", "would hold its partition"]
    assert len(stands(cli, STRICT.contract.topic)) == 3


def test_under_observe_what_would_be_served_invalid_is_said(cli: Cli) -> None:
    """A publisher's letter may break a rule that agents let pass."""
    row = LAX.record(at_us=NOW_US, mean=500.0)
    cli.cluster.put(f"{LAX.contract.topic}.dlq", [letter(LAX, row, offset=-1, partition=-1)])

    (told,) = cli.json("dlq", "replay", "lax")["letters"]

    assert told["outcome"] == "would be applied, in part INVALID"
    assert "mean: maximum" in told["message"]


def test_a_row_is_written_anew_under_another_version(cli: Cli) -> None:
    """`--as`: decoded under its own schema, defaults added, checked, encoded under the version asked for."""
    wide = Version.make(9, version="1.1.0", partitions=PARTITIONS, extra=True)
    row = good("JFK", mean=42.0)
    cli.cluster.put(DLQ, [letter(VIEW, row, offset=3)])

    document = cli.json("dlq", "replay", TOPIC, "--as", "1.1", "--yes")

    assert document["sent"] == 1
    body = wide.body("JFK", at_us=NOW_US, mean=42.0, extra=None)
    assert stands(cli) == [(b"JFK", framing(9) + body, ())]
    (told,) = cli.json("dlq", "replay", TOPIC, "--as", "1.1")["letters"]
    assert told["outcome"] == "would be applied"


def test_what_breaks_the_other_version_too_is_not_written_anew(cli: Cli) -> None:
    """With every rule that it breaks there; bytes that cannot be read are told as that."""
    cli.cluster.put(
        DLQ,
        [
            letter(VIEW, good(mean=500.0, count=2_000), offset=0),
            letter(VIEW, Record(b"EWR", b"junk!", NOW_MS), offset=1),
            letter(NEXT, NEXT.record(at_us=NOW_US, extra="x"), offset=2),
            letter(VIEW, Record(b"EWR", framing(20) + b"x", NOW_MS), offset=3),
        ],
    )

    newer = {
        each["id"]: each for each in cli.json("dlq", "replay", TOPIC, "--as", "delay@1.1", "--yes")["letters"]
    }
    older = {each["id"]: each for each in cli.json("dlq", "replay", TOPIC, "--as", "1.0")["letters"]}

    assert [newer[f"0:{number}"]["rule"] for number in range(4)] == [
        "maximum",
        "unreadable",
        "",
        "unreadable",
    ]
    assert newer["0:0"]["message"].count("maximum") == 2
    assert older["0:2"]["rule"] == "unknown"
    assert len(stands(cli)) == 1


@pytest.mark.parametrize("version", ["2.0", "1.9", "strict@1.0", "newest", "1", ""])
def test_a_version_that_there_is_not_is_refused(cli: Cli, version: str) -> None:
    """Only registered versions of the same MAJOR can carry the row."""
    cli.cluster.put(DLQ, [letter(VIEW, good(), offset=0)])

    code, out, err = cli("dlq", "replay", TOPIC, "--as", version, "--yes")

    assert (code, out, stands(cli)) == (1, "", [])
    assert "1.0" in err or "1.1" in err


def test_as_is_for_one_topic(cli: Cli) -> None:
    """A version belongs to one view."""
    code, _, err = cli("dlq", "replay", "--as", "1.0")

    assert code == 1
    assert "Name one of them" in err


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"airport": "EWR", "event_time": NOW_US, "mean": 2.5, "count": 1}, ""),
        ({"airport": "EWR", "event_time": NOW_US, "mean": 2}, ""),
        ({"airport": "EWR", "event_time": NOW_US, "mean": None}, "null"),
        ({"airport": "EWR", "event_time": NOW_US, "mean": float("nan")}, "finite"),
        ({"airport": "JFK", "event_time": NOW_US, "mean": 2.5}, "key"),
        ({"airport": "EWR", "event_time": "2023-11-14T22:13:20Z", "mean": 2.5}, ""),
        ({"airport": "EWR", "event_time": "2023-11-14T22:13:20", "mean": 2.5}, "type"),
        ({"airport": "EWR", "event_time": NOW_US, "mean": "nan"}, "finite"),
        ({"airport": "EWR", "event_time": NOW_US, "mean": "2.5"}, "type"),
        ({"airport": "EWR", "event_time": NOW_US, "mean": 2.5, "other": 1}, "unknown"),
        ({"airport": "EWR", "event_time": None, "mean": 2.5}, "unreadable"),
        ({"airport": "EWR", "mean": 2.5}, "unreadable"),
        ({"airport": "EWR", "event_time": "noon", "mean": 2.5}, "type"),
        ([1, 2], "unreadable"),
        ("{", "unreadable"),
        ("[" * 100_000, "unreadable"),
    ],
)
def test_a_publishers_json_can_be_replayed_once_a_version_carries_it(cli: Cli, row: Any, rule: str) -> None:
    """A row without an Avro form waits for `--as`; without an event time it never can."""
    text = row if isinstance(row, str) else json.dumps(row)
    original = Record(b"EWR", text.encode(), NOW_MS, (("content-type", b"application/json"), ("mine", b"1")))
    cli.cluster.put(DLQ, [letter(VIEW, original, offset=-1, partition=-1, rule="type")])

    (as_it_is,) = cli.json("dlq", "replay", TOPIC)["letters"]
    (anew,) = cli.json("dlq", "replay", TOPIC, "--as", "1.0", "--yes")["letters"]

    assert (as_it_is["id"], as_it_is["rule"]) == ("dlq:0:0", "json")
    assert anew["rule"] == rule
    if not rule:
        count = row.get("count")
        body = VIEW.body(at_us=NOW_US, mean=row["mean"], count=count)
        assert stands(cli) == [(b"EWR", framing(7) + body, (("mine", b"1"),))]
    else:
        assert stands(cli) == []


def test_a_refused_id_stays_refused_and_a_skipped_record_may_be_replayed(cli: Cli) -> None:
    """A skip names an offset: once the id is known, the record may come again. A refusal is for good."""
    cli.cluster.decide(SchemaRefused(77))
    cli.cluster.put(
        DLQ,
        [
            letter(VIEW, Record(b"EWR", framing(77) + b"x", NOW_MS), offset=0, rule="refused"),
            letter(VIEW, NEXT.record(at_us=NOW_US), offset=1, rule="skipped"),
        ],
    )

    told = {each["id"]: each for each in cli.json("dlq", "replay", TOPIC)["letters"]}

    assert (told["0:0"]["outcome"], told["0:0"]["rule"]) == ("still breaks", "refused")
    assert told["0:1"]["outcome"] == "would be applied"


def test_headers_that_lie_choose_neither_topic_nor_partition(cli: Cli) -> None:
    """Replay writes only to the topic that the dead letter topic belongs to, whatever the letter says."""
    strict = STRICT.contract.topic
    liars = [
        letter(VIEW, good("A1"), topic=strict, offset=3),
        letter(VIEW, good("A2"), topic="../etc", offset=10**17),
        letter(VIEW, good("A3"), partition=-1, offset=5),
        letter(VIEW, good("A4"), partition=10**9, offset=10**17),
        letter(VIEW, Record(b"A5", STRICT.value("A5", at_us=NOW_US), NOW_MS), topic=strict),
    ]
    beyond = [
        (name, b"%d" % 2**63 if name == "__connect.errors.offset" else value)
        for name, value in letter(VIEW, good("A6")).headers
    ]
    by_hand = [
        Record(b"x", b"hello", NOW_MS),
        Record(None, None, NOW_MS),
        Record(b"A6", b"", NOW_MS, tuple(beyond)),
    ]
    cli.cluster.put(DLQ, [*liars, *by_hand])

    listed = cli.json("dlq", "list")
    document = cli.json("dlq", "replay", TOPIC, "--yes")

    assert (listed["count"], listed["no_letters"]) == (5, 3)
    assert {each["topic"] for each in listed["dead_letters"]} == {TOPIC}
    assert {each.get("claimed_topic") for each in listed["dead_letters"]} == {None, strict, "../etc"}
    assert (document["sent"], document["still_broken"]) == (4, 1)
    assert sorted(key for key, _, _ in stands(cli)) == [b"A1", b"A2", b"A3", b"A4"]
    assert stands(cli, strict) == []


def test_names_that_are_not_there_are_told(cli: Cli) -> None:
    """Exit 1 names them; what is there is replayed all the same."""
    cli.cluster.put(DLQ, [letter(VIEW, good(), offset=4)])

    code, _, err = cli("dlq", "replay", TOPIC, "--id", "0:4", "--id", "0:5", "--id", "dlq:0:9", "--yes")

    assert code == 1
    assert "there is no dead letter 0:5, dlq:0:9" in err
    assert len(stands(cli)) == 1


@pytest.mark.parametrize("kind", [OutcomeKind.FAILED, OutcomeKind.UNKNOWN])
def test_what_is_not_acknowledged_is_named_and_exits_1(cli: Cli, kind: OutcomeKind) -> None:
    """P1: an unknown outcome is no success; running again is harmless."""
    cli.cluster.put(DLQ, [letter(VIEW, good(f"A{number}"), offset=number) for number in range(3)])
    cli.cluster.log.fail_next_appends(2, kind)

    code, out, err = cli("dlq", "replay", TOPIC, "--yes")

    assert code == 1
    assert "Published 1 letter" in out
    assert f"{TOPIC} 0:0 was not acknowledged" in err
    assert f"{TOPIC} 0:1 was not acknowledged" in err
    assert cli("dlq", "replay", TOPIC, "--yes")[0] == 0


def test_an_empty_topic_and_a_missing_one(cli: Cli) -> None:
    """Nothing to do is no failure; a topic that is not there is."""
    assert cli.json("dlq", "replay", TOPIC, "--yes")["count"] == 0
    code, out, _ = cli("dlq", "list", TOPIC)
    assert (code, out) == (0, "No dead letters.\n")
    assert cli("dlq", "list", TOPIC, "--rule", "itemmaximum")[:2] == (0, "No dead letters match.\n")

    cli.cluster.log.delete_topic(DLQ)

    code, _, err = cli("dlq", "replay", TOPIC)
    assert code == 1
    assert "there is no topic" in err


@pytest.mark.untraced
def test_thirty_thousand_letters_are_judged_in_one_go(cli: Cli) -> None:
    """Counted exactly, and only a few of them kept."""
    fine, broken = letter(VIEW, good("A1")), letter(VIEW, good("A1", mean=500.0))
    at = next(number for number, (name, _) in enumerate(fine.headers) if name == "__connect.errors.offset")

    def numbered(record: Record, offset: int) -> Record:
        headers = list(record.headers)
        headers[at] = (headers[at][0], b"%d" % offset)
        return Record(record.key, record.value, record.ms, tuple(headers))

    cli.cluster.put(DLQ, (numbered(fine if offset % 4 else broken, offset) for offset in range(30_000)))

    document = cli.json("dlq", "replay", TOPIC, "--limit", "0")
    listed = cli.json("dlq", "list", TOPIC, "--limit", "1")

    assert (document["count"], document["would_be_applied"]) == (30_000, 22_500)
    assert document["letters"] == []
    assert (listed["count"], len(listed["dead_letters"])) == (30_000, 1)


def test_any_number_of_invented_rules_keeps_the_list_bounded(cli: Cli) -> None:
    """Whoever writes headers by hand cannot fill the memory with groups."""
    cli.cluster.put(
        DLQ, [letter(VIEW, good(), offset=number, rule=f"rule-{number}") for number in range(1_200)]
    )

    document = cli.json("dlq", "list", "--limit", "1")

    assert (document["count"], len(document["groups"])) == (1_200, 1_001)
    assert document["groups"][0]["rule"] == "(others)"
    assert document["groups"][0]["count"] == 200


def test_replaying_twice_leaves_the_agents_where_once_did(cli: Cli) -> None:
    """P2, P8: the fold is idempotent, an older event never buries a newer one, and two agents stay equal."""
    cli.cluster.decide(release(VIEW), subscription())
    home = partition_for(b"EWR", PARTITIONS)
    newer, older = good(number=1_000, mean=9.0), good(number=0, mean=1.0)
    cli.cluster.put(TOPIC, [newer], home)
    cli.cluster.put(TOPIC, [older, VIEW.record("EWR", at_us=NOW_US + 2_000, mean=500.0)], 1 - home)
    host = Host(cli.cluster)
    host.settle()
    assert len(cli.cluster.letters(VIEW)) == 2
    held = [each.digest for each in host.agent.status().partitions]

    for _ in range(2):
        document = cli.json("dlq", "replay", TOPIC, "--yes")
        assert (document["sent"], document["still_broken"]) == (1, 1)
        assert [each.digest for each in host.settle().partitions] == held

    assert digests(Host(cli.cluster, instance="b").settle()) == digests(host.agent.status())
    with host.store.snapshot() as snapshot:
        cell = unpack_cell(b"EWR", snapshot.cell(TOPIC, home, b"EWR"))
    assert cell.event_time_us == NOW_US + 1_000


def test_times_of_no_calendar_are_shown_as_numbers(cli: Cli) -> None:
    """A letter whose time header lies is listed all the same."""
    odd = Record(b"EWR", VIEW.value(at_us=NOW_US), 10**17)
    forged = letter(VIEW, odd, offset=1)
    cli.cluster.put(DLQ, [forged])

    (told,) = cli.json("dlq", "list")["dead_letters"]

    assert told["time"] == f"{10**17} ms"


def test_the_subcommands_and_their_options() -> None:
    """Names of commands and options, which people write into runbooks."""
    filters = {"--rule", "--feature", "--view-version", "--since", "--until", "--id", "--limit"}
    connection = {"--bootstrap-servers", "--registry", "--prefix", "--output"}
    found = {
        name: {option for one in command.params for option in one.opts if option.startswith("--")}
        - connection
        for name, command in dlq.commands.items()
    }

    assert found == {"list": filters, "show": set(), "replay": filters | {"--as", "--yes"}}
