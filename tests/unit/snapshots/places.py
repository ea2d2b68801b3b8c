"""Places of snapshots that fail, and changes to what stands in one."""

from __future__ import annotations

from collections.abc import Callable

from syncline.adapters.memory.snapshots import MemorySnapshots
from syncline.errors import SnapshotError


class Killed(BaseException):
    """The process ends here."""


class FailingPlace(MemorySnapshots):
    """Keeps files in memory until the n-th write, which raises; deletes can be made to fail, too."""

    def __init__(self, *, fail_at: int, error: Callable[[], BaseException], deletes: bool = True) -> None:
        super().__init__()
        self.writes = 0
        self._fail_at = fail_at
        self._error = error
        self._deletes = deletes

    def write(self, name: str, content: bytes) -> None:
        """Fails at the n-th, counted from 0."""
        number, self.writes = self.writes, self.writes + 1
        if number == self._fail_at:
            raise self._error()
        super().write(name, content)

    def delete(self, name: str) -> None:
        """Fails where deletes do."""
        if not self._deletes:
            raise SnapshotError("the place cannot be written")
        super().delete(name)


def copied(files: MemorySnapshots) -> MemorySnapshots:
    """Another place with the same files."""
    other = MemorySnapshots()
    for name in files.names():
        content = files.read(name, 1 << 30)
        assert content is not None
        other.write(name, content)
    return other
