"""Agents that passed the same cut are compared: whoever differs is named, once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncline.rollout.digest_watch import _CUTS_MAX, DigestWatch

PLACES = [("t", 0, 5), ("t", 1, 7), ("u", 0, 5)]
DIGESTS = st.lists(st.tuples(st.sampled_from(PLACES), st.none() | st.integers(0, 2)), max_size=4)
HEARD = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), DIGESTS), max_size=30)


def test_equal_digests_are_no_news() -> None:
    """The everyday case."""
    watch = DigestWatch()

    assert watch.hear("a", 3, [(PLACES[0], 1), (PLACES[1], 2)]) == []
    assert watch.hear("b", 3, [(PLACES[0], 1), (PLACES[1], 2)]) == []


def test_the_partition_that_differs_is_named() -> None:
    """And no other."""
    watch = DigestWatch()
    watch.hear("a", 3, [(PLACES[0], 1), (PLACES[1], 2)])

    assert watch.hear("b", 3, [(PLACES[0], 1), (PLACES[1], 9)]) == [PLACES[1]]


def test_each_is_told_once_however_often_it_is_reported() -> None:
    """Reports are sent again until they are heard; a counter must not grow by that."""
    watch = DigestWatch()
    watch.hear("a", 3, [(PLACES[0], 1)])

    assert watch.hear("b", 3, [(PLACES[0], 9)]) == [PLACES[0]]
    assert watch.hear("b", 3, [(PLACES[0], 9)]) == []
    assert watch.hear("c", 3, [(PLACES[0], 9)]) == [PLACES[0]]
    assert watch.hear("a", 3, [(PLACES[0], 1)]) == []


def test_only_the_same_offset_of_the_same_cut_is_compared() -> None:
    """A digest is that of a prefix; another prefix has another."""
    watch = DigestWatch()
    watch.hear("a", 3, [(("t", 0, 5), 1)])

    assert watch.hear("b", 3, [(("t", 0, 6), 9)]) == []
    assert watch.hear("b", 4, [(("t", 0, 5), 9)]) == []
    assert watch.hear("b", 3, [(("t", 1, 5), 9)]) == []
    assert watch.hear("b", 3, [(("u", 0, 5), 9)]) == []


def test_an_agent_that_cannot_prove_its_state_proves_nothing() -> None:
    """It is no measure for others, and differs from nobody."""
    watch = DigestWatch()

    assert watch.hear("a", 3, [(PLACES[0], None)]) == []
    assert watch.hear("b", 3, [(PLACES[0], 1)]) == []
    assert watch.hear("a", 3, [(PLACES[0], None)]) == []
    assert watch.hear("c", 3, [(PLACES[0], 9)]) == [PLACES[0]]


def test_a_digest_of_zero_is_one() -> None:
    """An empty partition's."""
    watch = DigestWatch()
    watch.hear("a", 3, [(PLACES[0], 0)])

    assert watch.hear("b", 3, [(PLACES[0], 1)]) == [PLACES[0]]


def test_what_is_remembered_is_bounded_and_the_oldest_cut_goes_first() -> None:
    """Whatever order cuts are heard of in: the newest are those that agents still pass."""
    watch = DigestWatch()
    for cut in range(3 * _CUTS_MAX):
        watch.hear("a", cut, [(PLACES[0], 1)])
        watch.hear("b", cut, [(PLACES[0], 2)])

    assert len(watch._cuts) == _CUTS_MAX
    assert len(watch._told) == _CUTS_MAX
    assert watch.hear("c", 3 * _CUTS_MAX - 1, [(PLACES[0], 2)]) == [PLACES[0]]


def test_reports_of_long_ago_do_not_drive_out_the_present() -> None:
    """A new coordinator, or an agent that comes back, brings old cuts: those of today stay compared."""
    watch = DigestWatch()
    for cut in range(1_000, 1_000 + _CUTS_MAX):
        watch.hear("a", cut, [(PLACES[0], 1)])
    for cut in range(5):
        watch.hear("z", cut, [(PLACES[0], 7)])

    told = [watch.hear("b", cut, [(PLACES[0], 2)]) for cut in range(1_000 + 1, 1_000 + _CUTS_MAX)]

    assert told == [[PLACES[0]]] * (_CUTS_MAX - 1)


@given(heard=HEARD)
def test_whoever_is_told_differs_from_the_one_that_was_heard_first(
    heard: list[tuple[str, int, list[tuple[tuple[str, int, int], int | None]]]],
) -> None:
    """Against the plainest account of it."""
    watch, first, told = DigestWatch(), {}, set()
    for agent, cut, digests in heard:
        expected = []
        for place, digest in digests:
            if digest is None:
                continue
            if first.setdefault((cut, place), digest) != digest and (agent, cut, place) not in told:
                told.add((agent, cut, place))
                expected.append(place)
        assert watch.hear(agent, cut, digests) == expected
