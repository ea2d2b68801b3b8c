"""`syncline dlq`: dead letters, the copies of all agents folded into one."""

from __future__ import annotations

import click

from syncline.cli.options import connection_settings, output_option
from syncline.cli.output import Output
from syncline.settings import ConnectionSettings

_LISTED = 50


@click.group()
def dlq() -> None:
    """Look at dead letters: messages that broke their contract, kept whole with the reason."""


@dlq.command(name="list")
@click.argument("where", metavar="[VIEW|TOPIC]", required=False)
@click.option(
    "--limit", default=_LISTED, show_default=True, type=click.IntRange(min=1), help="Newest to show."
)
@connection_settings
@output_option
def list_(where: str | None, limit: int, settings: ConnectionSettings, output: Output) -> None:
    """List dead letters: how many broke which rule, and the newest of them.

    VIEW is a reference such as airport_delay or airport_delay@1, TOPIC a feature topic or its dead letter topic;
    without it, those of every view in the catalog are listed. Every agent writes its own copy: copies count once.
    """
    from syncline.cli.letters import letter_document, open_catalog, time_text
    from syncline.inspection.dead_letters import group, read_dead_letters, topics_meant

    log, picture = open_catalog(settings)
    found = read_dead_letters(log, topics_meant(picture, where))
    groups = group(found)
    newest = sorted(found, key=lambda each: (-each.letter.timestamp_ms, each.letter.topic, each.name))[:limit]
    if output.is_json:
        output.document(
            {
                "count": len(found),
                "groups": [
                    {
                        "topic": topic,
                        "rule": rule,
                        "feature": feature,
                        "count": len(members),
                        "newest": time_text(members[0].letter.timestamp_ms),
                    }
                    for (topic, rule, feature), members in groups
                ],
                "dead_letters": [letter_document(each) for each in newest],
            }
        )
        return
    if not found:
        output.line("No dead letters.", style="green")
        return
    output.table(
        ["topic", "rule", "feature", "count", "newest"],
        [
            [topic, rule, feature, str(len(members)), time_text(members[0].letter.timestamp_ms)]
            for (topic, rule, feature), members in groups
        ],
        right=["count"],
    )
    output.line()
    output.table(
        ["time", "topic", "id", "found by", "key", "message"],
        [
            [
                time_text(each.letter.timestamp_ms),
                each.letter.topic,
                each.name,
                "publisher" if each.by_publisher else "agents",
                (each.letter.key or b"").decode(errors="backslashreplace"),
                each.letter.reason.message,
            ]
            for each in newest
        ],
    )
    if len(found) > limit:
        output.say(f"{len(found) - limit} older ones are not shown; --limit shows more")
    output.say("One of them whole: syncline dlq show TOPIC ID")


@dlq.command()
@click.argument("where", metavar="VIEW|TOPIC")
@click.argument("letter_id", metavar="ID")
@connection_settings
@output_option
def show(where: str, letter_id: str, settings: ConnectionSettings, output: Output) -> None:
    """Show one dead letter whole. ID is as `dlq list` gives it: partition:offset of the original record.

    What a publisher rejected never stood in the feature topic: its ID is dlq:partition:offset, of the dead letter.
    """
    from syncline.cli.letters import letter_document, open_catalog
    from syncline.errors import LogError
    from syncline.inspection.dead_letters import decoded, read_dead_letters, topics_meant

    log, picture = open_catalog(settings)
    topics = topics_meant(picture, where)
    wanted = [each for each in read_dead_letters(log, topics) if each.name == letter_id]
    if not wanted:
        raise LogError(
            f"there is no dead letter {letter_id} in {', '.join(topics)}; "
            "`syncline dlq list` shows those that there are"
        )
    documents = [{**letter_document(each), **decoded(picture, each.letter)} for each in wanted]
    if output.is_json:
        output.document({"dead_letters": documents})
        return
    for document in documents:
        width = max(map(len, document))
        for name, content in document.items():
            if isinstance(content, dict):
                output.line(f"{name}:")
                for key, value in content.items():
                    output.line(f"  {key}: {value}")
            elif isinstance(content, list):
                output.line(f"{name}:")
                for key, value in content:
                    output.line(f"  {key}: {value}")
            else:
                output.line(f"{name.ljust(width)}  {content}")
