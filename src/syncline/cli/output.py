"""What a command prints: results on stdout, as text or JSON; everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click

from syncline.errors import DefinitionError

FORMAT_VERSION = 1


class Output:
    """The output of one command: text for people, or one JSON document with a `format_version`."""

    def __init__(self, form: str) -> None:
        self.is_json = form == "json"
        self._has_document = False

    def document(self, content: Mapping[str, Any]) -> None:
        """Print the JSON document."""
        self._has_document = True
        click.echo(json.dumps({"format_version": FORMAT_VERSION, **content}, indent=2, ensure_ascii=False))

    def failure(self, error: Exception, sentence: str) -> None:
        """Under JSON, a failure is a document, too, unless the command has printed its own."""
        if self.is_json and not self._has_document:
            told = {"kind": type(error).__name__, "message": printable(sentence, lines=True)}
            self.document({"error": told})

    def line(self, text: str = "", *, style: str = "") -> None:
        """Print a line of the result; colours only on terminals that want them."""
        if style and _coloured():
            click.secho(printable(text), fg=style)
        else:
            click.echo(printable(text))

    def say(self, text: str) -> None:
        """A message beside the result, on stderr."""
        click.echo(printable(text, lines=True), err=True)

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()
    ) -> None:
        """Print a table; the columns named in `right` are numbers."""
        cells = [[printable(cell) for cell in row] for row in rows]
        if sys.stdout.isatty():
            _rich_table(columns, cells, right)
            return
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        for row in (list(columns), *cells):
            parts = [
                cell.rjust(width) if name in right else cell.ljust(width)
                for name, cell, width in zip(columns, row, widths, strict=True)
            ]
            click.echo("  ".join(parts).rstrip())

    @contextmanager
    def problems(self) -> Iterator[None]:
        """Under JSON, wrong definitions are a document of problems, too; they are raised all the same."""
        try:
            yield
        except DefinitionError as error:
            if self.is_json:
                self.document({"valid": False, "problems": [asdict(problem) for problem in error.problems]})
            raise


def printable(text: str, *, lines: bool = False) -> str:
    """The text without what could steer a terminal: anyone can write to a topic. `lines` keeps line ends."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or (lines and character == "\n")
        else character.encode("unicode_escape").decode()
        for character in text
    )


def counted(count: int, noun: str) -> str:
    """`1 topic`, `2 topics`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(table)
