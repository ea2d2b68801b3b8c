"""How long a publisher may be used: until it is closed, and only in the process that made it."""

from __future__ import annotations

import os

from syncline.errors import PublisherClosed


class Lifetime:
    """Begins where it is made. A fork does not inherit it: the client's threads, and ours, stay in the parent."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self.ended = False

    @property
    def is_forked(self) -> bool:
        """Whether this is a child of the process that it began in."""
        return self._process != os.getpid()

    def ask_usable(self) -> None:
        """Refuse where nothing could ever be sent.

        Raises:
            PublisherClosed: it was closed, or this process is a fork of the one that made it.
        """
        if self._process != os.getpid():
            raise PublisherClosed(
                f"this publisher was made in process {self._process}, before a fork; its connections stayed there. "
                "Make a publisher in the process that publishes"
            )
        if self.ended:
            raise PublisherClosed("this publisher is closed; make another")
