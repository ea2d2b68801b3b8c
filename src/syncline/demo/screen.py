"""What the demo shows: progress on a terminal, plain lines otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Protocol

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

PLAIN_WIDTH = 160
_SIGNS = MappingProxyType({"+": "green", "~": "yellow", "-": "red", "!": "yellow"})
"""How `syncline plan` marks what is new, what changes, what goes, and what a person should look at."""
LINES_EVERY = 4
"""Without a terminal: how many lines of progress a step prints at most, the last one included."""


class Advance(Protocol):
    """Says how far a step has come."""

    def __call__(self, done: int) -> None:
        """`done` of the step's total are done."""
        ...


class Screen:
    """Where the demo's story goes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._step = 0

    @classmethod
    def standard(cls) -> Screen:
        """This process's output: as wide as the terminal, or as wide as its tables where there is none."""
        console = Console(highlight=False)
        return cls(console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH))

    def step(self, text: str) -> None:
        """A new chapter."""
        self._step += 1
        self._console.print(f"\n[bold cyan]{self._step}. {text}[/]")

    def say(self, text: str) -> None:
        """A line of it, wrapped between words. Square brackets in what is said are the speaker's own."""
        self._console.print(Padding(Text(text), (0, 0, 0, 3)))

    def quote(self, line: str) -> None:
        """A line that a command printed, as it printed it; coloured by its sign, as the command does on a terminal."""
        style = _SIGNS.get(line.strip()[:1], "dim")
        self._console.print(Padding(Text(line, style=style), (0, 0, 0, 5)))

    def table(self, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]]) -> None:
        """A table; a column is (heading, "left" or "right")."""
        table = Table(box=None, header_style="bold", pad_edge=True, padding=(0, 1, 0, 1))
        for heading, justify in columns:
            table.add_column(heading, justify="right" if justify == "right" else "left", overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        self._console.print(Padding(table, (0, 0, 0, 2)))

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Advance]:
        """Show how a step proceeds."""
        if self._console.is_terminal:
            bar = Progress(
                TextColumn("   {task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            with bar:
                task = bar.add_task(what, total=total)
                yield lambda done: bar.update(task, completed=done)
            return
        said = 0

        def advance(done: int) -> None:
            nonlocal said
            if done * LINES_EVERY // max(total, 1) > said:
                said = done * LINES_EVERY // max(total, 1)
                self.say(f"{what}: {done:,} of {total:,}")

        yield advance
