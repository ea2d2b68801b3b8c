"""A slice that was judged and joined: what is to be committed of it, and what is to be told of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from syncline.agent.cursor import Cursor
from syncline.state.partition import PartitionWrite
from syncline.state.rows import Rows
from syncline.state.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Folded:
    """A slice that is ready to be committed."""

    cursor: Cursor
    rows: Rows
    verdict: Verdict
    write: PartitionWrite
    cut_off: bool
    """Rows were left out, as they stand at or after the vector of a cut that is to be enacted first."""
    judged_us: tuple[int, int] = (0, 0)
    """When its check began and ended."""
