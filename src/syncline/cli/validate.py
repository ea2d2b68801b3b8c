"""`syncline validate`."""

from __future__ import annotations

import click

from syncline.cli.options import folder_argument, output_option
from syncline.cli.output import Output, counted


@click.command()
@folder_argument
@click.option("--prefix", metavar="NAME", help="What every topic's name begins with. [SYNCLINE_PREFIX]")
@output_option
def validate(folder: str, prefix: str | None, output: Output) -> None:
    """Check the contracts, bundles and subscriptions in FOLDER, and say everything that is wrong with them.

    No server is asked. What only the catalog can tell is left to plan, and said.
    """
    from syncline.cli.options import load_settings
    from syncline.definitions.folder import read_folder

    with output.problems():
        definitions = read_folder(folder, prefix=load_settings(None, None, prefix).prefix)
    counts = {
        "contracts": len(definitions.contracts),
        "bundles": len(definitions.bundles),
        "subscriptions": len(definitions.subscriptions),
    }
    if output.is_json:
        output.document({"valid": True, "problems": [], "notes": definitions.notes, **counts})
        return
    for note in definitions.notes:
        output.say(f"note: {note}")
    output.line(
        f"{folder}: {', '.join(counted(count, name[:-1]) for name, count in counts.items())}: all valid",
        style="green",
    )
