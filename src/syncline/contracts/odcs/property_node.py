"""One property of a document's schema object: what holds for all of them, for the event time, and for join keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from syncline.contracts.model import FeatureType, JoinKey
from syncline.contracts.odcs.custom import custom_properties

if TYPE_CHECKING:
    from syncline.contracts.odcs.located import Findings, Path

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_KEY_REMEDY = "State it on a feature that repeats the key, or remove it"
_EVENT_TIME_PHYSICAL_TYPES = ("timestamp-micros", "timestamp")


class PropertyNode:
    """One property of the document and the place where it stands."""

    def __init__(self, item: dict[str, Any], path: Path, findings: Findings) -> None:
        self.item = item
        self.path = path
        self.findings = findings

    def name(self, seen: dict[str, int], number: int) -> str | None:
        """The property's name, noted in `seen`; None where it is no name, or another property has it."""
        name = self.item.get("name")
        if name is None:
            self.findings.add(self.path, "missing-name", "`name` is missing", "State `name`")
            return None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self.add(
                "name",
                "name",
                f"{name!r:.60} cannot name a feature",
                "Use letters, digits and `_`, not beginning with a digit, at most 100 characters",
            )
            return None
        if name in seen:
            self.add(
                "name", "duplicate-name", f"`{name}` is also property {seen[name]}", "Rename one of them"
            )
            return None
        seen[name] = number
        return name

    def check_common(self) -> None:
        """The rules that hold for every property."""
        if not isinstance(self.item.get("required"), bool):
            self.add(
                "required",
                "required-unstated",
                "whether it may be null is not stated",
                "State `required: true` or `required: false`",
            )
        physical = self.item.get("physicalName")
        if isinstance(physical, str) and physical != self.item.get("name"):
            self.add(
                "physicalName", "physical-name", "it differs from `name`", "Remove it: the wire uses `name`"
            )

    def check_event_time(self) -> None:
        """The event time is a required timestamp without limits of its own."""
        if self.item.get("logicalType") != "timestamp":
            self.add(
                "logicalType",
                "event-time",
                "the event time is no timestamp",
                "Write `logicalType: timestamp`",
            )
        if self.item.get("physicalType", "timestamp") not in _EVENT_TIME_PHYSICAL_TYPES:
            self.add(
                "physicalType",
                "event-time",
                "the event time is kept in microseconds",
                "Write `timestamp-micros`",
            )
        if self.item.get("required") is False:
            self.add("required", "event-time", "every update has an event time", "Write `required: true`")
        if self.item.get("primaryKey") is True:
            self.add("primaryKey", "event-time", "the event time is no part of the key", "Remove it")
        for option in self.options():
            if option not in ("timezone", "defaultTimezone"):
                remedy = "Remove it; `syncline.maxAhead` and `syncline.lateArrival` of the document limit it"
                self.refuse(("logicalTypeOptions", option), f"`{option}` of the event time", remedy)
        if "enum" in self.item:
            self.refuse(("enum",), "a list of allowed event times", "Remove it")
        self.custom(frozenset(), "the event time")

    def key(self, name: str | None) -> JoinKey | None:
        """A join key, or None where it cannot be one."""
        kind = self.item.get("logicalType")
        if kind not in ("string", "integer"):
            self.add(
                "logicalType", "key-type", f"{kind!r:.40} is no type of a join key", "Use string or integer"
            )
        elif self.item.get("physicalType") not in (None, "string" if kind == "string" else "long"):
            wanted = "string" if kind == "string" else "long"
            self.add(
                "physicalType", "key-type", f"a join key of type {kind} is a {wanted}", f"Write `{wanted}`"
            )
        if self.item.get("required") is False:
            self.add("required", "key-required", "a join key is never null", "Write `required: true`")
        for option in self.options():
            if not (kind == "integer" and (option, self.options()[option]) == ("format", "i64")):
                self.refuse(("logicalTypeOptions", option), f"`{option}` of a join key", _KEY_REMEDY)
        if "enum" in self.item:
            self.refuse(("enum",), "a list of allowed values of a join key", _KEY_REMEDY)
        self.custom(frozenset(), "a join key")
        if name is None or kind not in ("string", "integer"):
            return None
        return JoinKey(name, FeatureType.STRING if kind == "string" else FeatureType.LONG, self.description())

    def check_inner(self, what: str) -> None:
        """The rules that hold for the items of a list, and for the keys and values of a map."""
        if self.item.get("required") is False:
            self.add(
                "required",
                "item-null",
                "inside a list or map there is no null",
                "Write `required: true`, or remove it",
            )
        for key in ("primaryKey", "unique"):
            if self.item.get(key) is True:
                self.refuse((key,), f"`{key}` of {what}", "Remove it")
        for key in ("items", "map", "properties"):
            if key in self.item:
                self.refuse((key,), f"`{key}` inside {what}", "Flatten it")
        for name, (_, path) in self.custom(frozenset(), what).items():
            if name == "unit":
                self.findings.add(
                    path[:-1], "misplaced", f"`unit` says nothing about {what}", "State it on the feature"
                )

    def key_position(self) -> int:
        """The stated place of a join key from 1, or -1."""
        position = self.item.get("primaryKeyPosition", -1)
        return position if isinstance(position, int) and not isinstance(position, bool) else -1

    def custom(self, known: frozenset[str], level: str) -> dict[str, tuple[Any, Path]]:
        """Its custom properties by name; see `custom_properties`."""
        return custom_properties(self.item, self.path, known=known, findings=self.findings, level=level)

    def options(self) -> dict[str, Any]:
        """Its `logicalTypeOptions`."""
        options = self.item.get("logicalTypeOptions")
        return options if isinstance(options, dict) else {}

    def listed(self, key: str) -> list[Any]:
        """The entries under `key`; none where that is no list."""
        value = self.item.get(key)
        return value if isinstance(value, list) else []

    def description(self) -> str:
        """What it is, in the document's words."""
        description = self.item.get("description")
        return description if isinstance(description, str) else ""

    def add(self, key: str, rule: str, message: str, remedy: str) -> None:
        """Note a problem with the value under `key`."""
        self.findings.add((*self.path, key), rule, message, remedy)

    def option_problem(self, option: str, rule: str, message: str, remedy: str) -> None:
        """Note a problem with one of its `logicalTypeOptions`."""
        self.findings.add((*self.path, "logicalTypeOptions", option), rule, message, remedy)

    def refuse(self, place: Path, what: str, remedy: str) -> None:
        """Note that the document says what no contract can hold a message to: it is never silently ignored."""
        self.findings.add((*self.path, *place), "not-supported", f"{what} is not supported", remedy)
