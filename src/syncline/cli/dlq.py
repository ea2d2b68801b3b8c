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
    from syncline.cli.letters import group, letter_document, open_letters, time_text

    with open_letters(settings) as letters:
        found = letters.read(letters.topics(where))
    groups = group(found)
    newest = sorted(
        found, key=lambda letter: (-letter.timestamp_ms, letter.topic, letter.partition, letter.offset)
    )
    if output.is_json:
        output.document(
            {
                "count": len(found),
                "groups": [
                    {
                        "topic": topic,
                        "rule": rule,
                        "feature": feature,
                        "count": count,
                        "newest": time_text(newest_ms),
                    }
                    for (topic, rule, feature), (count, newest_ms) in groups
                ],
                "dead_letters": [letter_document(letter) for letter in newest[:limit]],
            }
        )
        return
    if not found:
        output.line("No dead letters.", style="green")
        return
    output.table(
        ["topic", "rule", "feature", "count", "newest"],
        [
            [topic, rule, feature, str(count), time_text(newest_ms)]
            for (topic, rule, feature), (count, newest_ms) in groups
        ],
        right=["count"],
    )
    output.line()
    output.table(
        ["time", "topic", "partition", "offset", "key", "message"],
        [
            [
                time_text(letter.timestamp_ms),
                letter.topic,
                str(letter.partition),
                str(letter.offset),
                (letter.key or b"").decode(errors="backslashreplace"),
                letter.reason.message,
            ]
            for letter in newest[:limit]
        ],
        right=["partition", "offset"],
    )
    if len(found) > limit:
        output.say(f"{len(found) - limit} older ones are not shown; --limit shows more")
    output.say("One of them whole: syncline dlq show TOPIC PARTITION OFFSET")


@dlq.command()
@click.argument("where", metavar="VIEW|TOPIC")
@click.argument("partition", type=click.IntRange(min=0))
@click.argument("offset", type=click.IntRange(min=0))
@connection_settings
@output_option
def show(where: str, partition: int, offset: int, settings: ConnectionSettings, output: Output) -> None:
    """Show one dead letter whole. PARTITION and OFFSET are those of the original record, as `dlq list` gives them."""
    from syncline.cli.letters import letter_document, open_letters
    from syncline.errors import LogError

    with open_letters(settings) as letters:
        topics = letters.topics(where)
        wanted = [
            letter
            for letter in letters.read(topics)
            if (letter.partition, letter.offset) == (partition, offset)
        ]
        if not wanted:
            raise LogError(
                f"there is no dead letter of partition {partition}, offset {offset} in "
                f"{', '.join(topics)}; `syncline dlq list` shows those that there are"
            )
        decoded = [letters.decoded(letter) for letter in wanted]
    documents = [
        {**letter_document(letter), **fields} for letter, fields in zip(wanted, decoded, strict=True)
    ]
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
