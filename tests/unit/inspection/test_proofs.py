"""What agents showed of a line, compared: every divergence is found and named, and there are no false alarms."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncline.catalog.rollout_events import CutKind
from syncline.inspection.proofs import Comparison, compare
from syncline.telemetry.cut_reports import DigestAt
from tests.unit.inspection.shown import CUT, OFFSET, TOPIC, Cells, bucket_of, cut, digest, proof, reached

HASHES = st.integers(0, 2**64 - 1)
STATES = st.dictionaries(st.binary(min_size=1, max_size=6), HASHES, min_size=1, max_size=30)
CELLS: Cells = {b"EWR": 11, b"LGA": 22, b"JFK": 33}
OTHER: Cells = {**CELLS, b"LGA": 23}


def wrong(comparison: Comparison) -> list[str]:
    """Who is wrong in the one partition."""
    (place,) = comparison.places
    return [finding.agent for finding in place.wrong]


@given(state=STATES, agents=st.integers(1, 6))
def test_agents_with_the_same_state_agree(state: Cells, agents: int) -> None:
    """P2: no false alarm, whatever the state and however many there are."""
    comparison = compare(cut(), [], [proof(f"a{number}", state) for number in range(agents)])

    assert comparison.first_divergence is None
    (place,) = comparison.places
    assert (place.digest, len(place.agreeing)) == (digest(state).total, agents)
    assert comparison.compared_places == (1 if agents > 1 else 0)


@given(state=STATES, agents=st.integers(1, 5), data=st.data())
def test_a_changed_cell_is_found_wherever_it_is(state: Cells, agents: int, data: st.DataObject) -> None:
    """P2: one cell of one agent changed behind its back: that agent and that sub-digest, and nobody else."""
    key = data.draw(st.sampled_from(sorted(state)))
    victim = data.draw(st.integers(0, agents - 1))
    change = data.draw(HASHES.filter(lambda found: found != state[key]))
    proofs = [
        proof(f"a{number}", {**state, key: change} if number == victim else state, kept=state)
        for number in range(agents)
    ]

    comparison = compare(cut(), [], proofs)

    place = comparison.first_divergence
    assert place is not None
    (finding,) = place.wrong
    assert (finding.agent, finding.changed, finding.buckets) == (f"a{victim}", True, (bucket_of(key),))
    assert finding.differs == (agents > 1)
    assert len(place.agreeing) == agents - 1


@given(places=st.sets(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), min_size=1), data=st.data())
def test_the_first_divergence_is_the_first_by_topic_and_partition(
    places: set[tuple[str, int]], data: st.DataObject
) -> None:
    """However the reports came."""
    vector = sorted((topic, partition, OFFSET) for topic, partition in places)
    bad = data.draw(st.sets(st.sampled_from(vector), min_size=1))
    proofs = [
        proof(agent, OTHER if place in bad and agent == "b" else CELLS, place=place)
        for place in vector
        for agent in ("a", "b", "c")
    ]

    comparison = compare(cut(*vector), [], data.draw(st.permutations(proofs)))

    first = comparison.first_divergence
    assert first is not None
    assert (first.topic, first.partition, first.offset) == min(bad)
    assert [finding.agent for finding in first.wrong] == ["b"]


def test_most_agents_say_what_prevails() -> None:
    """Two against one, each of them having folded what it holds."""
    comparison = compare(cut(), [], [proof("a", CELLS), proof("b", OTHER), proof("c", CELLS)])

    (place,) = comparison.places
    assert (wrong(comparison), place.digest) == (["b"], digest(CELLS).total)
    assert place.wrong[0].buckets == (bucket_of(b"LGA"),)


def test_of_two_agents_neither_prevails() -> None:
    """Both have folded what they hold: both are named."""
    comparison = compare(cut(), [], [proof("a", CELLS), proof("b", OTHER)])

    (place,) = comparison.places
    assert (wrong(comparison), place.digest) == (["a", "b"], None)


def test_cells_that_are_not_what_was_folded_never_prevail() -> None:
    """Not even where more agents hold them."""
    proofs = [proof("a", OTHER, kept=CELLS), proof("b", OTHER, kept=CELLS), proof("c", CELLS)]

    comparison = compare(cut(), [], proofs)

    (place,) = comparison.places
    assert (wrong(comparison), place.digest) == (["a", "b"], digest(CELLS).total)


def test_a_digest_that_is_off_though_the_cells_are_right_is_told() -> None:
    """A changed cell that was written over leaves the digest that is kept wrong for good."""
    comparison = compare(cut(), [], [proof("a", CELLS, kept=OTHER), proof("b", CELLS)])

    (finding,) = comparison.places[0].wrong
    assert (finding.agent, finding.differs, finding.changed) == ("a", False, True)
    assert (finding.digest, finding.kept) == (digest(CELLS).total, digest(OTHER).total)


def test_a_broken_checksum_is_wrong_by_itself() -> None:
    """Even where the cells come to the digest: no reader serves that cell."""
    comparison = compare(cut(), [], [proof("a", CELLS), proof("b", CELLS, broken=(b"LGA",))])

    (finding,) = comparison.places[0].wrong
    assert (finding.agent, finding.broken, finding.differs, finding.changed) == ("b", (b"LGA",), False, False)


def test_states_of_different_folds_are_never_compared() -> None:
    """promises.md: neither a divergence nor an agreement."""
    proofs = [proof("a", CELLS), proof("b", CELLS), proof("c", OTHER, fold_version=2)]

    comparison = compare(cut(), [], proofs)

    (place,) = comparison.places
    assert comparison.first_divergence is None
    assert [finding.agent for finding in place.agreeing] == ["a", "b"]
    (alone,) = place.unproven
    assert alone.agent == "c"
    assert "fold version 2, and others have 1" in alone.why


def test_agents_of_each_fold_are_compared_with_each_other() -> None:
    """Two of each: a divergence in either is found."""
    proofs = [proof("a", CELLS), proof("b", CELLS)]
    proofs += [proof("c", CELLS, fold_version=2), proof("d", OTHER, fold_version=2)]

    assert wrong(compare(cut(), [], proofs)) == ["c", "d"]


def test_a_digest_of_the_ring_is_compared_though_nothing_was_counted() -> None:
    """An agent that was started again tells what it remembers of the marker; None is no proof."""
    remembered = reached("b", DigestAt(TOPIC, 0, OFFSET, digest(CELLS).total))
    other = reached("c", DigestAt(TOPIC, 0, OFFSET, digest(OTHER).total))
    forgotten = reached("d", DigestAt(TOPIC, 0, OFFSET, None))

    comparison = compare(cut(), [remembered, other, forgotten], [proof("a", CELLS)])

    (place,) = comparison.places
    assert wrong(comparison) == ["c"]
    assert [finding.agent for finding in place.agreeing] == ["a", "b"]
    assert place.agreeing[1].cells is None
    assert [(finding.agent, "cannot tell" in finding.why) for finding in place.unproven] == [("d", True)]


def test_only_the_marker_of_the_vector_counts() -> None:
    """A second marker of the same cut, or another cut, is another position."""
    stray = proof("b", OTHER, place=(TOPIC, 0, OFFSET + 1))
    elsewhere = proof("c", OTHER, cut=CUT + 1)

    comparison = compare(
        cut(), [reached("d", DigestAt(TOPIC, 0, OFFSET, 1), cut=CUT + 1)], [stray, elsewhere]
    )

    assert comparison.answered == frozenset()


def test_who_should_have_shown_something_is_listed_with_why() -> None:
    """Who has shown it all the same is not."""
    missing = {("a", (TOPIC, 0)): "slow", ("b", (TOPIC, 0)): "it holds"}

    comparison = compare(cut(kind=CutKind.VERSION), [], [proof("a", CELLS)], missing=missing)

    assert [(found.agent, found.why) for found in comparison.places[0].unproven] == [("b", "it holds")]
    assert comparison.unproven == {"b"}
