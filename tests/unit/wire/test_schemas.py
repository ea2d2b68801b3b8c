"""Our own schemas, and Avro's single-object encoding against the specification."""

from __future__ import annotations

import io
import json
import re
from contextlib import suppress
from pathlib import Path

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

import syncline
from syncline.errors import UnknownFormat, WireError
from syncline.wire.schemas import load_schema
from syncline.wire.single_object import Format

FOLDER = Path(syncline.__file__).parent / "schemas"
FILES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.glob("*/*.avsc"))
SMALL = {
    "type": "record",
    "name": "Small",
    "namespace": "test",
    "doc": "not in the fingerprint",
    "fields": [{"name": "a", "type": "long", "doc": "nor this"}, {"name": "b", "type": "string"}],
}
CANONICAL = (
    '{"name":"test.Small","type":"record","fields":[{"name":"a","type":"long"},{"name":"b","type":"string"}]}'
)


def rabin(text: str) -> int:
    """The 64-bit Rabin fingerprint, as the specification's pseudo-code has it, bit by bit."""
    empty = 0xC15D213AA4D7A795
    fingerprint = empty
    for byte in text.encode():
        fingerprint ^= byte
        for _ in range(8):
            fingerprint = (fingerprint >> 1) ^ (empty if fingerprint & 1 else 0)
    return fingerprint


def test_there_are_schemas() -> None:
    """The package carries them."""
    assert "catalog/envelope.avsc" in FILES
    assert "reports/agent_status.avsc" in FILES


NAMED_PARTS = ("catalog/cohort.avsc", "catalog/position.avsc")
"""What several decisions are made of, and is none by itself."""


@pytest.mark.parametrize("file", FILES)
def test_every_file_is_valid_and_used(file: str) -> None:
    """A schema that nobody loads is not the one that is written."""
    named = {f"{json.loads((FOLDER / each).read_text())['name']}": each for each in FILES}
    source = "".join(path.read_text() for path in FOLDER.parent.glob("**/*.py"))

    assert re.search(rf'"{re.escape(file)}"', source), f"{file} is not loaded by any module"
    assert (
        json.loads((FOLDER / file).read_text())["namespace"] == f"syncline.{file.split('/', maxsplit=1)[0]}"
    )
    if file != "catalog/envelope.avsc":
        fastavro.parse_schema(load_schema(*[part for part in NAMED_PARTS if part != file], file))
    else:
        parts = [each for each in FILES if each.startswith("catalog/") and each != file]
        union = fastavro.parse_schema(load_schema(*parts, file))["fields"][-1]["type"]
        assert {branch["name"].rpartition(".")[2] for branch in union} <= set(named)
        assert len(union) == len(parts) - len(NAMED_PARTS)


@given(a=st.integers(-(2**63), 2**63 - 1), b=st.text(st.characters(exclude_categories=["Cs"])))
def test_a_record_has_the_bytes_that_the_specification_says(a: int, b: str) -> None:
    """C3 01, the fingerprint of the canonical form in little-endian, the body: by an independent computation."""
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(SMALL), {"a": a, "b": b})
    encoded = Format(SMALL).encode({"a": a, "b": b})

    assert encoded == b"\xc3\x01" + rabin(CANONICAL).to_bytes(8, "little") + body.getvalue()
    assert Format(SMALL).decode(encoded) == {"a": a, "b": b}


def test_the_fingerprint_is_that_of_avros_own_test_suite() -> None:
    """The specification's shared test data: the fingerprint of the schema "int" is 8247732601305521295."""
    assert rabin('"int"') == 8_247_732_601_305_521_295
    assert int(fastavro.schema.fingerprint('"int"', "CRC-64-AVRO"), 16) == int.from_bytes(
        (8_247_732_601_305_521_295).to_bytes(8, "big"), "little"
    )


def test_an_older_version_is_read_as_the_newest() -> None:
    """A record of yesterday's program gets the defaults of today's."""
    newer = json.loads(json.dumps(SMALL))
    newer["fields"].append({"name": "c", "type": "int", "default": 7})

    old = Format(SMALL).encode({"a": 1, "b": "x"})

    assert Format(newer, older=[SMALL]).decode(old) == {"a": 1, "b": "x", "c": 7}
    with pytest.raises(UnknownFormat, match="newer Syncline"):
        Format(SMALL).decode(Format(newer).encode({"a": 1, "b": "x", "c": 7}))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good[:-1],
        lambda good: good + b"\x00",
        lambda good: good[:9],
        lambda _: b"",
        lambda _: None,
    ],
)
def test_what_is_no_record_is_refused(spoil: object) -> None:
    """Truncated, too long, cut in the head, empty or null."""
    assert callable(spoil)
    with pytest.raises((WireError, UnknownFormat)):
        Format(SMALL).decode(spoil(Format(SMALL).encode({"a": 1, "b": "x"})))


@given(data=st.binary(max_size=40), framed=st.booleans())
def test_no_bytes_raise_anything_else(data: bytes, framed: bool) -> None:
    """Junk is told from a newer program's record, and neither is a crash."""
    head = Format(SMALL).encode({"a": 1, "b": ""})[:10]
    with suppress(WireError, UnknownFormat):
        Format(SMALL).decode(head + data if framed else data)


def test_a_wrong_record_is_not_written() -> None:
    """A missing or unknown field is a fault of ours, found when it is written."""
    for record in ({"a": 1}, {"a": 1, "b": "x", "c": 2}, {"a": "1", "b": "x"}):
        with pytest.raises((ValueError, TypeError, KeyError)):
            Format(SMALL).encode(record)
