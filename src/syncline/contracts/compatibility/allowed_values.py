"""How the set of values that a feature, or an item of one, may have differs between two contracts.

Judged by the values really allowed, not by how the limits are written: `exclusiveMinimum: 0` and `minimum: 1` are the
same for whole numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from syncline.contracts.compatibility.comparison import Level
from syncline.contracts.limits import INTEGER_RANGES, closed_range
from syncline.contracts.moments import format_moment

if TYPE_CHECKING:
    from syncline.contracts.model import Feature, Item

Found = tuple[Level, str, str]
"""Level, rule, and the reason as the end of a sentence that began with what it is about."""
Interval = tuple[float, float]

_MOST_LISTED = 5
_MOST_COUNTED = 10_000
_UNTRAINED = "consumers were promised the narrower set, and no model was trained on the rest"
_FEWER = "values that were fine before break the contract now"


def value_changes(old: Feature | Item, new: Feature | Item) -> Iterator[Found]:
    """Every difference between the values allowed before and now, for two of one type."""
    if old.finite is not new.finite:
        yield _finite(old, new)
    before, after = _listed(old), _listed(new)
    if before is not None or after is not None:
        yield from _values(old, new, before or _counted_out(old), after or _counted_out(new))
    else:
        yield from _ranges(old, new)
        lengths = (old.min_length, old.max_length), (new.min_length, new.max_length)
        yield from count_changes("length", "texts of {} characters", *lengths)
    yield from _patterns(old, new)


def count_changes(
    rule: str, what: str, old: tuple[int | None, int | None], new: tuple[int | None, int | None]
) -> Iterator[Found]:
    """The difference between two (least, most) limits of a count; `what` is a text with `{}` for the numbers."""
    before, after = ((low or 0, math.inf if high is None else high) for low, high in (old, new))
    where = _how(before, after)
    if where is None:
        if old != new:
            yield Level.NONE, f"{rule}-rewritten", "its limits are written differently and allow the same"
        return
    level, word, meaning = where
    now, then = (what.format(_counts(*limits)) for limits in (after, before))
    yield level, f"{rule}-{word}", f"{now} are allowed now, and {then} before: {meaning}"


def _how(before: Interval, after: Interval) -> tuple[Level, str, str] | None:
    """How an interval has changed; None where it has not."""
    if before == after or (before[0] > before[1] and after[0] > after[1]):
        return None
    if after[0] > after[1] or (before[0] <= after[0] and after[1] <= before[1]):
        return Level.MINOR, "narrowed", _FEWER
    if before[0] > before[1] or (after[0] <= before[0] and before[1] <= after[1]):
        return Level.MAJOR, "widened", _UNTRAINED
    return Level.MAJOR, "moved", _UNTRAINED


def _finite(old: Feature | Item, new: Feature | Item) -> Found:
    bounds = closed_range(old if new.finite else new)
    infinite = bounds is not None and math.inf in (-bounds[0], bounds[1])
    what = "NaN and infinities" if infinite else "NaN"
    if new.finite:
        return Level.MINOR, "nan-refused", f"{what} may not come any more: {_FEWER}"
    return Level.MAJOR, "nan-allowed", f"{what} may come now: arithmetic with it gives NaN, without an error"


def _ranges(old: Feature | Item, new: Feature | Item) -> Iterator[Found]:
    if old.finite is not new.finite:
        # Infinities are told apart by `finite`: what is left is the range of finite numbers.
        old, new = replace(old, finite=True), replace(new, finite=True)
    before, after = closed_range(old), closed_range(new)
    if before is None or after is None:
        return
    where = _how(before, after)
    if where is None:
        if _written(old) != _written(new):
            same = "its limits are written differently and allow the same values"
            yield Level.NONE, "range-rewritten", same
        return
    level, word, meaning = where
    ends = []
    for lower, name in ((True, "smallest"), (False, "largest")):
        then, now = _end(old, lower=lower), _end(new, lower=lower)
        if then != now:
            ends.append(f"its {name} value was {then} and is {now} now")
    yield level, f"range-{word}", f"{', and '.join(ends)}: {meaning}"


def _values(
    old: Feature | Item,
    new: Feature | Item,
    before: frozenset[object] | None,
    after: frozenset[object] | None,
) -> Iterator[Found]:
    if before == after:
        if (old.allowed, _written(old)) != (new.allowed, _written(new)):
            yield (
                Level.NONE,
                "values-rewritten",
                "its allowed values are written differently, and are the same",
            )
        return
    if after is None:
        yield Level.MAJOR, "values-added", f"other values than the listed may come now: {_UNTRAINED}"
    else:
        added = [value for value in new.allowed or sorted(after, key=repr) if value in after]
        added = [value for value in added if not _keeps(old, value)]
        if added:
            yield Level.MAJOR, "values-added", f"{_enumerated(new, added)} may come now: {_UNTRAINED}"
    if before is None:
        assert after is not None
        yield Level.MINOR, "values-removed", f"only {_counted(len(after))} may come now: {_FEWER}"
    else:
        removed = [value for value in old.allowed or sorted(before, key=repr) if value in before]
        removed = [value for value in removed if not _keeps(new, value)]
        if removed:
            said = f"{_enumerated(old, removed)} may not come any more: {_FEWER}"
            yield Level.MINOR, "values-removed", said


def _patterns(old: Feature | Item, new: Feature | Item) -> Iterator[Found]:
    if old.pattern == new.pattern:
        return
    if old.pattern is None:
        yield Level.MINOR, "pattern-added", f"its text must match {new.pattern!r} now: {_FEWER}"
    elif new.pattern is None:
        yield (
            Level.MAJOR,
            "pattern-removed",
            f"its text need not match {old.pattern!r} any more: {_UNTRAINED}",
        )
    else:
        reason = (
            f"its text had to match {old.pattern!r} and has to match {new.pattern!r} now: nobody can tell in general "
            "whether that lets new texts in"
        )
        yield Level.MAJOR, "pattern-changed", reason


def _listed(part: Feature | Item) -> frozenset[object] | None:
    """The listed values that keep the other limits, too; None where any value may come that keeps them."""
    if part.allowed is None:
        return None
    return frozenset(value for value in part.allowed if _within(part, value))


def _counted_out(part: Feature | Item) -> frozenset[object] | None:
    """A short range of whole numbers as if each were listed."""
    bounds = closed_range(part)
    if part.allowed is not None:
        return frozenset()
    if bounds is None or part.type not in INTEGER_RANGES or bounds[1] - bounds[0] > _MOST_COUNTED:
        return None
    return frozenset(range(int(bounds[0]), int(bounds[1]) + 1))


def _keeps(part: Feature | Item, value: object) -> bool:
    return (part.allowed is None or value in part.allowed) and _within(part, value)


def _within(part: Feature | Item, value: object) -> bool:
    """Whether a value of the type keeps range and length. Patterns are judged apart."""
    if isinstance(value, str):
        return (
            (part.min_length or 0) <= len(value) <= (math.inf if part.max_length is None else part.max_length)
        )
    bounds = closed_range(part)
    return bounds is None or (isinstance(value, int) and bounds[0] <= value <= bounds[1])


def _written(part: Feature | Item) -> str:
    """The limits as they are written: they are part of the wire form, in which -0.0 is not 0.0."""
    limits = [part.minimum, part.maximum, part.exclusive_minimum, part.exclusive_maximum]
    return json.dumps([*limits, part.min_length, part.max_length])


def _end(part: Feature | Item, *, lower: bool) -> str:
    """One end of the range as people write it, the stated limit where there is one."""
    bounds = closed_range(part)
    assert bounds is not None
    value = bounds[0] if lower else bounds[1]
    exclusive = part.exclusive_minimum if lower else part.exclusive_maximum
    inclusive = part.minimum if lower else part.maximum
    if exclusive is not None and part.type not in INTEGER_RANGES and value != inclusive:
        return f"{'above' if lower else 'below'} {_number(exclusive)}"
    free = closed_range(
        replace(part, minimum=None, maximum=None, exclusive_minimum=None, exclusive_maximum=None)
    )
    assert free is not None
    if value == (free[0] if lower else free[1]):
        return "unlimited"
    return _shown(part, value)


def _shown(part: Feature | Item, value: object) -> str:
    """A value of the part's type as people write it."""
    if part.type.is_moment and isinstance(value, int):
        return format_moment(value, part.type)
    return _number(value) if isinstance(value, int | float) else repr(value)


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    short = f"{value:g}"
    return short if float(short) == value else repr(value).removesuffix(".0")


def _counts(low: float, high: float) -> str:
    if high == math.inf:
        return f"{low:g} or more"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _enumerated(part: Feature | Item, values: list[object]) -> str:
    more = len(values) - _MOST_LISTED
    shown = ", ".join(_shown(part, value) for value in values[:_MOST_LISTED])
    return shown + (f" and {more} more" if more > 0 else "")


def _counted(count: int) -> str:
    return "1 listed value" if count == 1 else f"{count} listed values"
