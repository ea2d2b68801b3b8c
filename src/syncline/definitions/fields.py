"""Reads the fields of a `syncline/v1` document, noting every problem and going on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from syncline.contracts.nearest import nearest
from syncline.contracts.odcs.located import Findings, Path

API_VERSION = "syncline/v1"

NAME = re.compile(r"[a-z][a-z0-9_]{0,99}", re.ASCII)
CONSUMER = re.compile(r"[a-z][a-z0-9._-]{0,99}", re.ASCII)
REQUEST_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)

NAME_RULE = "Use lower-case letters, digits and `_`, beginning with a letter, at most 100 characters"
CONSUMER_RULE = (
    "Use lower-case letters, digits, `-`, `_` and `.`, beginning with a letter, at most 100 characters"
)
REQUEST_NAME_RULE = "Use letters, digits and `_`, not beginning with a digit, at most 100 characters"


class Fields:
    """A mapping of a document. Each method notes what is wrong with one field and gives None instead of it."""

    def __init__(
        self, data: Mapping[str, Any], path: Path, findings: Findings, known: tuple[str, ...]
    ) -> None:
        self._data = data
        self._path = path
        self._findings = findings
        for name in data:
            if name not in known:
                self.add(name, "unknown-key", f"there is no `{name}` here", nearest(name, known))

    def __contains__(self, name: str) -> bool:
        """Whether the field is written, and not as null."""
        return self._data.get(name) is not None

    def add(self, name: str | int | None, rule: str, message: str, remedy: str) -> None:
        """Note that a field (None: the mapping itself) breaks `rule`."""
        self._findings.add(self._path if name is None else (*self._path, name), rule, message, remedy)

    def missing(self, name: str, remedy: str) -> None:
        """Note that a required field is not there."""
        self.add(None, f"missing-{name}", f"`{name}` is missing", remedy)

    def text(
        self, name: str, *, pattern: re.Pattern[str] | None, rule: str, required: bool = True
    ) -> str | None:
        """A text that matches `pattern`; `rule` is the remedy."""
        value = self._data.get(name)
        if value is None:
            if required:
                self.missing(name, f"Write `{name}: ...`")
            return None
        if isinstance(value, str) and value.strip() and (pattern is None or pattern.fullmatch(value)):
            return value
        if not isinstance(value, str):
            self.add(name, "type", f"{value!r:.40} is no text", "Write a text; put a number in quotes")
        else:
            self.add(name, "name" if pattern else "empty", f"{value!r:.60} is not allowed", rule)
        return None

    def flag(self, name: str) -> bool:
        """True or false; false where it is not written."""
        value = self._data.get(name, False)
        if not isinstance(value, bool):
            self.add(name, "type", f"{value!r:.40} is neither true nor false", "Write `true` or `false`")
            return False
        return value

    def mapping(self, name: str, example: str) -> dict[str, Any] | None:
        """A mapping; None where it is not written or is none."""
        value = self._data.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.add(name, "type", f"{value!r:.40} is no mapping", f"Write `{name}: {example}`")
            return None
        return value

    def listed(self, name: str, example: str) -> list[Any] | None:
        """A list with at least one item; None where it is not written or is none."""
        value = self._data.get(name)
        if value is None:
            return None
        if not isinstance(value, list):
            self.add(name, "type", f"{value!r:.40} is no list", f"Write `{name}: {example}`")
            return None
        if not value:
            self.add(name, "empty", f"`{name}` is empty", f"Write `{name}: {example}`, or leave it out")
            return None
        return value

    def texts(self, name: str, example: str) -> dict[str, str]:
        """A mapping of texts to texts; empty where it is not written."""
        found = {}
        for key, value in (self.mapping(name, example) or {}).items():
            if isinstance(value, str):
                found[key] = value
            else:
                self._findings.add(
                    (*self._path, name, key), "type", f"{value!r:.40} is no text", "Put it in quotes"
                )
        return found

    def value(self, name: str) -> object:
        """The field as it stands."""
        return self._data.get(name)

    def path(self, *parts: str | int) -> Path:
        """The path of a part."""
        return (*self._path, *parts)
