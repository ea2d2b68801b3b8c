"""Rows of dead letters under another version: every type there is, from Avro and from a publisher's JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from syncline.catalog.events import Decision, ViewVersionRegistered, encode_decision
from syncline.catalog.fold import Picture, fold
from syncline.contracts.codec.avro import as_registered, avro_text, contract_hash
from syncline.contracts.codec.decode_row import RowDecoder
from syncline.contracts.codec.encode import Encoder
from syncline.errors import ContractViolation, UnknownBundle, WireError
from syncline.inspection.rewriting import Rewriter, target_version
from syncline.publisher.unwritable import row_as_json
from syncline.wire.framing import prefix as framing
from tests.unit.all_types import BROKEN, canonical, flight, flight_contract

CONTRACT = flight_contract()
JSON = (("content-type", b"application/json"), ("ce_dataschema", b"old"), ("mine", b"1"))


def registered(version: str, schema_id: int) -> ViewVersionRegistered:
    """The registration of a version of the view with all types."""
    contract = flight_contract(version=version)
    return ViewVersionRegistered(
        contract.view,
        contract.version,
        contract.topic,
        json.dumps(contract.document, default=str),
        avro_text(contract),
        schema_id,
        contract_hash(contract),
        contract.owner,
        date(2027, 1, 1),
    )


OLD, NEW = registered("1.0", 5), registered("1.1", 6)


@pytest.fixture(scope="module")
def picture() -> Picture:
    """A catalog with both versions."""
    decisions = [Decision(str(n), 0, "me", "why", n, payload) for n, payload in enumerate((OLD, NEW))]
    return fold(Picture(), enumerate(encode_decision(each) for each in decisions))


def test_a_row_under_a_version_whose_union_stays_is_written_as_registered(picture: Picture) -> None:
    """`gate` was made required: its registered schema keeps the branch for null, and so do the bytes."""
    old = flight_contract()
    document = json.loads(NEW.contract)
    for each in document["schema"][0]["properties"]:
        each["required"] = each["required"] or each["name"] == "gate"
    features = tuple(replace(each, required=each.required or each.name == "gate") for each in old.features)
    stays = as_registered(replace(old, features=features), avro_text(old))
    target = replace(NEW, contract=json.dumps(document), avro_schema=avro_text(stays))

    value, _ = Rewriter(picture, OLD.topic, target).rewrite(avro(canonical(flight(gate=2), CONTRACT), 5), ())

    assert stays.union_stays == {"gate"}
    assert RowDecoder(target.avro_schema)(value[5:])["gate"] == 2


def avro(row: dict[str, Any], schema_id: int) -> bytes:
    """The framed value of a canonical row."""
    return framing(schema_id) + Encoder(CONTRACT).encode(row)


def test_avro_of_every_type_is_written_anew(picture: Picture) -> None:
    """The same row under the other version's id; headers of the old value are gone, others stay."""
    row = canonical(flight(), CONTRACT)

    value, headers = Rewriter(picture, OLD.topic, NEW).rewrite(avro(row, 5), JSON[1:])

    assert value == avro(row, 6)
    assert headers == [("mine", b"1")]


def test_json_of_every_type_is_read_back_as_it_was(picture: Picture) -> None:
    """Days and moments are text in a publisher's JSON, inside lists and maps too."""
    row = canonical(flight(), CONTRACT)

    value, headers = Rewriter(picture, OLD.topic, OLD).rewrite(row_as_json(row, CONTRACT), JSON)

    assert value == avro(row, 5)
    assert headers == [("mine", b"1")]


@pytest.mark.parametrize(("different", "broken"), BROKEN)
def test_what_breaks_the_target_is_told_rule_by_rule(
    picture: Picture, different: dict[str, Any], broken: set[tuple[str, str]]
) -> None:
    """The verdict is that of the row's own check, from Avro and from JSON alike."""
    row = canonical(flight(**different), CONTRACT)
    rewriter = Rewriter(picture, OLD.topic, NEW)

    for value, headers in ((avro(row, 5), ()), (row_as_json(row, CONTRACT), JSON)):
        with pytest.raises(ContractViolation) as caught:
            rewriter.rewrite(value, headers)
        assert {(each.feature, each.rule) for _, each in caught.value.violations} == broken


@pytest.mark.parametrize(
    "value", [b"", b"\x00\x00\x00\x00\x05", b"\x01\x00\x00\x00\x05x", framing(99) + b"x"]
)
def test_what_is_no_row_says_why(picture: Picture, value: bytes) -> None:
    """Truncated, foreign or framed otherwise: a sentence, never a crash."""
    with pytest.raises(WireError):
        Rewriter(picture, OLD.topic, NEW).rewrite(value, ())


def test_versions_are_found_by_number_or_reference(picture: Picture) -> None:
    """`1.1`, `flight@1.1`; a third number is none of the wire's business."""
    for text in ("1.1", f"{OLD.view}@1.1", "1.1.7"):
        assert target_version(picture, OLD.topic, text) == NEW
    with pytest.raises(UnknownBundle, match=r"Did you mean `1\.[01]`"):
        target_version(picture, OLD.topic, "1.2")
