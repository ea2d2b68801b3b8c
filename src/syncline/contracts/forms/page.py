"""A page about a view, in Markdown: what it promises, who reads it, how to publish and read it, how it came to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from syncline.contracts.durations import format_duration
from syncline.contracts.forms.limit_words import limit_words, type_words, value_words
from syncline.contracts.forms.markdown import block, code, paragraphs, prose, table
from syncline.contracts.forms.page_examples import publishing, reading
from syncline.contracts.forms.quality_words import expectations
from syncline.contracts.model import FeatureType, OnViolation, WhenStale

if TYPE_CHECKING:
    from syncline.contracts.compatibility.comparison import Change, Comparison
    from syncline.contracts.forms.page_model import Consumer, View
    from syncline.contracts.model import Contract, Feature

MARK = "<!-- Written by `syncline contract docs`; changes made here are lost. -->"


def contract_page(view: View) -> str:
    """The page, ending with a line's end; equal views give equal pages."""
    contract = view.contract
    parts = [MARK, f"# {prose(contract.view)}"]
    if contract.description:
        parts.append(paragraphs(contract.description))
    parts += [
        _facts(view),
        *_remarks(contract),
        "## Features",
        _features(contract.features),
        *_rules(contract),
    ]
    parts += [
        "## Freshness",
        _freshness(contract),
        "## When a message breaks the contract",
        _violations(contract),
    ]
    parts += ["## Quality", _quality(contract), "## Who reads it", _readers(view)]
    parts += ["## Publish", block(publishing(contract), "python"), "## Read", *_reading(view)]
    parts += ["## History", *_history(view)]
    return "\n\n".join(parts) + "\n"


def index_page(pages: Sequence[tuple[str, View]]) -> str:
    """The list of all pages: (file, what it tells)."""
    rows = [
        [
            f"[{prose(view.contract.reference)}]({file})",
            prose(view.contract.owner),
            view.contract.status,
            str(len(view.contract.features)),
            _first_sentence(view.contract.description),
        ]
        for file, view in pages
    ]
    return (
        "\n\n".join(
            [MARK, "# Feature views", table(["View", "Owner", "Status", "Features", "Purpose"], rows)]
        )
        + "\n"
    )


def _first_sentence(text: str) -> str:
    first, dot, _ = text.strip().partition(". ")
    return prose(first + dot.strip())


def _facts(view: View) -> str:
    contract = view.contract
    status = contract.status
    if contract.end_of_support is not None:
        status += f", supported until {contract.end_of_support.isoformat()}"
    keys = ", ".join(
        f"{code(key.name, in_table=True)} ({_KEY_TYPES[key.type]}"
        + (f": {prose(key.description.rstrip('.'))})" if key.description else ")")
        for key in contract.keys
    )
    rows = [
        [
            "Version",
            f"{code(contract.reference, in_table=True)} (document {contract.version}.{contract.version.patch})",
        ],
        ["Status", status],
        ["Owner", prose(contract.owner)],
        ["Entity key", keys],
        ["Topic", f"{code(contract.topic, in_table=True)}, {_counted(contract.partitions, 'partition')}"],
        ["Kept for", format_duration(contract.retention_us)],
    ]
    if view.majors:
        rows.append(["Other MAJORs", ", ".join(f"[{prose(name)}]({file})" for name, file in view.majors)])
    return table(rows[0], rows[1:])


_KEY_TYPES = {FeatureType.STRING: "text", FeatureType.LONG: "integer"}


def _remarks(contract: Contract) -> Iterator[str]:
    described = contract.document.get("description")
    for key, title in (("usage", "Usage"), ("limitations", "Limitations")):
        said = described.get(key) if isinstance(described, dict) else None
        if isinstance(said, str) and said.strip():
            yield f"**{title}.** {prose(said)}"


def _features(features: Sequence[Feature]) -> str:
    rows = [
        [
            code(feature.name, in_table=True),
            type_words(feature),
            "" if feature.unit is None else code(feature.unit, in_table=True),
            limit_words(feature),
            "no" if feature.required else "yes",
            value_words(feature, feature.default) if feature.has_default else "",
            (prose(feature.description) + (" Redacted in reports." if feature.redact else "")).strip(),
        ]
        for feature in features
    ]
    columns = ["Feature", "Type", "Unit", "Limits", "Null", "Default", "Meaning"]
    # A column in which nothing stands tells nothing.
    filled = [
        number for number, name in enumerate(columns) if number == 0 or any(row[number] for row in rows)
    ]
    return table([columns[number] for number in filled], [[row[number] for number in filled] for row in rows])


def _rules(contract: Contract) -> Iterator[str]:
    if not contract.rules:
        return
    yield "## Rules between features"
    yield "\n".join(
        f"- **{prose(rule.name)}**: {code(rule.expression)}"
        + (f"\n  {prose(rule.description)}" if rule.description else "")
        for rule in contract.rules
    )


def _freshness(contract: Contract) -> str:
    said = []
    if contract.latency_us is not None:
        said.append(f"A value can be served within **{format_duration(contract.latency_us)}** of its event.")
    if contract.frequency_us is not None:
        said.append(f"New values come every **{format_duration(contract.frequency_us)}**.")
    if contract.max_age_us is None:
        said.append("No value is ever too old.")
    else:
        age = format_duration(contract.max_age_us)
        said.append(f"A value older than **{age}** is stale: {_WHEN_STALE[contract.when_stale]}.")
    ahead = format_duration(contract.max_ahead_us)
    said.append(f"An event more than {ahead} ahead of the broker's clock breaks the contract.")
    if contract.late_arrival_us is not None:
        said.append(f"So does one that comes more than {format_duration(contract.late_arrival_us)} late.")
    return "\n".join(f"- {sentence}" for sentence in said)


_WHEN_STALE = {
    WhenStale.FLAG: "it is served all the same, with the status `OUTSIDE_MAX_AGE`",
    WhenStale.NULL: "null is served in its place, with the status `OUTSIDE_MAX_AGE`",
    WhenStale.DEFAULT: "the feature's default is served in its place, with the status `OUTSIDE_MAX_AGE`",
    WhenStale.REFUSE: "the read is refused",
}
_ON_VIOLATION = {
    OnViolation.DEAD_LETTER: "Agents keep the message whole among the dead letters, with every rule that it broke, "
    "and go on: the last good value stays.",
    OnViolation.HALT: "Agents hold the partition at that message until a person decides. Nothing after it is served.",
    OnViolation.OBSERVE: "Agents apply the message; a feature that broke its rule is served as null with the status "
    "`INVALID`.",
}


def _violations(contract: Contract) -> str:
    looking = f"syncline dlq list {contract.view}@{contract.version.major}"
    return f"{_ON_VIOLATION[contract.on_violation]} Look at them with {code(looking)}."


def _quality(contract: Contract) -> str:
    found = list(expectations(contract.document))
    if not found:
        return "Nothing is expected of whole windows of messages."
    said = "Expected of windows of messages, not of each one:"
    return said + "\n\n" + "\n".join(f"- {each}" for each in found)


def _readers(view: View) -> str:
    if not view.uses:
        return f"No bundle that is known here holds this view. {view.source}".strip()
    rows = [
        [
            code(use.bundle, in_table=True),
            code(use.alias, in_table=True),
            code(f"{view.contract.view}@{use.version}", in_table=True),
            "all" if use.features is None else ", ".join(code(name, in_table=True) for name in use.features),
            "; ".join(_consumer(consumer) for consumer in use.consumers) or "nobody yet",
        ]
        for use in view.uses
    ]
    return table(["Bundle", "As", "Version", "Features", "Subscriptions"], rows)


def _consumer(consumer: Consumer) -> str:
    more = [f"policy {consumer.policy}"]
    if consumer.model:
        more.append(f"model {prose(consumer.model)}")
    if consumer.required:
        more.append("must acknowledge breaking releases")
    return f"{code(consumer.name, in_table=True)} ({', '.join(more)})"


def _reading(view: View) -> Iterator[str]:
    if not view.uses:
        yield "Name it in a bundle first (`bundles/*.yaml`), and subscribe to that."
        return
    use = view.uses[0]
    names = [dict(use.keys).get(key.name, key.name) for key in view.contract.keys]
    yield block(reading(view.contract, use.bundle, names), "python")
    yield (
        "The bundle may ask for join keys of its other views as well. "
        f"Features are named {code(use.alias + '__feature')}, or by their bare name where that is unique in the bundle."
    )


def _history(view: View) -> Iterator[str]:
    if view.source:
        yield view.source
    for step in view.history:
        said = ", ".join(
            part for part in (step.when, f"by {prose(step.actor)}" if step.actor else "") if part
        )
        yield f"### {step.version}" + (f" ({said})" if said else "")
        if step.reason:
            yield prose(step.reason)
        yield _differences(step.compared)


def _differences(compared: Comparison | None) -> str:
    if compared is None:
        return "The first version that is known here."
    if not compared.changes:
        return f"Nothing differs from {code(compared.old)}."
    changes = sorted(compared.changes, key=lambda change: -change.level)
    return "\n".join(f"- {_change(change)}" for change in changes)


def _change(change: Change) -> str:
    what = code(change.what) if change.is_feature else prose(change.what)
    return f"**{change.level.words}** {what}: {prose(change.reason)}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
