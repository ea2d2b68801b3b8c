"""Planted passwords, values and keys: where they may be read, and that they are nowhere else."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from syncline.adapters.kafka.log import KafkaLog
from syncline.cli.main import run
from syncline.contracts.codec.encode import Encoder
from syncline.errors import ContractViolation
from syncline.publisher.view import ViewPublisher
from syncline.wire.framing import prefix as framing
from syncline.wire.topics import Topics
from syncline.wiring import Publisher
from tests.integration.otlp_sink import Sink, sink
from tests.integration.telemetry_world import CONSUMER, Flights, awaited
from tests.stack.ports import free_port
from tests.stack.stack import Stack

pytestmark = pytest.mark.real

PASSWORD, TOKEN = "canary-password-5b1f", "canary-token-77aa"
SECRETS = {
    # With librdkafka's own account of its settings.
    "SYNCLINE_CLIENT": json.dumps(
        {"sasl.username": "u", "sasl.password": PASSWORD, "debug": "conf,security"}
    ),
    "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{TOKEN}",
}
CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: VIEW
name: VIEW
version: 1.0.0
status: active
team: {name: ward}
description: {purpose: For tests., usage: None., limitations: None.}
schema:
  - name: VIEW
    logicalType: object
    physicalType: topic
    quality:
      - {type: custom, engine: cel, name: steady, implementation: "age < 100 || score < 1000.0"}
    properties:
      - {name: patient, logicalType: string, required: true, primaryKey: true}
      - {name: event_time, logicalType: timestamp, required: true}
      - name: score
        logicalType: number
        required: true
        logicalTypeOptions: {maximum: 5000}
        customProperties: &redacted [{property: syncline.redact, value: true}]
      - name: note
        logicalType: string
        required: true
        logicalTypeOptions: {pattern: "^hidden-", maxLength: 60}
        customProperties: *redacted
      - name: visits
        logicalType: integer
        physicalType: int
        required: true
        logicalTypeOptions: {maximum: 1000000}
        customProperties: *redacted
      - name: doses
        logicalType: map
        required: true
        map:
          key: {logicalType: string}
          value: {logicalType: integer, physicalType: int, logicalTypeOptions: {maximum: 1000000}}
        customProperties: *redacted
      - name: codes
        logicalType: array
        required: true
        items: {logicalType: string, logicalTypeOptions: {maxLength: 30}}
        customProperties: *redacted
      - name: age
        logicalType: integer
        physicalType: int
        required: true
        logicalTypeOptions: {maximum: 1000000}
      - name: ward
        logicalType: string
        required: true
        logicalTypeOptions: {maxLength: 30}
slaProperties:
  - {property: retention, value: 7, unit: d}
customProperties:
  - {property: syncline.partitions, value: 1}
  - {property: syncline.onViolation, value: ACTION}
"""
VIEWS = {"letters": "deadLetter", "observed": "observe", "halting": "halt"}
BUNDLE = """
apiVersion: syncline/v1
kind: Bundle
name: wards
owner: ward
features:
  - {view: letters@1}
  - {view: observed@1}
  - {view: halting@1}
"""
SUBSCRIPTION = """
apiVersion: syncline/v1
kind: Subscription
name: delay-predictor
bundle: wards
policy: follow
"""
PARENT = b"00-" + b"a1" * 16 + b"-" + b"b2" * 8 + b"-01"
KEY = "keykeykey-4711"
FINE = {
    "score": 17.1717171,
    "note": "hidden-qwertz",
    "visits": 171_717,
    "doses": {"dosedose": 181_818},
    "codes": ["codecode"],
    "age": 71,
    "ward": "wardward",
}
BROKEN: tuple[Mapping[str, Any], ...] = (
    {"score": 98_765.4321},
    {"note": "shown-yxcvb"},
    {"note": "hidden-" + "uiop" * 20},
    {"visits": 9_191_919},
    {"doses": {"dosedose": 9_282_828}},
    {"codes": ["lang" * 20]},
    {"score": 2_345.6789, "age": 737_373},
    {"ward": "plainplain" * 4},
    {"age": 9_474_747},
)
"""What breaks the contract, a row each: of redacted features but for the last two; one rule names one of each kind."""
REDACTED_TEXTS = ("qwertz", "yxcvb", "uiopuiop", "dosedose", "codecode", "langlang")
REDACTED_NUMBERS = (
    "17.1717171",
    "98765.4321",
    "171717",
    "181818",
    "9191919",
    "9282828",
    "2345.6789",
    "8484848484",
)
PLAIN = ("737373", "9474747", "plainplain", "wardward")
BEYOND_32_BITS = 8_484_848_484


@dataclass
class Wards(Flights):
    """Three views of one contract, which differ in what becomes of rows that break it."""

    def __post_init__(self) -> None:
        """Apply the definitions."""
        folder = self.folder / "wards"
        for name, text in {
            **{
                f"contracts/{view}.odcs.yaml": CONTRACT.replace("VIEW", view).replace("ACTION", action)
                for view, action in VIEWS.items()
            },
            "bundles/wards.yaml": BUNDLE,
            "subscriptions/predictor.yaml": SUBSCRIPTION,
        }.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.log = KafkaLog(self.stack.bootstrap_servers)
        self.topics = Topics(self.prefix)
        assert "Traceback" not in self.cli("apply", str(folder), "--reason", "tests")

    def cli(self, *arguments: str) -> str:
        """All that a command says, in this process: a score of interpreters would take longer than all else."""
        said = io.StringIO()
        with (
            self.as_role("cli", NO_COLOR="1", **SECRETS),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            run(arguments)
        return said.getvalue()


@dataclass
class Told:
    """Everything that anybody said, by where it was read."""

    by_place: dict[str, str] = field(default_factory=dict)

    def places(self, needles: Iterable[str], *, apart_from: tuple[str, ...] = ()) -> dict[str, list[str]]:
        """Needle → where it stands, as it is, or as hexadecimal digits of its bytes."""
        found = {}
        for needle in needles:
            where = [
                place
                for place, text in self.by_place.items()
                if not place.startswith(apart_from)
                and any(form in text for form in (needle, needle.encode().hex()))
            ]
            if where:
                found[needle] = where
        return found


@pytest.fixture(scope="module")
def told(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Every role at its most talkative has met rows of every kind, and every command that shows any was asked."""
    with sink() as arrived:
        wards = Wards(stack, arrived, f"wards-{uuid4().hex[:8]}", tmp_path_factory.mktemp("wards"))  # type: ignore[arg-type]  # it has an address
        return _told(wards, arrived)


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {record.getMessage()}")


@contextlib.contextmanager
def _all_logs() -> Iterator[list[str]]:
    handler, root = _Lines(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield handler.lines
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def _told(wards: Wards, arrived: Sink) -> Told:
    told, registry = Told(), CollectorRegistry()
    ports = {"agent": free_port(), "coordinator": free_port()}
    store = wards.folder / "store"
    talkative = ("--log-level", "debug")
    with (
        _all_logs() as lines,
        wards.running(
            "agent",
            ("agent", "--subscription", CONSUMER, "--store", str(store), "--instance", "a", *talkative),
            SYNCLINE_METRICS=f"127.0.0.1:{ports['agent']}",
            **SECRETS,
        ) as agent,
        wards.running(
            "coordinator",
            ("coordinator", "--name", "c", *talkative),
            SYNCLINE_METRICS=f"127.0.0.1:{ports['coordinator']}",
            **SECRETS,
        ),
        wards.reader() as reader,
        wards.as_role("publisher", **SECRETS),
    ):
        for name in ("raise", "observe", "deadLetter"):
            with Publisher.from_env(registry=registry, publisher=f"p-{name}", on_violation=name) as publisher:
                for view in VIEWS:
                    if (name, view) != ("observe", "halting"):  # it would hold what else is to come
                        _publish(publisher.view(view), told, careful=name == "raise")
                with publisher.source("monitor"), publisher.transform("mean"):
                    publisher.view("letters").publish({"patient": KEY}, FINE, event_time=now_us())
                views = {view: publisher.view(view) for view in VIEWS}
        for view in views.values():
            _write(wards, view)
        awaited(lambda: _held(ports["agent"]) == len(VIEWS), "a hold of each view")
        reader.get("wards", {"patient": KEY}, allow_not_ready=True)
        reader.get_many("wards", [{"patient": KEY}], allow_not_ready=True)
        for name, port in ports.items():
            told.by_place[f"metrics of the {name}"] = _page(port)
        told.by_place["metrics of the publishers"] = generate_latest(registry).decode()
        told.by_place["metrics of the reader"] = generate_latest(reader._watch._telemetry.registry).decode()
        _ask(wards, told)
        agent.terminate()
        assert agent.wait(15) == 0
    told.by_place["log of the publisher and the reader"] = "\n".join(lines)
    for name in ports:
        told.by_place[f"log of the {name}"] = wards.said(name)
    told.by_place["traces"] = arrived.texts()
    names = {span.name for span in arrived.spans()}
    wanted = {"check contract", f"dead letter {views['letters'].contract.topic}", "model input wards"}
    assert wanted <= names, names
    assert any(TOKEN in str(each) for each in arrived.raw.headers), "the planted token was used"
    return told


def _publish(view: ViewPublisher, told: Told, *, careful: bool) -> None:
    for broken in ({}, *BROKEN, {"score": "qwertz"}, {"doses": {"dosedose": "yxcvb"}}, {"visits": 2**70 + 1}):
        try:
            view.publish({"patient": KEY}, {**FINE, **broken}, event_time=now_us())
        except ContractViolation as error:
            text = repr(error) + str(error) + "".join(map(str, error.violations))
            place = "ContractViolation" if careful else "ContractViolation, whatever on_violation says"
            told.by_place[place] = told.by_place.get(place, "") + text


def _write(wards: Wards, view: ViewPublisher) -> None:
    """What a job without our library may write: the same rows, wrong keys, bytes that are no row; then what holds."""
    contract = view.contract
    encode, framed = Encoder(contract).encode, framing(view.schema_id)

    def value(**broken: Any) -> bytes:
        return bytes(encode({"patient": KEY, "event_time": now_us(), **FINE, **broken}, framed))

    fine = value()
    # `visits` follows the note: the same record, with a number in its place that is no `int`.
    at = fine.index(_varint(FINE["visits"]), fine.index(FINE["note"].encode()))
    beyond = fine[:at] + _varint(BEYOND_32_BITS) + fine[at + len(_varint(FINE["visits"])) :]
    halts = contract.on_violation == "halt"
    records: list[tuple[bytes | None, bytes]] = [(KEY.encode(), fine)]
    if not halts:
        records += [(KEY.encode(), value(**broken)) for broken in BROKEN]
        records += [
            (b"another-" + KEY.encode(), fine),
            (b'["' + KEY.encode() + b'"', fine),
            (b"k" * 600, fine),
            (None, fine),
            (KEY.encode(), fine[:-3]),
            (KEY.encode(), fine + b"qwertz"),
            (KEY.encode(), b"\x09" + fine),
            (KEY.encode(), beyond),
            (KEY.encode(), framing(999_999) + fine[5:]),  # this one holds its partition
        ]
    else:
        records += [
            (KEY.encode(), value(ward="plainplain" * 4, age=9_474_747)),
            (KEY.encode(), value(note="shown-yxcvb")),
        ]
    writer = wards.log.writer(client_id="theirs")
    for key, content in records:
        writer.append(contract.topic, key=key, value=content, headers=[("traceparent", PARENT)], partition=0)
    assert writer.flush(20) == 0
    writer.close(1)


def _varint(number: int) -> bytes:
    left, octets = number << 1, bytearray()
    while left > 127:
        octets.append(left & 127 | 128)
        left >>= 7
    return bytes([*octets, left])


def _ask(wards: Wards, told: Told) -> None:
    """Every command that shows anything of rows, or of settings."""
    listed = json.loads(wards.cli("dlq", "list", "--limit", "500", "--output", "json"))
    for output in ("json", "text"):
        for arguments in (
            ("status", "--partitions"),
            ("doctor", "--store", str(wards.folder / "store")),
            ("verify", "wards", "--timeout", "1 s"),
            ("catalog", "log"),
            ("lineage", "wards"),
            ("dlq", "list", "--limit", "500"),
            ("dlq", "replay", "letters"),
            ("dlq", "replay", "observed"),
        ):
            said = wards.cli(*arguments, "--output", output)
            assert len(said) > 50, (arguments, said)
            told.by_place[f"{' '.join(arguments[:2])} ({output})"] = said
        told.by_place[f"dlq show ({output})"] = "".join(
            wards.cli("dlq", "show", letter["topic"], letter["id"], "--output", output)
            for letter in listed["dead_letters"]
        )
    assert {letter["rule"] for letter in listed["dead_letters"]} >= {
        "maximum",
        "pattern",
        "key",
        "decode",
        "framing",
        "cel:steady",
        "itemMaximum",
        "itemMaxLength",
    }


def _held(port: int) -> int:
    lines = _page(port).splitlines()
    return sum(line.startswith("syncline_partition_held{") and line.endswith(" 1.0") for line in lines)


def _page(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read(), "utf-8")
    except OSError:
        return ""


def now_us() -> int:
    """This moment."""
    return time.time_ns() // 1_000


def test_no_secret_is_told_to_anyone(told: Told) -> None:
    """Neither the client's password nor the exporter's token, in traces, metrics, logs, errors, commands."""
    assert told.places((PASSWORD, TOKEN)) == {}


def test_what_is_redacted_is_told_to_nobody(told: Told) -> None:
    """Not to the job that handed it in, nor in holds, reports, logs, metrics, traces."""
    assert told.places((*REDACTED_TEXTS, *REDACTED_NUMBERS), apart_from=("dlq",)) == {}


def test_dead_letters_are_shown_without_what_is_redacted(told: Told) -> None:
    """Neither as text nor as the digits of its bytes, in whatever a row breaks: decoded, or not."""
    assert told.places((*REDACTED_TEXTS, *REDACTED_NUMBERS)) == {}


def test_values_and_keys_are_told_only_to_who_asks_for_dead_letters(told: Told) -> None:
    """And to the job that handed them in: no trace, metric or line of a log has any."""
    assert told.places((*PLAIN, KEY), apart_from=("dlq", "ContractViolation")) == {}
    assert told.places(PLAIN).keys() == set(PLAIN), "they were planted where they may be seen"
