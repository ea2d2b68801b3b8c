"""A place of snapshots in memory, for tests and for trying things out."""

from __future__ import annotations

import threading

from syncline.ports.snapshots import check_name


class MemorySnapshots:
    """Keeps files in a dict. Implements `SnapshotStore`; safe for use by several threads."""

    location = "memory"

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """See `SnapshotStore.names`."""
        with self._lock:
            return sorted(self._files)

    def read(self, name: str, bytes_max: int) -> bytes | None:
        """See `SnapshotStore.read`."""
        check_name(name)
        with self._lock:
            content = self._files.get(name)
        return None if content is None else content[: bytes_max + 1]

    def write(self, name: str, content: bytes) -> None:
        """See `SnapshotStore.write`."""
        check_name(name)
        with self._lock:
            self._files[name] = bytes(content)

    def delete(self, name: str) -> None:
        """See `SnapshotStore.delete`."""
        check_name(name)
        with self._lock:
            self._files.pop(name, None)
