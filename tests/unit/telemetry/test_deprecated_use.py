"""Use of deprecated versions is said at once, and at most once an hour."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from syncline.telemetry.deprecated_use import INTERVAL_S, DeprecatedUse


def test_each_version_is_said_at_once_and_again_every_hour() -> None:
    """Each for itself, from when it was said first."""
    said: list[tuple[str, str]] = []
    use = DeprecatedUse(lambda reference, text: said.append((reference, text)))
    use.use("v@1.0", "old")
    use.tell(0.0)
    use.use("w@1.0", "older")
    for now_s in (1.0, 2.0, INTERVAL_S - 0.1):
        use.tell(now_s)
    assert said == [("v@1.0", "old"), ("w@1.0", "older")]

    use.tell(INTERVAL_S)
    assert said[2:] == [("v@1.0", "old")]
    use.tell(INTERVAL_S + 1.0)
    assert said[3:] == [("w@1.0", "older")]


def test_what_is_no_longer_used_is_no_longer_said() -> None:
    """And used again within the hour, it is not news."""
    said: list[str] = []
    use = DeprecatedUse(lambda reference, _: said.append(reference))
    use.only([("v@1.0", "old")])
    use.tell(0.0)
    use.only([("w@1.0", "old")])
    use.tell(INTERVAL_S)
    use.only([("v@1.0", "old")])
    use.tell(INTERVAL_S)

    assert said == ["v@1.0", "w@1.0", "v@1.0"]
    use.only([])
    use.tell(9 * INTERVAL_S)
    assert len(said) == 3


@given(st.lists(st.floats(0, INTERVAL_S * 3), max_size=30))
def test_never_twice_within_an_hour(steps: list[float]) -> None:
    """However often it is asked."""
    said_at: list[float] = []
    now_s = 0.0
    use = DeprecatedUse(lambda *_: said_at.append(now_s))
    use.use("v@1.0", "old")
    for step in [0.0, *steps]:
        now_s += step
        use.tell(now_s)

    assert said_at[0] == 0.0
    assert all(later - earlier >= INTERVAL_S for earlier, later in pairwise(said_at))
    assert now_s - said_at[-1] < INTERVAL_S
