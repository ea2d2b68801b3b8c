"""Contracts as the parser could have made them, and rows and batches that stand on their edges, from a seed.

Everything is a function of the `Random` it is given, so that a seed in a test's output is enough to have it again.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from hypothesis import strategies as st

from syncline.contracts.codec.arrow import arrow_type
from syncline.contracts.limits import INTEGER_RANGES, LARGEST, as_float32
from syncline.contracts.model import Contract, Feature, FeatureType, Item, JoinKey, Rule, Version
from tests.unit.contracts.checks.generated_rules import rules_between

if TYPE_CHECKING:
    from random import Random

SCALARS = [kind for kind in FeatureType if not kind.is_nested]
FLOATS = [FeatureType.FLOAT, FeatureType.DOUBLE]
TEXTS = [
    "",
    "a",
    "EWR",
    "JFK",
    "xEWRx",
    "N12345",
    "é",
    "e\u0301",
    "e\u0301e\u0301",
    "😀",
    "👩\u200d👩\u200d👧",
    "line\nbreak",
    "\x00",
    "\u2028",
    "ß" * 40,
    "x" * 300,
]
PATTERNS = ["^[A-Z]{3}$", "EWR", "[0-9]", "^..$", "é|ü", "^$|x", r"\n", "^[^a]*$"]
NUMBERS = [0.0, -0.0, 1.0, -1.0, 0.1, -2.5, 1e-40, 5e-324, 1e6]
SPECIAL = [
    math.nan,
    math.inf,
    -math.inf,
    5e-324,
    -5e-324,
    1.4e-45,
    3.5e38,
    -3.5e38,
    1.7976931348623157e308,
    -0.0,
]
LENGTHS = [0, 1, 2, 3, 5]


class Rude:
    """Whatever is done to it raises."""

    def __eq__(self, other: object) -> bool:
        """Raise."""
        raise RuntimeError("no equality")

    def __hash__(self) -> int:
        """Raise."""
        raise RuntimeError("no hash")

    def __len__(self) -> int:
        """Raise."""
        raise RuntimeError("no length")

    def __repr__(self) -> str:
        """Raise."""
        raise RuntimeError("no text")

    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __iter__ = __float__ = __int__ = __index__ = __bool__ = __str__ = __len__  # type: ignore[assignment]


def odd_values() -> list[Any]:
    """What has no place in any column, or only in some; new objects each time."""
    return [
        *(
            "\ud800",
            "a\udfff",
            2**63,
            -(2**63) - 1,
            2**31,
            10**400,
            10**5000,
            b"x",
            [],
            {},
            object(),
            1.0,
            True,
            "1",
        ),
        *(
            1 + 0j,
            Rude(),
            [Rude()],
            {"a": Rude()},
            {1: 1.0},
            {"\ud800": 1.0},
            {None: 1},
            (1.0, 2.0),
            iter([1.0]),
        ),
        *(
            [[1.0]],
            [None],
            {"a": None},
            ["\ud800"],
            [1, True],
            [1.0, 1],
            [math.nan, 1.0],
            [math.inf, -math.inf],
        ),
        *([1.0, "1"], [10**400], type("MyList", (list,), {})([1.0]), type("MyStr", (str,), {})("EWR"), None),
        *(
            type("MyInt", (int,), {"__le__": Rude.__eq__, "__ge__": Rude.__eq__})(1),
            ["\ud83d", "\ude00"],
            range(3),
        ),
    ]


def limit(random: Random, kind: FeatureType) -> Any:
    """A number that the type holds exactly."""
    if kind in INTEGER_RANGES:
        low, high = INTEGER_RANGES[kind]
        return random.choice([random.randint(-5, 5), random.randint(low, high), low, high])
    number = random.choice([*NUMBERS, random.uniform(-10, 10), LARGEST[kind], -LARGEST[kind]])
    return as_float32(number) if kind is FeatureType.FLOAT else number


def limits(random: Random, kind: FeatureType) -> dict[str, Any]:
    """Any combination of limits of a scalar, mostly satisfiable."""
    stated: dict[str, Any] = {"finite": random.random() < 0.7}
    if kind.is_ordered and random.random() < 0.6:
        low, high = sorted([limit(random, kind), limit(random, kind)], reverse=random.random() < 0.03)
        for value, rules in (
            (low, ("minimum", "exclusive_minimum")),
            (high, ("maximum", "exclusive_maximum")),
        ):
            stated |= {rule: value for rule in rules if random.random() < 0.4}
    if kind is FeatureType.STRING:
        if random.random() < 0.5:
            low, high = sorted(random.choices(LENGTHS, k=2))
            stated |= random.choice(
                [{"min_length": low}, {"max_length": high}, {"min_length": low, "max_length": high}]
            )
        if random.random() < 0.3:
            stated["pattern"] = random.choice(PATTERNS)
    may_list = kind is FeatureType.STRING or kind in INTEGER_RANGES
    if may_list and random.random() < 0.2:
        some = (
            random.sample(TEXTS, 4) if kind is FeatureType.STRING else [limit(random, kind) for _ in range(4)]
        )
        stated["allowed"] = tuple(dict.fromkeys(some))
    return stated


def feature(random: Random, name: str, *, kinds: list[FeatureType] | None = None) -> Feature:
    """A feature with any combination of limits."""
    kind = random.choice(kinds or list(FeatureType))
    made = Feature(
        name,
        kind,
        required=random.random() < 0.5,
        unit=random.choice([None, "min", "µg"]),
        redact=random.random() < 0.1,
    )
    if not kind.is_nested:
        made = replace(made, **limits(random, kind))
    else:
        inside = random.choice(
            FLOATS if kind is FeatureType.VECTOR else [*SCALARS, *[FeatureType.STRING] * 3]
        )
        made = replace(made, item=Item(inside, **limits(random, inside)))
        if kind is FeatureType.VECTOR:
            made = replace(made, dimensions=random.choice([1, 2, 3, 8, 64]), embedding_model="mini 1")
        elif random.random() < 0.4:
            low, high = sorted(random.choices(LENGTHS, k=2))
            made = replace(made, min_items=random.choice([None, low]), max_items=random.choice([None, high]))
        if kind is FeatureType.LIST and not inside.is_floating:
            made = replace(made, unique_items=random.random() < 0.3)
    if random.random() < 0.3:
        default = wire_default(random, made)
        if default is not None or not made.required:
            made = replace(made, has_default=True, default=default)
    return made


def wire_default(random: Random, of: Feature) -> Any:
    """A default as a document can state it, rounded as the wire carries it; often null."""
    default = wire_value(of, value(random, of))
    parts = (
        [default] if of.item is None else [part[1] if isinstance(part, tuple) else part for part in default]
    )
    if random.random() < 0.3 or not all(math.isfinite(part) for part in parts if isinstance(part, float)):
        return None
    return dict(default) if of.type is FeatureType.MAP else default


def contract(random: Random, *, kinds: list[FeatureType] | None = None) -> Contract:
    """A contract of one or two keys, some features, and often rules between them."""
    keys = tuple(
        JoinKey(f"key{place}", random.choice([FeatureType.STRING, FeatureType.LONG]))
        for place in range(random.choice([1, 1, 2]))
    )
    features = tuple(
        feature(random, f"f{place}", kinds=kinds) for place in range(random.choice([1, 2, 3, 5]))
    )
    rules: tuple[Rule, ...] = rules_between(random, features) if random.random() < 0.5 else ()
    return Contract(
        view="generated",
        version=Version(1, 0),
        owner="tests",
        keys=keys,
        event_time="event_time",
        features=features,
        topic="syncline.features.generated.v1",
        rules=rules,
    )


def value(random: Random, of: Feature) -> Any:
    """A value that keeps the feature's limits, where a few tries find one."""
    if of.item is None:
        return _scalar(random, of)
    low = of.min_items or 0
    count = random.randint(low, of.max_items if of.max_items is not None else low + 3)
    if of.dimensions is not None:
        count = of.dimensions
    elif of.max_items is None and not of.unique_items and random.random() < 0.01:
        count = 2_000
    items = [_scalar(random, of.item) for _ in range(count)]
    if of.unique_items:
        items = list(dict.fromkeys([*items, *(_scalar(random, of.item) for _ in range(6))]))[:count]
    if of.type is FeatureType.MAP:
        return {random.choice(TEXTS[:12]) + str(place): item for place, item in enumerate(items)}
    return items


def _scalar(random: Random, of: Feature | Item) -> Any:
    for _ in range(8):
        drawn = _draw(random, of)
        if _fits(of, drawn):
            return drawn
    return drawn


def _fits(of: Feature | Item, drawn: Any) -> bool:
    """Whether the value keeps the plainest limits; only to have enough rows that pass."""
    if of.allowed is not None and drawn not in of.allowed:
        return False
    if isinstance(drawn, str):
        return (of.min_length or 0) <= len(drawn) <= (of.max_length if of.max_length is not None else 10**6)
    if isinstance(drawn, float):
        drawn = as_float32(drawn) if of.type is FeatureType.FLOAT else drawn
        if of.finite and not math.isfinite(drawn):
            return False
    return (
        (of.minimum is None or drawn >= of.minimum)
        and (of.maximum is None or drawn <= of.maximum)
        and (of.exclusive_minimum is None or drawn > of.exclusive_minimum)
        and (of.exclusive_maximum is None or drawn < of.exclusive_maximum)
    )


def _edges(of: Feature | Item) -> list[Any]:
    found = [of.minimum, of.maximum, of.exclusive_minimum, of.exclusive_maximum]
    return [edge for edge in found if edge is not None]


def _draw(random: Random, of: Feature | Item) -> Any:
    if of.type is FeatureType.BOOLEAN:
        return random.random() < 0.5
    if of.allowed is not None and random.random() < 0.8:
        return random.choice(of.allowed)
    return random.choice(TEXTS) if of.type is FeatureType.STRING else _draw_number(random, of)


def _draw_number(random: Random, of: Feature | Item) -> Any:
    kind = of.type
    edges = _edges(of)
    if edges and random.random() < 0.5:
        return beside(random, kind, random.choice(edges))
    if len(edges) > 1 and random.random() < 0.7:
        low, high = min(edges), max(edges)
        if kind in INTEGER_RANGES:
            return random.randint(low, high)
        return low * (part := random.random()) + high * (1 - part)
    if kind in INTEGER_RANGES:
        return limit(random, kind)
    return random.choice(
        [random.uniform(-10, 10), limit(random, kind), random.choice(SPECIAL), random.randint(-9, 9)]
    )


def beside(random: Random, kind: FeatureType, edge: Any) -> Any:
    """The edge itself, or one step up or down: of one, or of one ulp, of 64 bits for a 32-bit type too."""
    step = random.choice([-1, 0, 1])
    if kind in INTEGER_RANGES:
        lowest, highest = (
            (-(2**31), 2**31 - 1) if kind in (FeatureType.INT, FeatureType.DATE) else (-(2**63), 2**63 - 1)
        )
        return min(max(edge + step, lowest), highest)
    if step == 0:
        return edge
    if kind is FeatureType.DOUBLE or random.random() < 0.5:
        return math.nextafter(edge, math.inf * step)
    return as_float32(edge + step * max(abs(edge) * 2**-23, 1.4e-45))


def broken_value(random: Random, of: Feature) -> Any:
    """A value that its column can hold and that mostly breaks a limit: at an edge, beyond it, or of another size."""
    if random.random() < 0.15:
        return None
    if of.item is None:
        return _wild(random, of)
    whole = value(random, of)
    items = list(whole.values()) if isinstance(whole, dict) else whole
    match random.randint(0, 5):
        case 0:
            items = []
        case 1:
            items = items[:-1]
        case 2:
            items = [*items, *(items[:1] or [_scalar(random, of.item)])]
        case 3:
            items = [*items, *[_scalar(random, of.item) for _ in range(7)]]
        case _:
            items = items or [_scalar(random, of.item)]
            items[random.randrange(len(items))] = None if random.random() < 0.2 else _wild(random, of.item)
    if of.type is FeatureType.MAP:
        return {f"k{place}": item for place, item in enumerate(items)}
    return items


def _wild(random: Random, of: Feature | Item) -> Any:
    kind = of.type
    edges = _edges(of)
    if edges and random.random() < 0.5:
        return beside(random, kind, random.choice(edges))
    if kind is FeatureType.STRING and random.random() < 0.6:
        return random.choice(["", "x" * 300])
    if kind is FeatureType.DATE:
        return random.choice(
            [*INTEGER_RANGES[kind], INTEGER_RANGES[kind][0] - 1, INTEGER_RANGES[kind][1] + 1, 2**31 - 1]
        )
    if kind is FeatureType.TIMESTAMP:
        return random.choice(
            [*INTEGER_RANGES[kind], INTEGER_RANGES[kind][0] - 1, INTEGER_RANGES[kind][1] + 1, -(2**63)]
        )
    if kind.is_floating:
        return random.choice([math.nan, random.choice(SPECIAL)])
    return _draw(random, replace(of, allowed=None))


def row(random: Random, of: Contract) -> dict[str, Any]:
    """A whole row whose values their columns can hold: valid, broken in one place, or in several."""
    made: dict[str, Any] = {}
    for key in of.keys:
        made[key.name] = (
            random.choice(TEXTS[1:]) if key.type is FeatureType.STRING else limit(random, FeatureType.LONG)
        )
    made[of.event_time] = random.randint(10**15, 2 * 10**15)
    broken = random.choice([0, 0, 0, 1, 1, 2, len(of.features)])
    places = set(random.sample(range(len(of.features)), min(broken, len(of.features))))
    for place, each in enumerate(of.features):
        if place in places:
            made[each.name] = broken_value(random, each)
        elif not each.required and random.random() < 0.15:
            made[each.name] = None
        else:
            made[each.name] = value(random, each)
    if random.random() < 0.03:
        made[of.event_time] = random.choice(
            [2**63 - 1, -(2**63), -62_135_596_800_000_001, 253_402_300_800_000_000]
        )
    if random.random() < 0.03 and of.keys[0].type is FeatureType.STRING:
        made[of.keys[0].name] = ""
    return made


def wire_value(of: Feature, given: Any) -> Any:
    """The value as a column takes it: whole numbers of float features as floats, maps as entries."""
    if given is None:
        return None
    if of.item is None:
        return _wire_scalar(of.type, given)
    if of.type is FeatureType.MAP:
        return [(key, _wire_scalar(of.item.type, each)) for key, each in given.items()]
    return [_wire_scalar(of.item.type, each) for each in given]


def _wire_scalar(kind: FeatureType, given: Any) -> Any:
    if given is None or not kind.is_floating:
        return given
    return as_float32(given) if kind is FeatureType.FLOAT else float(given)


def batch(of: Contract, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """The rows as columns, nulls allowed everywhere, so that the check and not the schema must notice them."""
    arrays = {key.name: pa.array([row[key.name] for row in rows], arrow_type(key.type)) for key in of.keys}
    arrays[of.event_time] = pa.array([row[of.event_time] for row in rows], arrow_type(FeatureType.TIMESTAMP))
    for each in of.features:
        kind = arrow_type(each.type, each.item.type if each.item is not None else None)
        arrays[each.name] = pa.array([wire_value(each, row[each.name]) for row in rows], kind)
    return pa.RecordBatch.from_pydict(arrays)


def contracts() -> st.SearchStrategy[Contract]:
    """Contracts for tests that use hypothesis."""
    return st.randoms(use_true_random=False).map(contract)
