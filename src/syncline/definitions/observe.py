"""What there is already: the catalog, the topics, and the registry's opinion. Reads only, writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from syncline.catalog.fold import Picture
from syncline.catalog_client import CatalogClient
from syncline.contracts.codec.avro import avro_text
from syncline.definitions.model import Definitions
from syncline.definitions.topics import own_topics, view_topics
from syncline.definitions.views import Views
from syncline.errors import RegistryError, TopicMissing
from syncline.ports.log import Log, TopicDescription
from syncline.ports.registry import Registry
from syncline.wire.topics import Topics


@dataclass(frozen=True, slots=True)
class Observed:
    """What `plan` needs to know beside the folder."""

    picture: Picture
    topics: Mapping[str, TopicDescription | None]
    refusals: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def observe(
    definitions: Definitions,
    *,
    log: Log,
    registry: Registry,
    catalog: CatalogClient,
    topics: Topics,
    timeout_s: float = 15.0,
) -> Observed:
    """Read the catalog to its end, describe every needed topic, and ask the registry about new versions.

    A registry that is down is a note: only apply cannot do without it.

    Raises:
        LogUnavailable: no broker answered in time.
    """
    log.cluster_id()
    needed = [*own_topics(topics), *view_topics(file.contract for file in definitions.contracts)]
    described = {spec.name: log.describe_topic(spec.name, timeout_s) for spec in needed}
    picture = Picture()
    if described[topics.catalog] is not None:
        try:
            picture = catalog.catch_up(timeout_s)
        except TopicMissing:
            described[topics.catalog] = None
    refusals: dict[str, list[str]] = {}
    views = Views(definitions, picture, prefix=topics.prefix)
    try:
        for file in definitions.contracts:
            contract = file.contract
            if picture.version(contract.view, contract.version) is None:
                schema = avro_text(views.following(contract))
                reasons = registry.check(f"{contract.topic}-value", schema)
                if reasons:
                    refusals[contract.reference] = reasons
    except RegistryError as error:
        return Observed(picture, described, {}, (f"the registry was not asked: {error}",))
    return Observed(picture, described, refusals)
