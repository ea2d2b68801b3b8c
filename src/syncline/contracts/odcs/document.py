"""From an ODCS document to a contract: the standard's rules, then ours, every problem at once."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

from syncline.contracts.durations import parse_duration
from syncline.contracts.model import Contract, OnViolation, Version, WhenStale
from syncline.contracts.nearest import nearest_word
from syncline.contracts.odcs.custom import DOCUMENT_SETTINGS, custom_properties
from syncline.contracts.odcs.foreign import is_foreign
from syncline.contracts.odcs.located import Findings, Located, load_yaml
from syncline.contracts.odcs.properties import ParsedProperties, parse_properties
from syncline.contracts.odcs.servers import check_servers
from syncline.contracts.odcs.service_levels import find_contradictions, read_service_levels
from syncline.contracts.odcs.standard import find_standard_problems
from syncline.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

    from syncline.contracts.odcs.located import Path

EVENT_TIME = "event_time"
STATUSES = ("proposed", "draft", "active", "deprecated", "retired")
_VIEW = re.compile(r"[a-z][a-z0-9_]{0,99}")
_VERSION = re.compile(r"([1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")
_MOST_PARTITIONS = 1_000
_DEFAULTS = {"retention": 7 * 86_400_000_000, "maxAhead": 300_000_000, "partitions": 6}

_Word = TypeVar("_Word", bound="StrEnum")


def parse_contract(text: str, *, file: str, prefix: str = "syncline") -> Contract:
    """The contract that the ODCS document in `text` states. Nothing is read but `text`.

    Args:
        text: YAML, one document.
        file: its name, for the problems.
        prefix: of all topics; the document's `physicalName` must agree with it.

    Raises:
        DefinitionError: lists every problem with line, path, rule and remedy.
    """
    return _contract(load_yaml(text, file=file), prefix, by_standard=True)


def contract_from_document(
    document: Mapping[str, Any], *, file: str = "catalog", prefix: str = "syncline"
) -> Contract:
    """The contract of a document that was parsed and applied before (plain JSON data), as the catalog keeps it.

    Our own rules are judged again; the standard's schema is not, so that the verdict over a catalog does not depend on
    which edition of that schema is installed.

    Raises:
        DefinitionError: lists every problem with path, rule and remedy; lines are not known.
    """
    try:
        data = json.loads(json.dumps(document, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        problem = Problem(
            file, "", "json", f"the document is no JSON data: {error}", "Use texts and finite numbers"
        )
        raise DefinitionError([problem]) from None
    return _contract(Located(data, file), prefix, by_standard=False)


def _contract(located: Located, prefix: str, *, by_standard: bool) -> Contract:
    document = located.data
    findings = Findings(located)
    if not isinstance(document, dict):
        findings.add((), "mapping", "the document is no mapping", "Begin with `apiVersion: v3.2.0`")
        findings.raise_if_any()
    if is_foreign(document, findings):
        findings.raise_if_any()
    if by_standard:
        find_standard_problems(document, findings)
    contract = _Reading(document, findings, prefix).contract()
    findings.raise_if_any()
    assert contract is not None
    return contract


class _Reading:
    """One pass over a document; every method notes what is wrong and goes on with a harmless value."""

    def __init__(self, document: dict[str, Any], findings: Findings, prefix: str) -> None:
        self._document = document
        self._findings = findings
        self._prefix = prefix

    def contract(self) -> Contract | None:
        view = self._view()
        version = self._version()
        status = self._word(self._document.get("status"), ("status",), STATUSES)
        owner = self._owner()
        settings = custom_properties(
            self._document, (), known=DOCUMENT_SETTINGS, findings=self._findings, level="the document"
        )
        topic, parsed = self._schema(view, version)
        levels = read_service_levels(self._document, view, self._findings)
        check_servers(self._document, self._findings)
        when_stale = self._setting_word(settings, "whenStale", WhenStale, WhenStale.FLAG)
        on_violation = self._setting_word(settings, "onViolation", OnViolation, OnViolation.DEAD_LETTER)
        max_age = self._setting_duration(settings, "maxAge")
        max_ahead = self._setting_duration(settings, "maxAhead")
        late_arrival = self._setting_duration(settings, "lateArrival")
        partitions = self._partitions(settings)
        frequency = levels.durations.get("frequency")
        find_contradictions(
            levels,
            max_age=(max_age, settings["syncline.maxAge"][1]) if max_age else None,
            late_arrival=(late_arrival, settings["syncline.lateArrival"][1]) if late_arrival else None,
            findings=self._findings,
        )
        if when_stale is WhenStale.DEFAULT and parsed is not None:
            for feature, path in zip(parsed.features, parsed.feature_paths, strict=True):
                if not feature.has_default:
                    self._findings.add(
                        path,
                        "stale-default",
                        f"`{feature.name}` has no default, which `syncline.whenStale: default` would serve",
                        "Give it a `syncline.default`, or choose flag, null or refuse",
                    )
        if view is None or version is None or status is None or owner is None or parsed is None:
            return None
        return Contract(
            view=view,
            version=version,
            owner=owner,
            keys=parsed.keys,
            event_time=EVENT_TIME,
            features=parsed.features,
            topic=topic or "",
            partitions=partitions,
            retention_us=levels.durations.get("retention", _DEFAULTS["retention"]),
            max_age_us=max_age or (2 * frequency if frequency else None),
            max_ahead_us=max_ahead or _DEFAULTS["maxAhead"],
            late_arrival_us=late_arrival,
            on_violation=on_violation,
            when_stale=when_stale,
            frequency_us=frequency,
            latency_us=levels.durations.get("latency"),
            end_of_support=levels.end_of_support,
            status=status,
            description=self._description(),
            rules=parsed.rules,
            document=self._document,
        )

    def _view(self) -> str | None:
        view = self._document.get("id")
        if isinstance(view, str) and _VIEW.fullmatch(view):
            return view
        if self._is_stated("id"):
            self._findings.add(
                ("id",),
                "view-name",
                f"the id {view!r:.60} cannot name a view",
                "Use lower-case letters, digits and `_`, beginning with a letter, at most 100 characters",
            )
        return None

    def _version(self) -> Version | None:
        text = self._document.get("version")
        match = _VERSION.fullmatch(text) if isinstance(text, str) else None
        if match:
            return Version(int(match[1]), int(match[2]), int(match[3]))
        if self._is_stated("version"):
            self._findings.add(
                ("version",),
                "version",
                f"the version {text!r:.40} is not MAJOR.MINOR.PATCH with a MAJOR of 1 or more",
                'Write a text such as "1.0.0"',
            )
        return None

    def _is_stated(self, key: str) -> bool:
        if key not in self._document:
            self._findings.add((), f"missing-{key}", f"`{key}` is missing", f"State `{key}`")
        return key in self._document

    def _owner(self) -> str | None:
        team = self._document.get("team")
        name = team.get("name") if isinstance(team, dict) else None
        if isinstance(name, str) and name.strip():
            return name.strip()
        self._findings.add(
            ("team",) if not isinstance(team, dict) else ("team", "name"),
            "owner",
            "no team is named as the owner",
            "Write `team: {name: ...}`",
        )
        return None

    def _description(self) -> str:
        described = self._document.get("description")
        purpose = described.get("purpose") if isinstance(described, dict) else described
        return purpose if isinstance(purpose, str) else ""

    def _schema(
        self, view: str | None, version: Version | None
    ) -> tuple[str | None, ParsedProperties | None]:
        objects = self._document.get("schema")
        if not isinstance(objects, list) or len(objects) != 1 or not isinstance(objects[0], dict):
            count = len(objects) if isinstance(objects, list) else 0
            self._findings.add(
                ("schema",),
                "one-schema",
                f"the contract has {count} schema objects"
                if count != 1
                else "the schema object is no mapping",
                "A view has exactly one; give each further view a contract of its own",
            )
            return None, None
        path: Path = ("schema", 0)
        schema = objects[0]
        self._same(schema, "logicalType", "object", path)
        self._same(schema, "physicalType", "topic", path)
        custom_properties(schema, path, known=frozenset(), findings=self._findings, level="the schema")
        topic = None
        if view is not None and version is not None:
            topic = f"{self._prefix}.features.{view}.v{version.major}"
            self._same(schema, "name", view, path)
            if "physicalName" in schema:
                self._same(schema, "physicalName", topic, path)
        return topic, parse_properties(schema, path, event_time=EVENT_TIME, findings=self._findings)

    def _same(self, schema: dict[str, Any], key: str, wanted: str, path: Path) -> None:
        if schema.get(key) != wanted:
            stated = f"`{key}` is missing" if key not in schema else f"`{key}` is {schema[key]!r:.80}"
            rule = "".join(f"-{c.lower()}" if c.isupper() else c for c in key)
            self._findings.add((*path, key), rule, stated, f"Write `{key}: {wanted}`")

    def _setting_word(
        self, settings: Mapping[str, tuple[Any, Path]], name: str, words: type[_Word], default: _Word
    ) -> _Word:
        if f"syncline.{name}" not in settings:
            return default
        value, path = settings[f"syncline.{name}"]
        word = self._word(value, path, [member.value for member in words])
        return words(word) if word is not None else default

    def _word(self, value: object, path: Path, words: tuple[str, ...] | list[str]) -> str | None:
        if isinstance(value, str) and value in words:
            return value
        remedy = nearest_word(value, words) if isinstance(value, str) else f"Write one of: {', '.join(words)}"
        self._findings.add(
            path, "word", f"{value!r:.40} is not allowed" if value is not None else "it is not stated", remedy
        )
        return None

    def _setting_duration(self, settings: Mapping[str, tuple[Any, Path]], name: str) -> int | None:
        if f"syncline.{name}" not in settings:
            return None
        value, path = settings[f"syncline.{name}"]
        try:
            return parse_duration(value if isinstance(value, str) else str(value)[:40])
        except ValueError as error:
            self._findings.add(path, "duration", str(error), "Write a text such as `5 min`")
            return None

    def _partitions(self, settings: Mapping[str, tuple[Any, Path]]) -> int:
        value, path = settings.get("syncline.partitions", (_DEFAULTS["partitions"], ()))
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_PARTITIONS:
            return value
        self._findings.add(
            path,
            "partitions",
            f"{value!r:.40} is no partition count",
            f"Write a whole number from 1 to {_MOST_PARTITIONS}",
        )
        return _DEFAULTS["partitions"]
