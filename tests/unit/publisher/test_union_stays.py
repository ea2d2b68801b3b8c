"""A MINOR that makes a feature required is written as its registered schema says: the Avro union stays."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from syncline.contracts.codec.avro import as_registered, avro_text
from syncline.contracts.codec.decode_row import RowDecoder
from syncline.contracts.model import Version
from syncline.errors import ContractViolation
from tests.unit.publisher.airport import FEATURES, airport_contract, register, row, written

PREFIX = "syncline"


@pytest.fixture
def schema(log: Any) -> str:
    """Of airport_delay@1.1, applied: `seats` may not be null any more, which 1.0 let it be."""
    first = airport_contract(PREFIX)
    document = json.loads(json.dumps(first.document).replace('"version": "1.0.0"', '"version": "1.1.0"'))
    for each in document["schema"][0]["properties"]:
        each["required"] = each["required"] or each["name"] == "seats"
    features = tuple(
        replace(feature, required=feature.required or feature.name == "seats") for feature in first.features
    )
    second = replace(first, version=Version(1, 1), features=features, document=document)
    stays = as_registered(second, avro_text(first))
    assert stays.union_stays == {"seats"}
    register(log, stays, prefix=PREFIX, schema_id=8)
    return avro_text(stays)


def test_rows_and_columns_are_written_as_the_registered_schema_says(
    log: Any, publisher: Any, schema: str
) -> None:
    """Both lanes put the union's branch before the value; who decodes by the schema gets the row back."""
    view = publisher.view("airport_delay@1.1")
    rows = [row(f"A{number}", seats=number) for number in range(2, 40)]

    view.publish({"airport": "A1"}, {**FEATURES, "seats": 1}, event_time=row()["event_time"])
    view.publish_many(pa.Table.from_pylist(rows))
    publisher.flush()

    decoder = RowDecoder(schema)
    found = [decoder(value[5:]) for value in written(log, view.contract.topic) if value]
    assert sorted(each["seats"] for each in found) == list(range(1, 40))


def test_null_is_refused_by_the_check(publisher: Any, schema: str) -> None:
    """The schema could carry it; the contract does not allow it."""
    view = publisher.view("airport_delay@1.1")

    with pytest.raises(ContractViolation, match="seats: null"):
        view.publish({"airport": "A1"}, {**FEATURES, "seats": None}, event_time=row()["event_time"])
