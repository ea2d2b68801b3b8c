"""`syncline lineage`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from syncline.cli.options import connection_settings, output_option
from syncline.cli.output import Output
from syncline.settings import ConnectionSettings

if TYPE_CHECKING:
    from syncline.catalog.fold import Picture
    from syncline.catalog.lineage import Edge, Lineage, Node
    from syncline.ports.log import Log

_LOOKED_AT = 2_000


@click.command()
@click.argument("name")
@click.option("--up/--down", "up", default=None, help="Only what it is made of, or only who reads it. [both]")
@connection_settings
@output_option
def lineage(name: str, *, up: bool | None, settings: ConnectionSettings, output: Output) -> int:
    """Show where the data of NAME comes from, and where it goes: source, view, release, consumer, model.

    NAME is a view, view@1.3, bundle, bundle@2, consumer, model or publisher. Publishers are those that were seen
    lately; a consumer reads the release that its policy means, and those that it may be put back to.
    """
    from syncline.catalog.lineage import lineage as draw
    from syncline.cli.letters import open_catalog
    from syncline.contracts.nearest import nearest
    from syncline.errors import UnknownBundle

    log, picture = open_catalog(settings)
    whole = draw(picture, _publishers(log, picture, settings))
    chosen = whole.named(name)
    if not chosen:
        known = {each for node in whole.nodes for each in node.names}
        remedy = nearest(name, known) if known else "The catalog has nothing yet: run `syncline apply`"
        raise UnknownBundle(f"the catalog has no view, bundle, consumer, model or publisher {name}. {remedy}")
    if output.is_json:
        output.document(_document(name, whole, chosen, up=up))
        return 0
    for place, node in enumerate(chosen):
        if place:
            output.line()
        _show(whole, node, output, up=up)
    return 0


def _publishers(log: Log, picture: Picture, settings: ConnectionSettings) -> dict[str, set[str]]:
    from syncline.errors import TopicMissing
    from syncline.inspection.fleet import read_reports
    from syncline.inspection.publishers import publishers_by_heartbeat, publishers_in_reports
    from syncline.wire.topics import Topics

    found = publishers_by_heartbeat(log, picture.majors())
    try:
        reports = read_reports(log, Topics(settings.prefix).reports, last=_LOOKED_AT)
    except TopicMissing:
        return found
    for view, names in publishers_in_reports(reports.violations).items():
        found.setdefault(view, set()).update(names)
    return found


def _document(name: str, whole: Lineage, chosen: tuple[Node, ...], *, up: bool | None) -> dict[str, Any]:
    part = whole.around(chosen)
    wanted = set(chosen)
    if up is not False:
        wanted |= whole.up(chosen)
    if up is not True:
        wanted |= whole.down(chosen)
    return {
        "name": name,
        "chosen": [str(node) for node in chosen],
        "nodes": [
            {"id": str(node), "kind": str(node.kind), "name": node.name, "facts": dict(part.facts[node])}
            for node in part.nodes
            if node in wanted
        ],
        "edges": [
            {"from": str(edge.source), "to": str(edge.target), "why": edge.why}
            for edge in sorted(part.edges)
            if edge.source in wanted and edge.target in wanted
        ],
    }


def _show(whole: Lineage, node: Node, output: Output, *, up: bool | None) -> None:
    """The node, what it is made of, and who reads it; each as a tree."""
    output.line(_label(whole, node), style="green")
    for is_up, said in ((True, "comes from"), (False, "goes to")):
        if up in (None, is_up):
            lines = _tree(whole, node, is_up=is_up)
            output.line(f"{said}:" if lines else f"{said}: nothing that is known")
            for line in lines:
                output.line(line)


def _tree(whole: Lineage, root: Node, *, is_up: bool) -> list[str]:
    lines: list[str] = []
    shown: set[Node] = set()

    def branch(node: Node, indent: str) -> None:
        edges = whole.above(node) if is_up else whole.below(node)
        for place, edge in enumerate(edges):
            last = place == len(edges) - 1
            other = edge.source if is_up else edge.target
            again = other in shown and bool(whole.above(other) if is_up else whole.below(other))
            lines.append(
                f"{indent}{'└─ ' if last else '├─ '}{_label(whole, other)}{_why(edge)}"
                + (" (shown above)" if again else "")
            )
            shown.add(other)
            if not again:
                branch(other, indent + ("   " if last else "│  "))

    branch(root, "")
    return lines


def _label(whole: Lineage, node: Node) -> str:
    facts = ", ".join(f"{name} {said}" for name, said in whole.facts[node].items() if said != "yes")
    marks = "".join(f", {name}" for name, said in whole.facts[node].items() if said == "yes")
    told = (facts + marks).removeprefix(", ")
    return f"{node} ({told})" if told else str(node)


def _why(edge: Edge) -> str:
    return f" [{edge.why}]" if edge.why else ""
