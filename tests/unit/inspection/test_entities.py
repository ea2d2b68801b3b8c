"""Which entities differ: those that do, and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.catalog.events import Decision, encode_decision
from syncline.catalog.fold import Picture, fold
from syncline.inspection.entities import EntityDifference, How, buckets_to_list, entity_text, explain
from syncline.inspection.proofs import compare
from syncline.telemetry.cut_reports import PartitionProof
from tests.unit.agent.world import registration
from tests.unit.inspection.shown import OFFSET, TOPIC, Cells, bucket_of, cut, proof
from tests.unit.state.world import Version

KEYS = list({bucket_of(key): key for key in (f"K{number}".encode() for number in range(24))}.values())
"""Each in a sub-digest of its own: hashes that are made up might cancel out each other's changes."""
STATES = st.dictionaries(st.sampled_from(KEYS), st.integers(1, 2**64 - 1), min_size=3)
CELLS: Cells = {b"EWR": 11, b"LGA": 22}


def asked(*keys: bytes) -> list[tuple[str, int, int]]:
    """The sub-digests of these keys."""
    return sorted({(TOPIC, 0, bucket_of(key)) for key in keys})


def listing(agent: str, cells: Cells, *keys: bytes, kept: Cells | None = None) -> PartitionProof:
    """A proof that lists the sub-digests of these keys."""
    return proof(agent, cells, kept=kept, listed={bucket for _, _, bucket in asked(*keys)})


@given(state=STATES, data=st.data())
def test_every_planted_difference_is_named_and_nothing_else(state: Cells, data: st.DataObject) -> None:
    """Changed, missing and extra, by the two rounds that `verify --explain` makes."""
    bad = dict(state)
    planted = {}
    for key in data.draw(st.sets(st.sampled_from(KEYS), min_size=1, max_size=4)):
        if key not in state:
            bad[key], planted[key] = 7, How.EXTRA
        elif data.draw(st.booleans()):
            del bad[key]
            planted[key] = How.MISSING
        else:
            bad[key], planted[key] = state[key] ^ 1, How.CHANGED

    first = compare(cut(), [], [proof("a", state), proof("b", bad, kept=state), proof("c", state)])
    buckets = buckets_to_list(first)
    listed = {bucket for _, _, bucket in buckets}
    proofs = [
        proof("a", state, listed=listed),
        proof("b", bad, kept=state, listed=listed),
        proof("c", state, listed=listed),
    ]
    found = explain(cut(), buckets, proofs)

    assert {entity.key: entity.wrong for entity in found.entities} == {
        key: (("b", how),) for key, how in planted.items()
    }
    assert found.unnamed == ()


def test_agents_that_agree_have_nothing_to_explain() -> None:
    """No false alarm."""
    found = explain(cut(), asked(*CELLS), [listing("a", CELLS, *CELLS), listing("b", CELLS, *CELLS)])

    assert (found.entities, found.unnamed) == ((), ())


def test_of_two_agents_the_one_whose_cells_are_what_it_folded_is_right() -> None:
    """It takes no majority."""
    bad = {**CELLS, b"LGA": 23}

    found = explain(
        cut(), asked(b"LGA"), [listing("a", bad, b"LGA", kept=CELLS), listing("b", CELLS, b"LGA")]
    )

    (entity,) = found.entities
    assert (entity.key, entity.wrong) == (b"LGA", (("a", How.CHANGED),))
    assert [(side.hash, side.agents) for side in entity.sides] == [(22, ("b",)), (23, ("a",))]


def test_where_no_side_prevails_both_are_told() -> None:
    """Two agents, each of which folded what it holds."""
    found = explain(
        cut(), asked(b"LGA"), [listing("a", {**CELLS, b"LGA": 23}, b"LGA"), listing("b", CELLS, b"LGA")]
    )

    (entity,) = found.entities
    assert entity.wrong == ()
    assert {side.agents for side in entity.sides} == {("a",), ("b",)}


def test_one_agent_alone_narrows_it_down() -> None:
    """The sub-digest, and how many entities it may be."""
    found = explain(cut(), asked(b"LGA"), [listing("a", {**CELLS, b"LGA": 23}, b"LGA", kept=CELLS)])

    assert found.entities == ()
    (unnamed,) = found.unnamed
    assert (unnamed.agent, unnamed.bucket, unnamed.cells) == ("a", bucket_of(b"LGA"), 1)
    assert "no other agent" in unnamed.why


def test_a_digest_that_is_off_though_the_cells_are_right_is_explained() -> None:
    """What was changed has been written over since."""
    proofs = [listing("a", CELLS, b"LGA", kept={**CELLS, b"LGA": 23}), listing("b", CELLS, b"LGA")]

    found = explain(cut(), asked(b"LGA"), proofs)

    assert found.entities == ()
    assert [(unnamed.agent, "written over" in unnamed.why) for unnamed in found.unnamed] == [("a", True)]


def test_a_list_that_is_not_whole_is_not_compared() -> None:
    """What did not fit into a report is not missing from the store."""
    bad = {**CELLS, b"LGA": 23}
    cut_off = replace(listing("a", bad, b"LGA", kept=CELLS), cells_of=())

    found = explain(cut(), asked(b"LGA"), [cut_off, listing("b", CELLS, b"LGA"), listing("c", CELLS, b"LGA")])

    assert found.entities == ()
    assert [(unnamed.agent, "do not fit" in unnamed.why) for unnamed in found.unnamed] == [("a", True)]


def test_different_folds_are_not_compared_cell_by_cell_either() -> None:
    """promises.md: states of different folds are never compared."""
    other = replace(listing("b", {**CELLS, b"LGA": 23}, b"LGA"), fold_version=2)

    assert explain(cut(), asked(b"LGA"), [listing("a", CELLS, b"LGA"), other]).entities == ()


def test_only_as_much_is_asked_for_as_fits_into_reports() -> None:
    """Of a large partition one sub-digest, of a small one up to eight; 64 in all."""
    everything = {f"K{number}".encode(): number for number in range(2_000)}
    bad = dict.fromkeys(everything, 1)
    small = compare(cut(), [], [proof("a", everything), proof("b", bad, kept=everything)])
    large = compare(
        cut(), [], [proof("a", everything), replace(proof("b", bad, kept=everything), cells=4_000_000)]
    )
    vector = [(TOPIC, partition, OFFSET) for partition in range(20)]
    proofs = [
        proof(agent, cells, kept=everything, place=place)
        for place in vector
        for agent, cells in (("a", everything), ("b", bad))
    ]

    assert len(buckets_to_list(small)) == 8
    assert len(buckets_to_list(large)) == 1
    assert len(buckets_to_list(compare(cut(*vector), [], proofs))) == 64


@pytest.mark.parametrize(
    ("key", "text"),
    [(b"EWR", "airport=EWR"), (b"\xff\x00", '"\\\\xff\\u0000"')],
)
def test_entities_are_written_with_their_join_keys(key: bytes, text: str) -> None:
    """As people write them; a key that is no entity's is shown as it stands."""
    version = Version.make(7)
    decision = Decision("id", 1, "ada", "because", 0, registration(version))
    picture = fold(Picture(), [(0, encode_decision(decision))])

    assert entity_text(picture, version.contract.topic, key) == text
    assert entity_text(Picture(), version.contract.topic, b"EWR") == '"EWR"'


def test_differences_are_sorted_by_place_and_key() -> None:
    """Whatever the order of the reports."""
    bad = {**CELLS, b"EWR": 1, b"LGA": 2}

    found = explain(
        cut(), asked(*CELLS), [listing("b", bad, *CELLS, kept=CELLS), listing("a", CELLS, *CELLS)]
    )

    assert [entity.key for entity in found.entities] == [b"EWR", b"LGA"]
    assert all(isinstance(entity, EntityDifference) for entity in found.entities)
