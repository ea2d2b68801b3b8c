"""Rules between generated features: a small grammar of CEL over features of the right types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncline.contracts.model import Feature, FeatureType, Rule

if TYPE_CHECKING:
    from random import Random

_LITERALS = {
    FeatureType.BOOLEAN: ["true", "false"],
    FeatureType.INT: ["0", "1", "-3"],
    FeatureType.LONG: ["0", "1", "-3"],
    FeatureType.FLOAT: ["0.0", "0.1", "-1.0"],
    FeatureType.DOUBLE: ["0.0", "0.1", "-1.0"],
    FeatureType.STRING: ["''", "'EWR'", "'\\u00e9'"],
    FeatureType.DATE: ["timestamp('2001-02-03T00:00:00Z')"],
    FeatureType.TIMESTAMP: ["timestamp('2001-02-03T04:05:06.000007Z')"],
}
_SIGNS = ["<", "<=", ">", ">=", "==", "!="]


def rules_between(random: Random, features: tuple[Feature, ...]) -> tuple[Rule, ...]:
    """One or two rules that name some of the features."""
    made = []
    for place in range(random.choice([1, 1, 2])):
        expression, named = _condition(random, features)
        if random.random() < 0.4:
            other, also = _condition(random, features)
            expression, named = f"({expression}) {random.choice(['&&', '||'])} ({other})", named | also
        made.append(Rule(f"rule{place}", expression, tuple(f.name for f in features if f.name in named)))
    return tuple(made)


def _condition(random: Random, features: tuple[Feature, ...]) -> tuple[str, set[str]]:
    one = random.choice(features)
    name, kind = one.name, one.type
    if random.random() < 0.15:
        return f"{name} {random.choice(['==', '!='])} null", {name}
    if random.random() < 0.1:
        return f"{name} == null || {_about(random, one)}", {name}
    others = [each for each in features if each.type is kind and each is not one and not kind.is_nested]
    if others and random.random() < 0.5:
        other = random.choice(others).name
        sign = random.choice(_SIGNS)
        return random.choice([f"{name} {sign} {other}", *_arithmetic(kind, name, other, sign)]), {name, other}
    return _about(random, one), {name}


def _about(random: Random, one: Feature) -> str:
    name, sign = one.name, random.choice(_SIGNS)
    if one.item is None:
        literal = random.choice(_LITERALS[one.type])
        if one.type is FeatureType.STRING:
            return random.choice(
                [f"{name} {sign} {literal}", f"{name}.startsWith({literal})", f"{name}.contains('x')"]
            )
        if one.type is FeatureType.TIMESTAMP:
            return random.choice([f"{name} {sign} {literal}", f"{name}.getHours() {sign} 4"])
        return f"{name} {sign} {literal}"
    literal = random.choice(_LITERALS[one.item.type])
    if one.type is FeatureType.MAP:
        return random.choice(
            [f"size({name}) {sign} 1", f"'k0' in {name}", f"{name}.all(k, {name}[k] {sign} {literal})"]
        )
    return random.choice(
        [
            f"size({name}) {sign} 2",
            f"{name}.all(x, x {sign} {literal})",
            f"{name}.exists(x, x {sign} {literal})",
            f"{name}[0] {sign} {literal}",
        ]
    )


def _arithmetic(kind: FeatureType, name: str, other: str, sign: str) -> list[str]:
    if kind.is_number:
        return [
            f"{name} + {other} {sign} {other}",
            f"{name} / {other} {sign} {other}",
            f"{name} * {name} {sign} {other}",
        ]
    if kind.is_moment:
        return [f"{name} - {other} {sign} duration('36h')"]
    return []
