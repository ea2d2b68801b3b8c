"""Values out of a JSON object that anyone may have changed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from syncline.errors import SnapshotRefused


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one object. Each method gives a value of its type, or raises SnapshotRefused naming the field."""

    content: dict[str, Any]
    where: str

    def text(self, name: str) -> str:
        """A string that can be written down: no half of a surrogate pair."""
        found = self.content.get(name)
        try:
            if isinstance(found, str) and found.encode():
                return found
        except UnicodeEncodeError:
            pass
        raise self._refused(name, "a text")

    def text_or_none(self, name: str) -> str | None:
        """A string, or null."""
        return None if self.content.get(name, "") is None else self.text(name)

    def whole(self, name: str, first: int, end: int) -> int:
        """An integer from `first` on and below `end`."""
        found = self.content.get(name)
        if isinstance(found, bool) or not isinstance(found, int) or not first <= found < end:
            raise self._refused(name, f"an integer from {first} to {end - 1}")
        return found

    def base64(self, name: str, length: int) -> bytes:
        """So many bytes, as base64."""
        try:
            found = base64.b64decode(self.text(name), validate=True)
        except (binascii.Error, ValueError):
            found = b""
        if len(found) != length:
            raise self._refused(name, f"{length} bytes as base64")
        return found

    def each(self, name: str) -> Iterator[Fields]:
        """The objects of a list, one after the other."""
        found = self.content.get(name)
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self._refused(name, "a list of objects")
        return (Fields(each, f"{self.where}: {name}[{number}]") for number, each in enumerate(found))

    def _refused(self, name: str, wanted: str) -> SnapshotRefused:
        return SnapshotRefused(
            f"{self.where}: {name} is not {wanted}: it was changed, or no Syncline wrote it"
        )
