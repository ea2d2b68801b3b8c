"""librdkafka's log lines, turned into what Python code can handle; nothing is ever printed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_LOGGER = logging.getLogger("syncline.kafka")
_LOGGER.addHandler(logging.NullHandler())  # else Python's last resort prints warnings to stderr

# One dictionary of properties serves readers, writers and the admin client, so these lines say nothing.
_EXPECTED = ("is a producer property", "is a consumer property")


class LineSink(Protocol):
    """What librdkafka's binding calls with each line."""

    def log(self, level: int, message: str, *args: object) -> None:
        """Take one line."""
        ...


class Lines:
    """Hands each line that matters to a callable, as one text."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take

    def log(self, level: int, message: str, *args: object) -> None:
        """See `LineSink.log`; the level is already bounded by the client's `log_level`."""
        del level
        text = message % args if args else message
        if not any(phrase in text for phrase in _EXPECTED):
            self._take(text)


def logged_lines() -> Lines:
    """Lines as warnings of the logger `syncline.kafka`."""
    return Lines(_LOGGER.warning)
