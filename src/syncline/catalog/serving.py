"""What an agent serves and a reader needs to know: the active release with everything to decode and check by.

The agent keeps it in the store's meta, so that a reader needs nothing but the store.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from syncline.catalog.events import BundleReleased, SubscriptionDeclared
from syncline.catalog.fold import Picture, Recorded
from syncline.catalog.lifecycle import on_its_way_out

META_SERVING = "serving"
"""The meta name under which the store keeps `Serving.pack()`."""
META_AGENT = "agent"
"""The meta name under which the store keeps the agent's own condition (`AgentCondition.pack()`)."""


@dataclass(frozen=True, slots=True)
class ServedSchema:
    """A schema id that cells may have been written under."""

    schema_id: int
    reference: str
    avro_schema: str
    contract: str
    """The ODCS document of that version, as JSON: under `observe`, a cell may break the contract it was written by."""


@dataclass(frozen=True, slots=True)
class ServedView:
    """One view of the active release."""

    alias: str
    view: str
    major: int
    minor: int
    topic: str
    keys: tuple[tuple[str, str], ...]
    """(join key of the view, name in a request), in the contract's order."""
    features: tuple[str, ...]
    contract: str
    """The ODCS document of the release's version, as JSON: projected and checked by when read."""
    max_age_us: int | None
    """What the subscription accepts at most; the reader takes the stricter of this and the contract's."""
    deprecated: str = ""
    """That the version is on its way out, and what to use instead; empty where it is not."""

    @property
    def reference(self) -> str:
        """`airport_delay@1.3`."""
        return f"{self.view}@{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class Serving:
    """The active release of one bundle for one consumer."""

    bundle: str
    release: int
    epoch: int
    """Catalog offset of the decision that was enacted last; at first, of the BundleReleased."""
    cut: int | None
    """The cut that introduced the release; None for a bundle's first."""
    consumer: str
    views: tuple[ServedView, ...]
    schemas: tuple[ServedSchema, ...]
    declared_at: int = -1
    """Catalog offset from which on the consumer has read this bundle: withdrawn and declared anew, it begins anew."""

    @property
    def topics(self) -> frozenset[str]:
        """The topics that hold its views' records."""
        return frozenset(view.topic for view in self.views)

    @property
    def deprecated(self) -> tuple[tuple[str, str], ...]:
        """(view version, since and until when, and what to use instead) of what is on its way out, sorted."""
        found = {view.reference: view.deprecated for view in self.views if view.deprecated}
        return tuple(sorted(found.items()))

    def pack(self) -> bytes:
        """As the store keeps it."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> Serving:
        """What `pack` wrote."""
        fields: dict[str, Any] = json.loads(packed)
        fields["views"] = tuple(
            ServedView(
                **{
                    **view,
                    "keys": tuple((own, asked) for own, asked in view["keys"]),
                    "features": tuple(view["features"]),
                }
            )
            for view in fields["views"]
        )
        fields["schemas"] = tuple(ServedSchema(**schema) for schema in fields["schemas"])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class AgentCondition:
    """What the agent last said of itself: a reader tells by it whether, and since when, nobody writes the store."""

    agent: str
    state: str
    reason: str
    ready: bool
    """Whether the values are those of the log: the first catch-up is over, and no head was trimmed."""
    reported_at_us: int
    refuses: str = ""
    """Why nothing may be read although it could be: what is served is known to be broken. Empty: all is well."""

    def pack(self) -> bytes:
        """As the store keeps it."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> AgentCondition:
        """What `pack` wrote."""
        return cls(**json.loads(packed))


def serve(
    picture: Picture,
    subscription: SubscriptionDeclared,
    release: Recorded[BundleReleased],
    *,
    epoch: int | None = None,
    cut: int | None = None,
    declared_at: int = -1,
) -> Serving:
    """What a consumer is served under a release, with every schema registered so far for its view MAJORs.

    `epoch` is the catalog offset of the decision that was enacted last, and `cut` the cut that introduced the
    release; without them the release is one that was active from the first.
    """
    freshness = dict(subscription.freshness_us)
    views, schemas = [], {}
    for view in release.payload.views:
        registered = picture.version(view.view, view.version)
        if registered is None:
            raise AssertionError(
                f"the fold lets no release name {view.view}@{view.version}, which is unknown"
            )
        views.append(
            ServedView(
                alias=view.alias,
                view=view.view,
                major=view.version.major,
                minor=view.version.minor,
                topic=registered.topic,
                keys=view.keys,
                features=view.features,
                contract=registered.contract,
                max_age_us=freshness.get(view.alias),
                deprecated=on_its_way_out(picture, view.view, view.version),
            )
        )
        for version, other in picture.views[view.view].items():
            if version.major == view.version.major:
                payload = other.payload
                schemas[payload.schema_id] = ServedSchema(
                    payload.schema_id,
                    f"{payload.view}@{payload.version}",
                    payload.avro_schema,
                    payload.contract,
                )
    return Serving(
        bundle=subscription.bundle,
        release=release.payload.release,
        epoch=release.offset if epoch is None else epoch,
        cut=cut,
        consumer=subscription.consumer,
        views=tuple(views),
        schemas=tuple(schemas[schema_id] for schema_id in sorted(schemas)),
        declared_at=declared_at,
    )
