"""What a page about a view tells beside its contract: who reads it, and how it came to be. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncline.contracts.compatibility.comparison import Comparison
    from syncline.contracts.model import Contract


@dataclass(frozen=True, slots=True)
class Consumer:
    """A subscription that reads a view."""

    name: str
    policy: str
    """`pin 1`, `compatible 1` or `follow`."""
    model: str | None
    """`delay_predictor 12`."""
    required: bool


@dataclass(frozen=True, slots=True)
class Use:
    """A bundle that holds the view, and who subscribed to it."""

    bundle: str
    alias: str
    version: str
    """As the bundle names it: `1` or `1.3`."""
    keys: tuple[tuple[str, str], ...]
    """(join key of the view, name in a request)."""
    features: tuple[str, ...] | None
    """None means all."""
    consumers: tuple[Consumer, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A version of the view, as it was decided."""

    version: str
    """`1.3`."""
    compared: Comparison | None
    """With the version before; None for the first."""
    when: str = ""
    """Day and time, UTC; empty where only the folder tells."""
    actor: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """All that a page tells of a view's MAJOR."""

    contract: Contract
    uses: tuple[Use, ...] = ()
    history: tuple[Step, ...] = ()
    """Newest first."""
    source: str = ""
    """Where history and readers were looked for, as a sentence."""
    majors: tuple[tuple[str, str], ...] = ()
    """The other MAJORs of the view: (reference, file of its page)."""
