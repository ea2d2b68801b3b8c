"""Hypothesis strategies: contracts as the parser could have made them, and rows that stand on their edges."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from syncline.contracts.limits import INTEGER_RANGES, LARGEST, as_float32
from syncline.contracts.model import Contract, Feature, FeatureType, JoinKey, Version

TYPES = list(FeatureType)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SPECIAL = [
    0.0,
    -0.0,
    math.nan,
    math.inf,
    -math.inf,
    5e-324,
    -5e-324,
    1.4e-45,
    3.5e38,
    -3.5e38,
    1.7976931348623157e308,
]
UNENCODABLE = [
    "\ud800",
    "a\udfff",
    2**63,
    -(2**63) - 1,
    2**31,
    10**400,
    b"x",
    [],
    {},
    object(),
    1.0,
    True,
    "1",
    1 + 0j,
]


def limits(kind: FeatureType) -> st.SearchStrategy[Any]:
    """A number that the type holds exactly."""
    if kind in INTEGER_RANGES:
        low, high = INTEGER_RANGES[kind]
        return st.one_of(st.integers(-5, 5), st.integers(low, high), st.sampled_from([low, high]))
    width = 32 if kind is FeatureType.FLOAT else 64
    return st.one_of(
        st.sampled_from([0.0, -0.0, 1.0, -1.0, LARGEST[kind], -LARGEST[kind]]),
        st.floats(-10, 10, width=width),
        st.floats(allow_nan=False, allow_infinity=False, width=width),
    )


@st.composite
def features(draw: Any, name: str) -> Feature:
    """A feature with any combination of limits, satisfiable or not."""
    kind = draw(st.sampled_from(TYPES))
    stated: dict[str, Any] = {}
    if kind.is_number:
        for limit in ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum"):
            if draw(st.integers(0, 3)) == 0:
                stated[limit] = draw(limits(kind))
    if kind is FeatureType.STRING and draw(st.booleans()):
        stated["allowed"] = tuple(draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True)))
    if kind in INTEGER_RANGES and draw(st.integers(0, 3)) == 0:
        stated["allowed"] = tuple(draw(st.lists(limits(kind), min_size=1, max_size=4, unique=True)))
    required = draw(st.booleans())
    if draw(st.booleans()):
        stated |= {
            "has_default": True,
            "default": draw(fitting(kind) if required else st.none() | fitting(kind)),
        }
    return Feature(
        name,
        kind,
        required,
        finite=draw(st.booleans()),
        unit=draw(st.none() | TEXTS),
        redact=draw(st.booleans()),
        **stated,
    )


@st.composite
def contracts(draw: Any, *, most_features: int = 6) -> Contract:
    """A contract of one or two keys and some features."""
    count = draw(st.integers(1, most_features))
    kinds = draw(st.lists(st.sampled_from([FeatureType.STRING, FeatureType.LONG]), min_size=1, max_size=2))
    return Contract(
        view="generated",
        version=Version(1, 0),
        owner="tests",
        keys=tuple(JoinKey(f"key{number}", kind) for number, kind in enumerate(kinds)),
        event_time="event_time",
        features=tuple(draw(features(f"f{number}")) for number in range(count)),
        topic="syncline.features.generated.v1",
    )


def fitting(kind: FeatureType) -> st.SearchStrategy[Any]:
    """A finite value that the type can carry."""
    if kind is FeatureType.BOOLEAN:
        return st.booleans()
    if kind is FeatureType.STRING:
        return TEXTS
    return limits(kind)


@st.composite
def values(draw: Any, feature: Feature) -> Any:
    """A value that the type can carry, often exactly at, just below or just above a limit; or null."""
    kind = feature.type
    if draw(st.integers(0, 9)) == 0:
        return None
    edges = [
        limit
        for limit in (feature.minimum, feature.maximum, feature.exclusive_minimum, feature.exclusive_maximum)
        if limit is not None
    ]
    if feature.allowed is not None and draw(st.booleans()):
        return draw(st.sampled_from(feature.allowed))
    if edges and draw(st.integers(0, 3)) > 0:
        return _beside(
            kind,
            draw(st.sampled_from(edges)),
            step=draw(st.sampled_from([-1, 0, 1])),
            fine=draw(st.booleans()),
        )
    if kind.is_floating:
        whole = st.integers(-(2**60), 2**60)
        return draw(st.one_of(st.sampled_from(SPECIAL), st.floats(), whole, fitting(kind)))
    return draw(fitting(kind))


def _beside(kind: FeatureType, edge: Any, *, step: int, fine: bool) -> Any:
    """The value itself, or the next one up or down; `fine` takes steps of 64 bits for a 32-bit type too."""
    if kind in INTEGER_RANGES:
        low, high = INTEGER_RANGES[kind]
        return min(max(edge + step, low), high)
    if step == 0:
        return edge
    if kind is FeatureType.DOUBLE or fine:
        return math.nextafter(edge, math.inf * step)
    nudged = as_float32(edge + step * max(abs(edge) * 2**-23, 1.4e-45))
    return nudged if math.isfinite(nudged) else edge


@st.composite
def rows(draw: Any, contract: Contract, *, keys_empty: bool = True) -> dict[str, Any]:
    """A whole row whose values their types can carry."""
    row: dict[str, Any] = {}
    for key in contract.keys:
        text = TEXTS if keys_empty else TEXTS.filter(bool)
        row[key.name] = draw(text if key.type is FeatureType.STRING else limits(FeatureType.LONG))
    row[contract.event_time] = draw(st.integers(-(2**63), 2**63 - 1) | st.integers(10**15, 2 * 10**15))
    for feature in contract.features:
        row[feature.name] = draw(values(feature))
    return row


@st.composite
def contracts_with_rows(draw: Any, *, most_rows: int = 12) -> tuple[Contract, list[dict[str, Any]]]:
    """A contract, and rows for it."""
    contract = draw(contracts())
    return contract, draw(st.lists(rows(contract), max_size=most_rows))


def wire_value(feature: Feature, value: Any) -> Any:
    """The value as a reader of the wire sees it."""
    if value is None or not feature.type.is_floating:
        return value
    return as_float32(value) if feature.type is FeatureType.FLOAT else float(value)
