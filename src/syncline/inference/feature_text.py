"""One column as a property of the document: its type, what is proposed for it, and what was observed, line by line."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from syncline.contracts.model import FeatureType
from syncline.contracts.moments import format_moment
from syncline.inference.names import words
from syncline.inference.profile import Column, Spread, Texts
from syncline.inference.ranges import FEWEST_VALUES, propose_range, tidy
from syncline.inference.yaml_text import line, scalar, shown

LOGICAL_TYPES = {
    FeatureType.BOOLEAN: ("boolean", None),
    FeatureType.INT: ("integer", "int"),
    FeatureType.LONG: ("integer", "long"),
    FeatureType.FLOAT: ("number", "float"),
    FeatureType.DOUBLE: ("number", "double"),
    FeatureType.STRING: ("string", None),
    FeatureType.DATE: ("date", None),
    FeatureType.TIMESTAMP: ("timestamp", None),
}
_UNITS = {
    "ms": "ms",
    "millis": "ms",
    "sec": "s",
    "secs": "s",
    "seconds": "s",
    "mins": "min",
    "minutes": "min",
    "hours": "h",
    "days": "d",
    "pct": "%",
    "percent": "%",
    "km": "km",
    "kg": "kg",
    "mph": "[mi_i]/h",
    "miles": "[mi_i]",
    "bytes": "By",
    "usd": "USD",
    "eur": "EUR",
}
_MOST_ALLOWED = 20
_RAREST_SHARE = 0.001
_LEAST_EMBEDDING = 16
_INDENT = 8


@dataclass(slots=True)
class _Lines:
    """The lines of one property, or of a part of it that stands further in."""

    indent: int
    lines: list[str]

    def add(self, text: str, said: str = "") -> None:
        self.lines.append(line(self.indent, text, said))

    def remark(self, said: str) -> None:
        self.lines.append(line(self.indent, "", said).replace(" #", "#", 1))


def feature_lines(column: Column, name: str) -> list[str]:
    """The property of a column that is a feature.

    A limit, an `enum` or a `pattern` is written only where at least `FEWEST_VALUES` values were seen, and everything
    that was seen keeps it.
    """
    assert column.type is not None
    said = "" if name == column.name else f"the column {shown(column.name)}"
    block = _Lines(_INDENT, [line(_INDENT - 2, f"- name: {scalar(name)}", said)])
    if column.type.kind.is_nested:
        _nested(block, column)
    else:
        _scalar(block, column, column.type.kind)
    _custom(block, column)
    _expected_nulls(block, column)
    return block.lines


def count_text(count: int) -> str:
    """`26,115`."""
    return f"{count:,}"


def spread_text(spread: Spread, kind: FeatureType) -> str:
    """What was observed: `-43 … 1301`."""
    if spread.low is None or spread.high is None:
        return "no value"
    if spread.low == spread.high:
        return f"{_one(spread.low, kind)} only"
    return f"{_one(spread.low, kind)} … {_one(spread.high, kind)}"


def _one(value: float, kind: FeatureType) -> str:
    if kind.is_moment:
        return format_moment(int(value), kind)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _scalar(block: _Lines, column: Column, kind: FeatureType) -> None:
    assert column.type is not None
    zoneless = "observed without a zone, taken as UTC; review" if column.type.zoneless else ""
    _type(block, column, kind, zoneless)
    _required(block, column)
    _limits(block, column, kind)


def _type(block: _Lines, column: Column, kind: FeatureType, said: str = "") -> None:
    logical, physical = LOGICAL_TYPES[kind]
    block.add(f"logicalType: {logical}", said)
    if physical is not None:
        whole = kind.is_floating and column.spread.count >= FEWEST_VALUES and column.spread.whole
        block.add(
            f"physicalType: {physical}", "only whole numbers were observed: an integer?" if whole else ""
        )


def _required(block: _Lines, column: Column) -> None:
    if not column.rows:
        block.add("required: false", "no rows were observed; review")
    elif column.nulls:
        block.add("required: false", f"observed {_share(column.nulls, column.rows)} null; review")
    else:
        block.add("required: true", f"observed no null in {count_text(column.rows)} rows; review")


def _limits(block: _Lines, column: Column, kind: FeatureType) -> None:
    if kind is FeatureType.STRING:
        _text_limits(block, column.texts)
    elif kind is FeatureType.BOOLEAN:
        if column.values and column.scalar is not None:
            block.remark(f"observed {_share(column.true_count, column.values)} true")
    elif kind.is_moment:
        block.remark(f"observed {spread_text(column.spread, kind)}")
    else:
        _number_limits(block, column, kind)


def _number_limits(block: _Lines, column: Column, kind: FeatureType) -> None:
    spread = column.spread
    proposed = None if spread.infinite else propose_range(column.name, kind, spread)
    observed = f"observed {spread_text(spread, kind)}"
    usual = spread.usual()
    if usual is not None:
        first = f" of the first {count_text(spread.kept)}" if spread.kept < spread.count else ""
        observed += f", but 99.8 %{first} within {_one(usual[0], kind)} … {_one(usual[1], kind)}"
    if proposed is None or (proposed.minimum is None and proposed.maximum is None):
        few = (
            f" in {count_text(spread.count)} values: too few for limits"
            if spread.count < FEWEST_VALUES
            else ""
        )
        block.remark(observed + few)
        return
    stated = {"minimum": proposed.minimum, "maximum": proposed.maximum}
    options = ", ".join(f"{word}: {scalar(limit)}" for word, limit in stated.items() if limit is not None)
    by_name = "by its name; " if proposed.by_name else ""
    block.add(f"logicalTypeOptions: {{{options}}}", f"{by_name}{observed}; review")


def _text_limits(block: _Lines, texts: Texts) -> None:
    if texts.shortest is None or texts.longest is None:
        return
    different = "" if texts.tally is None else f", {count_text(len(texts.tally))} different"
    length = f"{texts.shortest} … {texts.longest}" if texts.shortest != texts.longest else str(texts.longest)
    observed = f"observed {length} characters{different}"
    if texts.count < FEWEST_VALUES:
        block.remark(f"{observed} in {count_text(texts.count)} values: too few for limits")
        return
    tally = texts.tally
    if tally is not None and len(tally) <= _MOST_ALLOWED and max(map(len, tally)) <= _LONGEST_ALLOWED:
        rarest = min(tally.values())
        if rarest >= max(5, _RAREST_SHARE * texts.count):
            allowed = ", ".join(f"{{value: {scalar(text)}}}" for text in sorted(tally))
            seen = f"observed nothing else in {count_text(texts.count)} values, the rarest {count_text(rarest)} times"
            block.add(f"enum: [{allowed}]", f"{seen}; review")
            return
        block.remark(
            f"no enum: the rarest of the {len(tally)} values was observed {count_text(rarest)} times only"
        )
    pattern = texts.shape.pattern() if tally is None or len(tally) > 1 else None
    limit = (
        f"pattern: {scalar(pattern)}"
        if pattern
        else f"maxLength: {max(16, int(tidy(Decimal(2 * texts.longest))))}"
    )
    block.add(f"logicalTypeOptions: {{{limit}}}", f"{observed}; review")


_LONGEST_ALLOWED = 100


def _nested(block: _Lines, column: Column) -> None:
    kind = column.type
    assert kind is not None
    assert kind.item is not None
    if is_embedding(column):
        count = column.most if kind.dimensions is None else kind.dimensions
        element = "float32" if kind.item is FeatureType.FLOAT else "float64"
        how = "by its type" if kind.dimensions else "observed in every value: taken as an embedding"
        block.add("logicalType: vector", "name what made it: embeddingModel, embeddingModelVersion")
        _required(block, column)
        block.add(f"logicalTypeOptions: {{dimensions: {count}, elementType: {element}}}", f"{how}; review")
        block.remark(f"observed {spread_text(column.spread, kind.item)}")
        return
    block.add("logicalType: map" if kind.kind is FeatureType.MAP else "logicalType: array")
    _required(block, column)
    inner = _Lines(block.indent + 2, block.lines)
    if kind.kind is FeatureType.MAP:
        block.add("map:")
        inner.add("key: {logicalType: string, required: true}")
        inner.add("value:")
        inner = _Lines(inner.indent + 2, block.lines)
    else:
        block.add("items:")
    _type(inner, column, kind.item)
    inner.add("required: true")
    _limits(inner, column, kind.item)
    _counts(block, column)


def is_embedding(column: Column) -> bool:
    """Whether a column of lists is proposed as a vector."""
    kind = column.type
    if kind is None or kind.item is None or not kind.item.is_floating or kind.kind is FeatureType.MAP:
        return False
    return kind.kind is FeatureType.VECTOR or (
        column.values >= FEWEST_VALUES
        and column.fewest == column.most
        and (column.most or 0) >= _LEAST_EMBEDDING
    )


def _counts(block: _Lines, column: Column) -> None:
    assert column.type is not None
    count = column.type.dimensions
    if count is not None:
        block.add(f"logicalTypeOptions: {{minItems: {count}, maxItems: {count}}}", "by its type; review")
        return
    if column.most is None:
        return
    many = str(column.most) if column.fewest == column.most else f"{column.fewest} … {column.most}"
    if column.values < FEWEST_VALUES or not column.most:
        block.remark(f"observed {many} items")
    else:
        most = int(tidy(Decimal(2 * column.most)))
        block.add(f"logicalTypeOptions: {{maxItems: {most}}}", f"observed {many} items; review")


def _custom(block: _Lines, column: Column) -> None:
    assert column.type is not None
    kind = column.type.item or column.type.kind
    unit = next((_UNITS[word] for word in sorted(words(column.name)) if word in _UNITS), None)
    entries = []
    if unit is not None and kind.is_number:
        entries.append(("unit", scalar(unit), "from its name; review"))
    strange = [
        f"{count_text(count)} {word}"
        for count, word in ((column.spread.nan, "NaN"), (column.spread.infinite, "infinite"))
        if count
    ]
    if strange:
        entries.append(
            ("syncline.finite", "false", f"observed {', '.join(strange)}: better sent as null; review")
        )
    if entries:
        block.add("customProperties:")
    for name, value, said in entries:
        block.lines.append(line(block.indent + 2, f"- {{property: {name}, value: {value}}}", said))


def _expected_nulls(block: _Lines, column: Column) -> None:
    if not column.nulls or column.rows < FEWEST_VALUES:
        return
    percent = column.nulls * 100 / column.rows
    most = int(-(-(percent * 1.5 + 1) // 5) * 5)
    if most < 100:  # noqa: PLR2004  percent
        block.add("quality:")
        rule = f"{{type: library, metric: nullValues, mustBeLessThan: {most}, unit: percent, dimension: completeness}}"
        block.lines.append(line(block.indent + 2, f"- {rule}", f"observed {percent:.2g} %; review"))


def _share(part: int, whole: int) -> str:
    percent = part * 100 / whole
    if percent in (0, 100):
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if 0.1 <= percent <= 99.9 else f"{count_text(part)} of {count_text(whole)}"  # noqa: PLR2004  what one decimal can say
