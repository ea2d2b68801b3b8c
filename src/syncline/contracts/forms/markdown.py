"""Markdown that shows what a text says and nothing else, and that is read as easily raw as rendered."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_AT_THE_START = re.compile(r"^(?:[-+#=]|[0-9]{1,9}[.)])(?=\s|$|[-+#=])")
_WIDEST_PADDED = 48


def prose(text: str) -> str:
    """A text on one line, in which nothing is markup."""
    line = " ".join(_printable(text).split())
    escaped = _SPECIAL.sub(lambda match: "\\" + match[0], line).translate(_ENTITIES)
    return _AT_THE_START.sub(lambda match: match[0][:-1] + "\\" + match[0][-1], escaped)


def paragraphs(text: str) -> str:
    """A text of one or more paragraphs, in which nothing is markup."""
    return "\n\n".join(prose(part) for part in re.split(r"\n\s*\n", text) if part.strip())


def code(text: str, *, in_table: bool = False) -> str:
    """A text as a code span; in a table a `|` needs a backslash even there."""
    line = _printable(text).replace("\n", " ") or " "
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    padded = f" {line} " if line[0] in "` " or line[-1] in "` " else line
    span = f"{fence}{padded}{fence}"
    return span.replace("|", "\\|") if in_table else span


def block(text: str, language: str) -> str:
    """A text as a block of code."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns are aligned in the text too, but for those that are wide; cells are Markdown already."""
    widths = [
        min(_WIDEST_PADDED, max(len(cell) for cell in (name, *cells)))
        for name, *cells in zip(columns, *rows, strict=True)
    ]
    lines = [_row(columns, widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    return "\n".join([*lines, *(_row(row, widths) for row in rows)])


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "| " + " | ".join(padded) + " |"


def _printable(text: str) -> str:
    return "".join(
        character
        if character.isprintable() or character in "\n\t "
        else character.encode("unicode_escape", "backslashreplace").decode()
        for character in text
    )
