"""`syncline dlq`: dead letters, the copies of all agents folded into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncline.cli.letter_filters import letter_filters
from syncline.cli.options import connection_settings, output_option
from syncline.cli.output import Output, counted
from syncline.cli.replay import replay
from syncline.settings import ConnectionSettings

if TYPE_CHECKING:
    from syncline.inspection.dead_letters import Wanted

_LISTED = 50


@click.group()
def dlq() -> None:
    """Look at dead letters, and publish them again: messages that broke their contract, kept whole with the reason."""


dlq.add_command(replay)


@dlq.command(name="list")
@click.argument("where", metavar="[VIEW|TOPIC]", required=False)
@letter_filters
@click.option(
    "--limit", default=_LISTED, show_default=True, type=click.IntRange(min=1), help="Newest to show."
)
@connection_settings
@output_option
def list_(
    where: str | None, *, wanted: Wanted, limit: int, settings: ConnectionSettings, output: Output
) -> None:
    """List dead letters: how many broke which rule, and the newest of them.

    VIEW is a reference such as airport_delay or airport_delay@1, TOPIC a feature topic or its dead letter topic;
    without it, those of every view in the catalog are listed. Every agent writes its own copy: copies count once.
    """
    from syncline.cli.letters import letter_document, open_catalog, text_or_hex, time_text
    from syncline.inspection.dead_letters import DeadLetters, survey, topics_meant

    log, picture = open_catalog(settings)
    letters = DeadLetters(log, topics_meant(picture, where), wanted)
    found = survey(letters, limit=limit)
    if output.is_json:
        output.document(
            {
                "count": found.count,
                "no_letters": letters.no_letters,
                "groups": [
                    {
                        "topic": group.topic,
                        "rule": group.rule,
                        "feature": group.feature,
                        "count": group.count,
                        "newest": time_text(group.newest_ms),
                    }
                    for group in found.groups
                ],
                "dead_letters": [letter_document(picture, each) for each in found.newest],
            }
        )
        return
    if letters.no_letters:
        strangers = counted(letters.no_letters, "record")
        output.say(f"{strangers} in these dead letter topics have no dead letter's headers, and are left out")
    if not found.count:
        output.line("No dead letters match." if wanted.is_narrow else "No dead letters.", style="green")
        return
    output.table(
        ["topic", "rule", "feature", "count", "newest"],
        [
            [group.topic, group.rule, group.feature, str(group.count), time_text(group.newest_ms)]
            for group in found.groups
        ],
        right=["count"],
    )
    output.line()
    output.table(
        ["time", "topic", "id", "found by", "key", "message"],
        [
            [
                time_text(each.letter.timestamp_ms),
                each.topic,
                each.name,
                "publisher" if each.by_publisher else "agents",
                text_or_hex(each.letter.key) or "",
                each.letter.reason.message,
            ]
            for each in found.newest
        ],
    )
    if found.count > limit:
        output.say(f"{found.count - limit} older ones are not shown; --limit shows more")
    output.say(
        "One of them whole: syncline dlq show TOPIC ID. To publish them again: syncline dlq replay TOPIC"
    )


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
    from syncline.inspection.dead_letters import DeadLetters, Wanted, decoded, topics_meant

    log, picture = open_catalog(settings)
    topics = topics_meant(picture, where)
    found = list(DeadLetters(log, topics, Wanted(names=frozenset([letter_id]))))
    if not found:
        raise LogError(
            f"there is no dead letter {letter_id} in {', '.join(topics)}; "
            "`syncline dlq list` shows those that there are"
        )
    documents = [{**letter_document(picture, each), **decoded(picture, each)} for each in found]
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
