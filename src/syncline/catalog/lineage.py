"""Where a model's input comes from and who reads what, as a graph: source → view → release → consumer → model. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from syncline.catalog.lifecycle import releases_in_use

if TYPE_CHECKING:
    from syncline.catalog.events import SubscriptionDeclared, ViewVersionRegistered
    from syncline.catalog.fold import Picture


class NodeKind(StrEnum):
    """What a node is; data goes from each kind to the next."""

    SOURCE = "source"
    """What a contract says that its features are made of (`transformSourceObjects`)."""
    PUBLISHER = "publisher"
    VIEW = "view"
    """A view version."""
    RELEASE = "release"
    CONSUMER = "consumer"
    MODEL = "model"


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """One thing that data goes through: `view airport_delay@1.3`."""

    kind: NodeKind
    name: str

    def __str__(self) -> str:
        """Its kind and name."""
        return f"{self.kind} {self.name}"

    @property
    def names(self) -> frozenset[str]:
        """What it may be asked for by: with its version, and without; a view with its MAJOR alone, too."""
        stem, at, version = self.name.partition("@")
        if self.kind is NodeKind.VIEW:
            return frozenset({self.name, stem, f"{stem}@{version.partition('.')[0]}"})
        if self.kind in (NodeKind.RELEASE, NodeKind.MODEL) and at:
            return frozenset({self.name, stem})
        return frozenset({self.name})


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """Data goes from one node to the other."""

    source: Node
    target: Node
    why: str = ""
    """Why, where that is not plain: the policy by which a consumer has a release."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """Nodes, edges, and what is known of each node."""

    edges: frozenset[Edge] = frozenset()
    facts: Mapping[Node, Mapping[str, str]] = field(default_factory=dict)
    """Node → what is known of it, as `owner`; every node of the graph has an entry."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every node, by kind and name."""
        return tuple(sorted(self.facts, key=_order))

    def named(self, name: str) -> tuple[Node, ...]:
        """The nodes that a name means: `airport_delay` is each of its versions; a name may have several kinds."""
        return tuple(node for node in self.nodes if name in node.names)

    def above(self, node: Node) -> tuple[Edge, ...]:
        """The edges that lead to it."""
        return tuple(sorted((edge for edge in self.edges if edge.target == node), key=_edge_order))

    def below(self, node: Node) -> tuple[Edge, ...]:
        """The edges that lead away from it."""
        return tuple(sorted((edge for edge in self.edges if edge.source == node), key=_edge_order))

    def up(self, nodes: Iterable[Node]) -> frozenset[Node]:
        """All that data comes from on its way to these nodes, without themselves."""
        into = defaultdict(set)
        for edge in self.edges:
            into[edge.target].add(edge.source)
        return _reached(nodes, into)

    def down(self, nodes: Iterable[Node]) -> frozenset[Node]:
        """All that data from these nodes goes to, without themselves."""
        onto = defaultdict(set)
        for edge in self.edges:
            onto[edge.source].add(edge.target)
        return _reached(nodes, onto)

    def around(self, nodes: Iterable[Node]) -> Lineage:
        """The part of the graph that lies above and below these nodes."""
        chosen = frozenset(nodes)
        upper, lower = self.up(chosen) | chosen, self.down(chosen) | chosen
        edges = frozenset(
            edge
            for edge in self.edges
            if (edge.source in upper and edge.target in upper)
            or (edge.source in lower and edge.target in lower)
        )
        return Lineage(edges, {node: self.facts[node] for node in upper | lower})


def lineage(picture: Picture, publishers: Mapping[str, Iterable[str]] | None = None) -> Lineage:
    """The graph of all that stands in the catalog.

    Args:
        picture: what stands.
        publishers: `airport_delay@1.3`, or `airport_delay@1` of all versions of the MAJOR → who was seen to publish it.
    """
    edges: set[Edge] = set()
    facts: dict[Node, Mapping[str, str]] = {}
    for registered in picture.registrations():
        _add_view(picture, registered, publishers or {}, edges, facts)
    for bundle, releases in picture.releases.items():
        live = picture.coordination.standing(bundle)
        for recorded in releases:
            release = recorded.payload
            node = Node(NodeKind.RELEASE, f"{bundle}@{release.release}")
            facts[node] = {"owner": release.owner} | ({"stands": "yes"} if release.release == live else {})
            for view in release.views:
                edges.add(Edge(Node(NodeKind.VIEW, f"{view.view}@{view.version.without_patch}"), node))
    for recorded_subscription in picture.subscriptions.values():
        _add_consumer(picture, recorded_subscription.payload, edges, facts)
    return Lineage(frozenset(edges), facts)


def _add_view(
    picture: Picture,
    registered: ViewVersionRegistered,
    publishers: Mapping[str, Iterable[str]],
    edges: set[Edge],
    facts: dict[Node, Mapping[str, str]],
) -> None:
    version = registered.version.without_patch
    node = Node(NodeKind.VIEW, f"{registered.view}@{version}")
    known = {"topic": registered.topic, "owner": registered.owner, "schema_id": str(registered.schema_id)}
    contract = _document(registered.contract)
    servers = sorted(
        {str(server["server"]) for server in _dicts(contract.get("servers")) if server.get("server")}
    )
    if servers:
        known["servers"] = ", ".join(servers)
    key = (registered.view, version)
    if key in picture.retired:
        known["state"] = "retired"
    elif key in picture.deprecated:
        known["state"] = f"deprecated, until {picture.deprecated[key].payload.until}"
    facts[node] = known
    for name in (node.name, f"{registered.view}@{version.major}"):
        for publisher in publishers.get(name, ()):
            _join(Node(NodeKind.PUBLISHER, publisher), node, edges, facts)
    for source in _sources(contract):
        _join(Node(NodeKind.SOURCE, source), node, edges, facts)


def _add_consumer(
    picture: Picture,
    subscription: SubscriptionDeclared,
    edges: set[Edge],
    facts: dict[Node, Mapping[str, str]],
) -> None:
    node = Node(NodeKind.CONSUMER, subscription.consumer)
    facts[node] = dict(subscription.labels)
    for number, why in releases_in_use(picture, subscription).items():
        edges.add(Edge(Node(NodeKind.RELEASE, f"{subscription.bundle}@{number}"), node, why))
    if subscription.model_name:
        version = f"@{subscription.model_version}" if subscription.model_version else ""
        model = Node(NodeKind.MODEL, f"{subscription.model_name}{version}")
        facts.setdefault(model, {})
        edges.add(Edge(node, model))


def _join(above: Node, node: Node, edges: set[Edge], facts: dict[Node, Mapping[str, str]]) -> None:
    facts.setdefault(above, {})
    edges.add(Edge(above, node))


def _document(text: str) -> dict[str, Any]:
    """The contract, which the fold knows to be a JSON object."""
    found = json.loads(text)
    return found if isinstance(found, dict) else {}


def _sources(contract: Mapping[str, Any]) -> list[str]:
    """What the contract says that its features are made of."""
    found = {
        source
        for schema in _dicts(contract.get("schema"))
        for each in _dicts(schema.get("properties"))
        for source in (each.get("transformSourceObjects") or ())
        if isinstance(source, str) and source
    }
    return sorted(found)


def _dicts(found: Any) -> list[dict[str, Any]]:  # noqa: ANN401  whatever a document of another program holds
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _reached(nodes: Iterable[Node], onto: Mapping[Node, set[Node]]) -> frozenset[Node]:
    start = set(nodes)
    found: set[Node] = set()
    left = list(start)
    while left:
        for following in onto.get(left.pop(), ()):
            if following not in found:
                found.add(following)
                left.append(following)
    return frozenset(found - start)


def _order(node: Node) -> tuple[int, str, tuple[int, ...], str]:
    """By kind, and within it by name, whose versions ascend as numbers."""
    stem, _, version = node.name.partition("@")
    parts = version.split(".") if version else []
    numbers = tuple(int(part) for part in parts) if all(_is_small(part) for part in parts) else ()
    return list(NodeKind).index(node.kind), stem, numbers, node.name


def _is_small(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) <= _DIGITS_MAX


def _edge_order(edge: Edge) -> tuple[object, ...]:
    return _order(edge.source), _order(edge.target), edge.why


_DIGITS_MAX = 9
