"""`syncline contract`: a contract in other forms, its differences, and a first one from data."""

from __future__ import annotations

import json
from pathlib import Path

import click

from syncline.cli.options import connection_settings, output_option
from syncline.cli.output import Output
from syncline.settings import ConnectionSettings

EXIT_CHANGES = 2

_folder_option = click.option(
    "--folder",
    default=".",
    show_default="here",
    type=click.Path(path_type=str),
    help="Where references are looked up first; then in the catalog.",
)
_contract_argument = click.argument("word", metavar="CONTRACT")


@click.group()
def contract() -> None:
    """Show a contract as Avro, JSON Schema, a page or a diff; infer one from data.

    CONTRACT is a file, or a reference such as airport_delay, airport_delay@1 or airport_delay@1.3.
    """


@contract.command()
@_contract_argument
@_folder_option
@click.option("--compact", is_flag=True, help="The text that gets registered, in one line.")
@connection_settings
def avro(word: str, folder: str, compact: bool, settings: ConnectionSettings) -> None:
    """Print the Avro schema of CONTRACT: what travels with every message, its limits as attributes."""
    from syncline.cli.contract_lookup import Lookup
    from syncline.contracts.codec.avro import avro_schema, avro_text

    found = Lookup(folder, settings).find(word)
    click.echo(avro_text(found) if compact else _json(avro_schema(found)))


@contract.command(name="json-schema")
@_contract_argument
@_folder_option
@connection_settings
def json_schema(word: str, folder: str, settings: ConnectionSettings) -> None:
    """Print CONTRACT as JSON Schema (draft 2020-12), for tools that know no Avro."""
    from syncline.cli.contract_lookup import Lookup
    from syncline.contracts.forms.json_schema import json_schema as as_json_schema

    click.echo(_json(as_json_schema(Lookup(folder, settings).find(word))))


@contract.command()
@click.argument("old")
@click.argument("new")
@_folder_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 if they differ, 0 if they do not.")
@connection_settings
@output_option
def diff(
    *,
    old: str,
    new: str,
    folder: str,
    detailed_exitcode: bool,
    settings: ConnectionSettings,
    output: Output,
) -> int:
    """Show what differs between two contracts, and which number of the version each difference asks for.

    OLD and NEW are files or references, as airport_delay@1.2 and contracts/airport_delay.odcs.yaml.
    """
    from syncline.cli.contract_diff import diff_document, show_diff
    from syncline.cli.contract_lookup import Lookup
    from syncline.contracts.compatibility.compare import compare

    lookup = Lookup(folder, settings)
    with output.problems():
        before, after = lookup.find(old), lookup.find(new)
    compared = compare(before, after)
    if output.is_json:
        output.document(diff_document(before, after, compared))
    else:
        show_diff(before, after, compared, output)
    return EXIT_CHANGES if detailed_exitcode and compared.changes else 0


@contract.command()
@click.argument("words", nargs=-1, metavar="[FOLDER] [REFERENCE]...")
@click.option(
    "--output-dir", type=click.Path(path_type=Path), help="Where the pages go. [contract-pages in FOLDER]"
)
@click.option(
    "--offline", is_flag=True, help="Do not ask the catalog: no history, no readers beyond the folder's."
)
@connection_settings
def docs(
    words: tuple[str, ...], output_dir: Path | None, offline: bool, settings: ConnectionSettings
) -> None:
    """Write a page in Markdown for each view of FOLDER (default: here), or for the views that REFERENCE names.

    Each says what the view promises, who reads it, how to publish and read it, and how it came to be. The pages of
    an earlier run are replaced; a folder that holds anything else is left alone.
    """
    from syncline.cli.contract_docs import write_docs

    for line in write_docs(words, output_dir=output_dir, offline=offline, settings=settings):
        click.echo(line, err=True)


@contract.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--view", metavar="NAME", help="The view's name. [the file's name]")
@click.option(
    "--key", "keys", metavar="COLUMN", multiple=True, help="A join key; may be given again. [proposed]"
)
@click.option("--event-time", metavar="COLUMN", help="The column that says when it happened. [proposed]")
@click.option("--owner", metavar="TEAM", help="Who answers for the view.")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write it. [standard output]")
@click.option("--force", is_flag=True, help="Overwrite the file named by --out.")
def infer(
    *,
    file: Path,
    view: str | None,
    keys: tuple[str, ...],
    event_time: str | None,
    owner: str | None,
    out: Path | None,
    force: bool,
) -> None:
    """Propose a first contract from the data in FILE (Parquet or CSV). What is a guess is marked for review.

    The file is read in batches, however large it is.
    """
    from syncline.cli.contract_infer import Wishes, infer_contract

    wishes = Wishes(view=view, keys=keys, event_time=event_time, owner=owner)
    text, notes = infer_contract(file, wishes, out=out, force=force)
    if out is None:
        click.echo(text, nl=False)
    for note in notes:
        click.echo(note, err=True)


def _json(schema: object) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False)
