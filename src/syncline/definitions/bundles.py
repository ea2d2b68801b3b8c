"""A `kind: Bundle` document: the views that a model reads, under which names."""

from __future__ import annotations

from syncline.catalog.references import ViewReference, parse_reference
from syncline.contracts.odcs.located import Findings, Located
from syncline.definitions.fields import NAME, NAME_RULE, REQUEST_NAME, REQUEST_NAME_RULE, Fields
from syncline.definitions.model import Bundle, Place, ViewUse

_KNOWN = ("apiVersion", "kind", "name", "owner", "features")
_KNOWN_OF_VIEW = ("view", "as", "keys", "features")
_EXAMPLE = "[{view: airport_delay@1}]"


def parse_bundle(located: Located, findings: Findings) -> Bundle | None:
    """The bundle that a document states, or None; what is wrong goes to `findings`."""
    fields = Fields(located.data, (), findings, _KNOWN)
    name = fields.text("name", pattern=NAME, rule=NAME_RULE)
    owner = fields.text("owner", pattern=None, rule="Name the team that owns it")
    entries = fields.listed("features", _EXAMPLE)
    if fields.value("features") is None:
        fields.missing("features", f"Write `features: {_EXAMPLE}`")
    uses: list[ViewUse] = []
    whole = entries is not None
    for number, entry in enumerate(entries or ()):
        use = _view_use(entry, Place(located, ("features", number)), findings)
        if use is None:
            whole = False
            continue
        earlier = next((other for other in uses if other.alias == use.alias), None)
        if earlier is not None:
            whole = False
            where = ("features", number, "as") if "as" in entry else ("features", number)
            findings.add(
                where,
                "duplicate-alias",
                f"`{use.alias}` is also what features[{earlier.place.path[1]}] is called",
                "Give each its own `as`",
            )
            continue
        uses.append(use)
    if name is None or owner is None or not whole:
        return None
    return Bundle(name, owner, tuple(uses), Place(located))


def _view_use(entry: object, place: Place, findings: Findings) -> ViewUse | None:
    if not isinstance(entry, dict):
        findings.add(place.path, "type", f"{entry!r:.40} is no mapping", "Write `{view: airport_delay@1}`")
        return None
    fields = Fields(entry, place.path, findings, _KNOWN_OF_VIEW)
    reference = _reference(fields)
    alias = _alias(fields, reference)
    keys = _keys(fields, findings)
    features = _features(fields, findings)
    if reference is None or alias is None:
        return None
    return ViewUse(reference, alias, keys, features, place)


def _reference(fields: Fields) -> ViewReference | None:
    text = fields.text("view", pattern=None, rule="Write `view: airport_delay@1`")
    if text is None:
        return None
    try:
        reference = parse_reference(text)
    except ValueError as error:
        fields.add("view", "reference", str(error), "Write `view: airport_delay@1`")
        return None
    if reference.feature is not None:
        fields.add(
            "view",
            "reference",
            "one feature is named here",
            f"Write `features: [{reference.feature}]` beside the view",
        )
        return None
    if reference.major is None:
        fields.add("view", "major", f"{text!r:.60} names no MAJOR version", f"Write `view: {text}@1`")
        return None
    return reference


def _alias(fields: Fields, reference: ViewReference | None) -> str | None:
    if "as" in fields:
        alias = fields.text("as", pattern=NAME, rule=NAME_RULE)
        place: str | None = "as"
    else:
        alias, place = (reference.view if reference is not None else None), None
    if alias is not None and ("__" in alias or alias.endswith("_")):
        # Result names are `alias__feature`: they must fall apart in one way only.
        fields.add(
            place,
            "alias",
            f"`{alias}` would make result names ambiguous",
            "Give an `as` without `__` and without `_` at its end",
        )
        return None
    return alias


def _keys(fields: Fields, findings: Findings) -> tuple[tuple[str, str], ...]:
    keys = fields.texts("keys", "{airport: origin}")
    good = []
    for key, name in keys.items():
        if REQUEST_NAME.fullmatch(name):
            good.append((key, name))
        else:
            findings.add(fields.path("keys", key), "name", f"{name!r:.60} is not allowed", REQUEST_NAME_RULE)
    return tuple(good)


def _features(fields: Fields, findings: Findings) -> tuple[str, ...] | None:
    listed = fields.listed("features", "[dep_delay_mean_1h]")
    if listed is None:
        return None
    found: list[str] = []
    for number, name in enumerate(listed):
        path = fields.path("features", number)
        if not isinstance(name, str):
            findings.add(path, "type", f"{name!r:.40} is no text", "Write a feature's name")
        elif name in found:
            findings.add(path, "duplicate", f"`{name}` stands here twice", "Keep one of them")
        else:
            found.append(name)
    return tuple(found)
