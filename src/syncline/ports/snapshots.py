"""The SnapshotStore port: where snapshots are kept, as files by name."""

from __future__ import annotations

import re
from typing import Protocol

from syncline.errors import SnapshotError


class SnapshotStore(Protocol):
    """Files under one location. Names are `/`-separated; each part begins with a letter or digit.

    Files that others put there under other names are not seen.
    """

    @property
    def location(self) -> str:
        """Where this is, for messages: without credentials."""
        ...

    def names(self) -> list[str]:
        """The name of every file, sorted; none where the location does not exist yet.

        Raises:
            SnapshotError: the location cannot be read.
        """
        ...

    def read(self, name: str, bytes_max: int) -> bytes | None:
        """The file's content, or None where there is none; of a longer one, its first `bytes_max` + 1 bytes.

        Raises:
            SnapshotError: it cannot be read.
        """
        ...

    def write(self, name: str, content: bytes) -> None:
        """Keep the content under this name: when this returns it is durable, and before nobody sees part of it.

        What stood there is replaced.

        Raises:
            SnapshotError: it cannot be written; nothing is there under this name that was not there before.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove the file; one that is not there is no error.

        Raises:
            SnapshotError: it cannot be removed.
        """
        ...


def is_name(name: str) -> bool:
    """Whether this can be a file's name, one that does not lead out of the location."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Refuse what is no name of a file; every adapter calls it first.

    Raises:
        SnapshotError: it is none.
    """
    if not is_name(name):
        raise SnapshotError(
            f"{name[:80]!r} cannot be a file's name: give letters, digits, '.', '-', '_', '/'"
        )


_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,3}")
