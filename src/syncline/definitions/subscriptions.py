"""A `kind: Subscription` document: what a consumer needs of a bundle."""

from __future__ import annotations

from syncline.catalog.events import PolicyKind
from syncline.contracts.durations import parse_duration
from syncline.contracts.nearest import nearest
from syncline.contracts.odcs.located import Findings, Located
from syncline.definitions.fields import CONSUMER, CONSUMER_RULE, NAME, NAME_RULE, Fields
from syncline.definitions.model import Place, Subscription

_KNOWN = (
    "apiVersion",
    "kind",
    "name",
    "bundle",
    "policy",
    "labels",
    "freshness",
    "model",
    "required",
    "acceptsWidening",
)
_RELEASE_END = 2**31
_POLICY = "Write `policy: {pin: 7}`, `policy: {compatible: 7}` or `policy: follow`"


def parse_subscription(located: Located, findings: Findings) -> Subscription | None:
    """The subscription that a document states, or None; what is wrong goes to `findings`."""
    fields = Fields(located.data, (), findings, _KNOWN)
    name = fields.text("name", pattern=CONSUMER, rule=CONSUMER_RULE)
    bundle = fields.text("bundle", pattern=NAME, rule=NAME_RULE)
    policy = _policy(fields)
    labels = fields.texts("labels", "{env: prod}")
    freshness = _freshness(fields, findings)
    model_name, model_version = _model(fields, findings)
    required = fields.flag("required")
    accepts_widening = fields.flag("acceptsWidening")
    if name is None or bundle is None or policy is None:
        return None
    return Subscription(
        name=name,
        bundle=bundle,
        policy=policy[0],
        policy_release=policy[1],
        labels=tuple(sorted(labels.items())),
        freshness_us=tuple(sorted(freshness.items())),
        model_name=model_name,
        model_version=model_version,
        required=required,
        accepts_widening=accepts_widening,
        place=Place(located),
    )


def _policy(fields: Fields) -> tuple[PolicyKind, int | None] | None:
    value = fields.value("policy")
    if value is None:
        fields.missing("policy", _POLICY)
        return None
    if value == PolicyKind.FOLLOW.value:
        return PolicyKind.FOLLOW, None
    word, release = next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else (None, None)
    if word not in (PolicyKind.PIN.value, PolicyKind.COMPATIBLE.value):
        written = value if isinstance(value, str) else word
        guess = f"{nearest(written, [kind.value for kind in PolicyKind])} " if written is not None else ""
        fields.add("policy", "policy", f"{value!r:.60} is no policy", guess + _POLICY)
        return None
    if not isinstance(release, int) or isinstance(release, bool) or not 1 <= release < _RELEASE_END:
        fields.add(
            "policy", "release", f"{release!r:.40} is no release number", f"Write `policy: {{{word}: 1}}`"
        )
        return None
    return PolicyKind(word), release


def _freshness(fields: Fields, findings: Findings) -> dict[str, int]:
    found = {}
    for alias, text in (fields.mapping("freshness", "{origin_delay: 5 s}") or {}).items():
        try:
            found[alias] = parse_duration(text if isinstance(text, str) else str(text)[:40])
        except ValueError as error:
            findings.add(
                fields.path("freshness", alias), "duration", str(error), "Write a text such as `5 s`"
            )
    return found


def _model(fields: Fields, findings: Findings) -> tuple[str | None, str | None]:
    given = fields.mapping("model", '{name: delay_predictor, version: "12"}')
    if given is None:
        return None, None
    model = Fields(given, fields.path("model"), findings, ("name", "version"))
    return (
        model.text("name", pattern=None, rule="Name the model"),
        model.text("version", pattern=None, rule='Write a text such as `version: "12"`', required=False),
    )
