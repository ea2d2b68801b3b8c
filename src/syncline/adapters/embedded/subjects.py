"""What the embedded registry remembers: subjects, versions and levels, and which schema may follow which."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.errors import AvroException
from avro.schema import parse

LEVELS = ("NONE", "BACKWARD", "BACKWARD_TRANSITIVE")
DEFAULT_LEVEL = "BACKWARD"


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """What is asked cannot be done: an HTTP status and, as Confluent's registry numbers them, a code."""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.status = status
        self.code = code
        super().__init__(message)


@dataclass(slots=True)
class _Subject:
    level: str | None = None
    schema_ids: list[int] = field(default_factory=list)
    """By version, beginning with version 1."""


class Subjects:
    """Schemas by global id, and subjects that hold them by version. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subjects: dict[str, _Subject] = {}
        self._texts: dict[int, str] = {}
        self._ids: dict[str, int] = {}
        self._level = DEFAULT_LEVEL

    def register(self, name: str, text: str) -> int:
        """The schema's id, as it was or new. The same schema has the same id under every subject.

        Raises:
            Refused: 42201 for what is no Avro schema, 409 for one that the subject's level forbids.
        """
        form = _form(text)
        with self._lock:
            known = self._find(name, form)
            if known is not None:
                return known
            reasons = self._incompatibilities(name, text)
            if reasons:
                raise Refused(409, 409, f"Schema being registered is incompatible: {'; '.join(reasons)}")
            schema_id = self._ids.setdefault(form, len(self._ids) + 1)
            self._texts.setdefault(schema_id, text)
            self._subjects.setdefault(name, _Subject()).schema_ids.append(schema_id)
            return schema_id

    def lookup(self, name: str, text: str) -> tuple[int, int]:
        """(version, id) of this schema under the subject.

        Raises:
            Refused: 40401 without the subject, 40403 without the schema.
        """
        form = _form(text)
        with self._lock:
            versions = self._versions(name)
            known = self._find(name, form)
            if known is None:
                raise Refused(404, 40403, f"Schema not found under subject '{name}'")
            return versions.index(known) + 1, known

    def incompatibilities(self, name: str, text: str, version: str | None = None) -> list[str]:
        """Why the schema could not follow what the subject has, or this one version; empty where it could."""
        _form(text)
        with self._lock:
            if version is None:
                return self._incompatibilities(name, text)
            schema_id = self._version(name, version)[1]
            return [] if self._level_of(name) == "NONE" else _unreadable(text, self._texts[schema_id])

    def schema(self, schema_id: int) -> str:
        """The schema's text, as first registered."""
        with self._lock:
            if schema_id not in self._texts:
                raise Refused(404, 40403, f"Schema {schema_id} not found")
            return self._texts[schema_id]

    def names(self) -> list[str]:
        """Every subject that has a schema."""
        with self._lock:
            return sorted(name for name, subject in self._subjects.items() if subject.schema_ids)

    def versions(self, name: str) -> list[int]:
        """The subject's versions."""
        with self._lock:
            return list(range(1, len(self._versions(name)) + 1))

    def version(self, name: str, version: str) -> tuple[int, int]:
        """(version, id) of a version by its number or as `latest`."""
        with self._lock:
            return self._version(name, version)

    def level(self, name: str | None, *, or_global: bool = False) -> str:
        """The subject's own level, or the global one where asked for; without a name, the global one."""
        with self._lock:
            if name is None:
                return self._level
            own = self._subjects[name].level if name in self._subjects else None
            if own is None and not or_global:
                raise Refused(
                    404, 40408, f"Subject '{name}' does not have subject-level compatibility configured"
                )
            return own or self._level

    def set_level(self, name: str | None, level: str) -> None:
        """Set the subject's level, or the global one for None."""
        if level not in LEVELS:
            raise Refused(
                422,
                42203,
                f"Invalid compatibility level '{level}': the embedded registry has {', '.join(LEVELS)}",
            )
        with self._lock:
            if name is None:
                self._level = level
            else:
                self._subjects.setdefault(name, _Subject()).level = level

    def _find(self, name: str, form: str) -> int | None:
        schema_id = self._ids.get(form)
        subject = self._subjects.get(name)
        return schema_id if subject and schema_id in subject.schema_ids else None

    def _versions(self, name: str) -> list[int]:
        subject = self._subjects.get(name)
        if subject is None or not subject.schema_ids:
            raise Refused(404, 40401, f"Subject '{name}' not found")
        return subject.schema_ids

    def _version(self, name: str, version: str) -> tuple[int, int]:
        versions = self._versions(name)
        if version == "latest":
            return len(versions), versions[-1]
        if not version.isdigit() or int(version) < 1:
            raise Refused(422, 42202, f"The specified version '{version}' is not a valid version id")
        if int(version) > len(versions):
            raise Refused(404, 40402, f"Version {version} not found")
        return int(version), versions[int(version) - 1]

    def _level_of(self, name: str) -> str:
        subject = self._subjects.get(name)
        return (subject.level if subject else None) or self._level

    def _incompatibilities(self, name: str, text: str) -> list[str]:
        subject = self._subjects.get(name)
        level = self._level_of(name)
        if subject is None or level == "NONE":
            return []
        earlier = subject.schema_ids if level == "BACKWARD_TRANSITIVE" else subject.schema_ids[-1:]
        return [
            f"{reason} (version {subject.schema_ids.index(schema_id) + 1})"
            for schema_id in earlier
            for reason in _unreadable(text, self._texts[schema_id])
        ]


def _form(text: str) -> str:
    """What two texts of one schema have in common.

    Raises:
        Refused: 42201, it is no Avro schema.
    """
    try:
        parse(text)
        return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    except (AvroException, ValueError, RecursionError) as error:
        raise Refused(422, 42201, f"Invalid schema: {error}") from error


def _unreadable(reader: str, writer: str) -> list[str]:
    """Why `reader` cannot read what `writer` wrote; empty where it can."""
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]  # avro types it in part
    result = checker.get_compatibility(parse(reader), parse(writer))
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    places = ", ".join(sorted(result.locations))
    return [f"{message} at {places}" for message in sorted(result.messages)] or [f"incompatible at {places}"]
