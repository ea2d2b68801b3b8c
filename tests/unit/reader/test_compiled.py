"""What a reader has compiled once serves every release that it meets: no read waits because of a cut."""

from __future__ import annotations

from typing import Any

import pytest

from syncline.reader.compiled import Compiled
from tests.unit.reader.world import Alias, World, contract, number

DELAY = contract("airport_delay", number("delay"))
NEWER = contract("airport_delay", number("delay"), number("departures", default=0.0), version="1.1.0")


def _refuse(*_given: Any, **_named: Any) -> None:
    raise AssertionError("it is compiled already")


def test_a_cut_to_a_minor_and_back_compiles_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """P4: cells of the next MINOR were read under the old release, so its contract is known when it is switched to."""
    old, new = Alias("origin_delay", DELAY, ("origin",)), Alias("origin_delay", NEWER, ("origin",))
    world.serve(old, others=(NEWER,))
    world.put(DELAY, "EWR", delay=1.0)
    world.put(NEWER, "LGA", delay=2.0, departures=3.0)
    reader = world.reader()
    for airport in ("EWR", "LGA"):
        reader.get("flight_inputs", {"origin": airport})
    monkeypatch.setattr("syncline.reader.compiled.contract_from_document", _refuse)
    monkeypatch.setattr("syncline.reader.compiled.RowDecoder", _refuse)

    world.serve(new, others=(DELAY,), release=2)
    after = [reader.get("flight_inputs", {"origin": airport}) for airport in ("EWR", "LGA")]
    world.serve(old, others=(NEWER,), release=1)
    back = reader.get("flight_inputs", {"origin": "LGA"})

    assert [row.values["origin_delay__departures"] for row in after] == [0.0, 3.0]
    assert back.values == {"origin_delay__delay": 2.0}


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """P10: a reader that meets ever new versions does not keep them all."""
    monkeypatch.setattr("syncline.reader.compiled._KEPT_MAX", 2)
    compiled = Compiled()
    texts = [
        f'{{"type": "record", "name": "R{n}", "fields": [{{"name": "a", "type": "long"}}]}}' for n in range(9)
    ]

    for text in texts:
        assert compiled.decoder(text)(b"\x02") == {"a": 1}

    assert len(compiled._decoders) <= 2
