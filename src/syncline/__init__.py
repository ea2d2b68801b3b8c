"""Syncline keeps a feature store and everyone who consumes it in step, over Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncline.version import __version__

if TYPE_CHECKING:
    from syncline.wiring import FeatureReader, Publisher

__all__ = ["FeatureReader", "Publisher", "__version__"]


def __getattr__(name: str) -> object:
    """Load a role when it is first asked for: a publisher's job pays for no reader, and the other way round."""
    if name in ("FeatureReader", "Publisher"):
        from syncline import wiring

        return getattr(wiring, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
