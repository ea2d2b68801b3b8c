"""Lineage: up and down are two sides of one graph, and names mean what people write."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.catalog.events import BundleReleased, BundleView, PolicyKind, SubscriptionDeclared
from syncline.catalog.lifecycle_events import SubscriptionWithdrawn, ViewVersionDeprecated
from syncline.catalog.lineage import Edge, Lineage, Node, NodeKind, lineage
from syncline.contracts.model import Version
from tests.unit.catalog.test_fold import pictured, view

names = st.integers(0, 4).map(lambda number: f"n{number}@{number}")
nodes = st.builds(Node, st.sampled_from(NodeKind), names)


@st.composite
def graphs(draw: st.DrawFn) -> Lineage:
    """Graphs without a way back: data goes from one kind to a later one."""
    order = list(NodeKind)
    found = draw(st.lists(st.tuples(nodes, nodes), max_size=25))
    edges = frozenset(
        Edge(one, other) for one, other in found if order.index(one.kind) < order.index(other.kind)
    )
    return Lineage(edges, {node: {} for pair in found for node in pair})


@given(graphs())
def test_up_and_down_are_inverse(graph: Lineage) -> None:
    """What lies below a node has it above itself, and the other way round."""
    for one in graph.nodes:
        for other in graph.nodes:
            assert (other in graph.down([one])) == (one in graph.up([other]))


@given(graphs(), st.data())
def test_around_holds_exactly_what_lies_above_and_below(graph: Lineage, data: st.DataObject) -> None:
    """Nothing is lost, nothing unrelated comes with it, and the ways between stay."""
    if not graph.nodes:
        return
    node = data.draw(st.sampled_from(graph.nodes))

    part = graph.around([node])

    assert set(part.nodes) == graph.up([node]) | graph.down([node]) | {node}
    assert part.up([node]) == graph.up([node])
    assert part.down([node]) == graph.down([node])
    assert part.edges <= graph.edges


@given(graphs())
def test_of_several_nodes_all_their_ways_are_told(graph: Lineage) -> None:
    """Up of a set is the union of all ups, without the set."""
    chosen = set(graph.nodes[:3])

    assert graph.up(chosen) == frozenset().union(*(graph.up([node]) for node in chosen)) - chosen
    assert graph.down(chosen) == frozenset().union(*(graph.down([node]) for node in chosen)) - chosen


CONTRACT = json.dumps(
    {
        "servers": [{"server": "prod", "type": "kafka"}],
        "schema": [{"properties": [{"name": "f", "transformSourceObjects": ["dwh.flights"]}, "odd"]}],
    }
)
PICTURE = pictured(
    (view(contract=CONTRACT), 0),
    (view(minor=1), 1),
    (view(major=2), 2),
    (BundleReleased("b", 1, "team", (BundleView("v", "v", Version(1, 0), (("k", "k"),), ("f",)),)), 3),
    (BundleReleased("b", 2, "team", (BundleView("v", "v", Version(1, 1), (("k", "k"),), ("f",)),)), 4),
    (SubscriptionDeclared("one", "b", PolicyKind.PIN, 1, model_name="m", model_version="3"), 5),
    (SubscriptionDeclared("two", "b", PolicyKind.FOLLOW, model_name="m", model_version="3"), 6),
    (SubscriptionDeclared("gone", "b", PolicyKind.FOLLOW), 7),
    (SubscriptionWithdrawn("gone"), 8),
    (ViewVersionDeprecated("v", Version(1, 0), date(2027, 1, 1), date(2027, 2, 1)), 9),
)
GRAPH = lineage(PICTURE, {"v@1": ["job"], "v@2.0": ["new-job"]})


def told(graph: Lineage) -> set[str]:
    """The nodes as people read them."""
    return {str(node) for node in graph.nodes}


def test_the_whole_way_from_source_to_model() -> None:
    """Source, publisher, version, release, consumer, model; who withdrew is not there."""
    model = GRAPH.named("m@3")

    assert {str(node) for node in GRAPH.up(model)} >= {
        "source dwh.flights",
        "publisher job",
        "view v@1.0",
        "release b@1",
        "consumer one",
        "consumer two",
        "release b@2",
        "view v@1.1",
    }
    assert "consumer gone" not in told(GRAPH)
    assert {str(node) for node in GRAPH.down(GRAPH.named("new-job"))} == {"view v@2.0"}
    assert GRAPH.facts[GRAPH.named("v@1.0")[0]] == {
        "topic": "t-v-1",
        "owner": "o",
        "schema_id": str(view().schema_id),
        "servers": "prod",
        "state": "deprecated, until 2027-02-01",
    }


MEANT = {
    "v": ["view v@1.0", "view v@1.1", "view v@2.0"],
    "v@1": ["view v@1.0", "view v@1.1"],
    "v@1.1": ["view v@1.1"],
    "b": ["release b@1", "release b@2"],
    "b@2": ["release b@2"],
    "one": ["consumer one"],
    "m": ["model m@3"],
    "job": ["publisher job"],
    "nobody": [],
}


@pytest.mark.parametrize("name", MEANT)
def test_a_name_means_all_that_it_may_mean(name: str) -> None:
    """With a version, with a MAJOR, or without: versions ascend."""
    assert [str(node) for node in GRAPH.named(name)] == MEANT[name]


def test_versions_ascend_as_numbers() -> None:
    """1.10 comes after 1.9."""
    facts = {Node(NodeKind.VIEW, f"v@1.{minor}"): {} for minor in (10, 9, 2)}

    assert [node.name for node in Lineage(facts=facts).nodes] == ["v@1.2", "v@1.9", "v@1.10"]


def test_why_a_consumer_has_a_release_stands_at_the_edge() -> None:
    """Its policy, or that it may be put back to it."""
    consumer = GRAPH.named("one")[0]

    (edge,) = GRAPH.above(consumer)

    assert (str(edge.source), edge.why) == ("release b@1", "policy: pinned to 1")
