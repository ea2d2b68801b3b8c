"""Dead letters: found, the agents' copies folded into one, decoded as far as possible."""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from xxhash import xxh3_128

from syncline.catalog.fold import Picture
from syncline.catalog.references import parse_reference
from syncline.contracts.codec.decode_row import RowDecoder
from syncline.contracts.codec.fields import wire_fields
from syncline.contracts.nearest import nearest
from syncline.contracts.plain import plain_row
from syncline.errors import UnknownBundle, WireError
from syncline.inspection.reading import read_to_end
from syncline.ports.log import Log
from syncline.wire.dead_letters import DeadLetter
from syncline.wire.framing import unframe
from syncline.wire.headers import last
from syncline.wire.topics import dead_letters

GROUPS_MAX = 1_000
"""How many groups are told apart: whoever writes headers by hand could invent any number of rules."""
OTHERS = "(others)"
_SUFFIX = dead_letters("")
_TIMEOUT_S = 30.0
_NAME_MAX = 200


@dataclass(frozen=True, slots=True)
class FoundLetter:
    """A dead letter, and the first record that holds it."""

    letter: DeadLetter
    topic: str
    """The feature topic that the dead letter topic belongs to, whatever the letter's own headers say."""
    own_partition: int
    own_offset: int

    @property
    def by_publisher(self) -> bool:
        """Whether a publisher rejected it, so that it never stood in the feature topic."""
        return self.letter.offset < 0 or self.letter.partition < 0

    @property
    def astray(self) -> bool:
        """Whether its headers name another topic than the one it can belong to: whoever wrote it, it was no agent."""
        return self.letter.topic != self.topic

    @property
    def name(self) -> str:
        """What to call it within its topic: `3:1042` stands there, `dlq:0:17` only in the dead letter topic."""
        if self.by_publisher or self.astray:
            return f"dlq:{self.own_partition}:{self.own_offset}"
        return f"{self.letter.partition}:{self.letter.offset}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters are meant; None where anything will do. Times are the records' own, both ends included."""

    rule: str | None = None
    feature: str | None = None
    view_version: str | None = None
    """`airport_delay@1.3`, or only `1.3`."""
    since_ms: int | None = None
    until_ms: int | None = None
    names: frozenset[str] | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether any letter is left out."""
        return self != Wanted()

    def admits(self, found: FoundLetter) -> bool:
        """Whether the letter is meant."""
        reason, at_ms = found.letter.reason, found.letter.timestamp_ms
        version = self.view_version
        return (
            (self.rule is None or reason.rule == self.rule)
            and (self.feature is None or reason.feature == self.feature)
            and (version is None or version in (reason.view_version, reason.view_version.rpartition("@")[2]))
            and (self.since_ms is None or at_ms >= self.since_ms)
            and (self.until_ms is None or at_ms <= self.until_ms)
            and (self.names is None or found.name in self.names)
        )


def is_name(text: str) -> bool:
    """Whether this can be a letter's name."""
    return _NAME.fullmatch(text) is not None


def topics_meant(picture: Picture, where: str | None) -> list[str]:
    """The feature topics that a view reference, a topic or its dead letter topic means; all of them without one.

    Raises:
        UnknownBundle: the catalog has no such view or topic; the message names the nearest.
    """
    by_topic = picture.majors()
    if where is None:
        return sorted(by_topic)
    if where.removesuffix(_SUFFIX) in by_topic:
        return [where.removesuffix(_SUFFIX)]
    try:
        reference = parse_reference(where)
    except ValueError:
        raise UnknownBundle(f"the catalog has no topic {where}. {nearest(where, by_topic)}") from None
    found = sorted(
        topic
        for topic, (view, major) in by_topic.items()
        if view == reference.view and reference.major in (None, major)
    )
    if not found:
        known = {f"{view}@{major}" for view, major in by_topic.values()}
        raise UnknownBundle(f"the catalog has no view {where}. {nearest(where, known)}")
    return found


@dataclass
class DeadLetters:
    """The dead letters of some feature topics, each once: agents write one copy each, of which the first is kept.

    A stream: of what was read only a digest of each letter stays. A copy is the same record of the same place with
    the same bytes, so that a letter written by hand cannot hide an agent's.
    """

    log: Log
    topics: Iterable[str]
    wanted: Wanted = field(default_factory=Wanted)
    no_letters: int = 0
    """How many records were met that have no dead letter's headers."""

    def __iter__(self) -> Iterator[FoundLetter]:
        """Read the topics from the beginning to the ends that stand now.

        Raises:
            TopicMissing: there is no such dead letter topic.
            LogUnavailable: the brokers do not answer.
        """
        self.no_letters = 0
        for topic in self.topics:
            seen: set[int] = set()
            for record in read_to_end(self.log, dead_letters(topic), timeout_s=_TIMEOUT_S):
                letter = DeadLetter.parse(record.key, record.value, record.headers, record.timestamp_ms)
                if letter is None:
                    self.no_letters += 1
                    continue
                found = FoundLetter(letter, topic, record.partition, record.offset)
                copy = _digest(found)
                if copy not in seen:
                    seen.add(copy)
                    if self.wanted.admits(found):
                        yield found


@dataclass(slots=True)
class Group:
    """The letters of one topic that broke the same rule at the same feature."""

    topic: str
    rule: str
    feature: str
    view_version: str
    """As the newest of them says."""
    by_publisher: bool
    """Whether a publisher rejected the newest of them."""
    message: str
    """Of the newest of them."""
    newest_ms: int
    count: int = 0


@dataclass(frozen=True, slots=True)
class Survey:
    """Many letters at a glance."""

    count: int
    groups: tuple[Group, ...]
    """The largest first."""
    newest: tuple[FoundLetter, ...]
    """The newest first."""


def survey(letters: Iterable[FoundLetter], *, limit: int) -> Survey:
    """Count the letters by group, and keep the newest `limit` of them."""
    groups: dict[tuple[str, str, str], Group] = {}
    newest: list[tuple[int, int, FoundLetter]] = []
    count = 0
    for found in letters:
        reason, at_ms = found.letter.reason, found.letter.timestamp_ms
        key = (found.topic, reason.rule[:_NAME_MAX], reason.feature[:_NAME_MAX])
        if key not in groups and len(groups) >= GROUPS_MAX:
            key = (found.topic, OTHERS, "")
        version = reason.view_version[:_NAME_MAX]
        group = groups.get(key)
        if group is None:
            group = groups[key] = Group(*key, version, found.by_publisher, reason.message, at_ms)
        elif at_ms > group.newest_ms:
            group.view_version, group.by_publisher = version, found.by_publisher
            group.message, group.newest_ms = reason.message, at_ms
        group.count += 1
        # The counter decides between equal times: letters themselves have no order.
        entry = (at_ms, -count, found)
        if len(newest) < limit:
            heapq.heappush(newest, entry)
        elif limit:
            heapq.heappushpop(newest, entry)
        count += 1
    ordered = sorted(groups.values(), key=lambda each: (-each.count, each.topic, each.rule, each.feature))
    kept = sorted(
        (entry[2] for entry in newest), key=lambda each: (-each.letter.timestamp_ms, each.topic, each.name)
    )
    return Survey(count, tuple(ordered), tuple(kept))


def decoded(picture: Picture, found: FoundLetter) -> dict[str, Any]:
    """`fields` of the value where the catalog knows its schema and the bytes fit it; else `not_decoded`: why.

    A publisher's row that had no Avro form stands in its letter as JSON. What any version of the topic's view redacts
    is not shown, under whichever version a row was written: what a letter says of itself is never taken for true.
    """
    letter, hidden = found.letter, _hidden(picture, found.topic)
    if letter.value is None:
        return {"fields": {}, "not_decoded": "a delete has no value"}
    if last(letter.headers, "content-type") == b"application/json":
        return _decoded_json(letter, hidden)
    try:
        schema_id, payload = unframe(letter.value)
    except WireError:
        return {"not_decoded": "the value has no Confluent framing"}
    for registered in picture.registrations():
        if registered.schema_id == schema_id:
            schema = registered.avro_schema
            try:
                kinds = {field.name: field.item or field.type for field in wire_fields(schema)}
                fields = plain_row(RowDecoder(schema)(payload), kinds)
                return {"fields": _without(fields, hidden | _redacted(schema))}
            except WireError as error:
                return {"not_decoded": str(error)}
    return {"not_decoded": f"the catalog has no schema {schema_id}"}


def may_be_redacted(picture: Picture, found: FoundLetter) -> bool:
    """Whether any version of the topic's view redacts a feature: its bytes, whatever they are, may hold one."""
    return bool(_hidden(picture, found.topic))


def _hidden(picture: Picture, topic: str) -> set[str]:
    """The features that some version of the topic's view redacts."""
    view, _ = picture.majors().get(topic, ("", 0))
    versions = picture.views.get(view, {}).values()
    return {name for recorded in versions for name in _redacted(recorded.payload.avro_schema)}


def _decoded_json(letter: DeadLetter, hidden: set[str]) -> dict[str, Any]:
    try:
        fields = json.loads(letter.value or b"")
    except (ValueError, RecursionError) as error:
        return {"not_decoded": f"the value is no JSON: {error}"}
    if not isinstance(fields, dict):
        return {"not_decoded": "the value is no JSON object"}
    return {"fields": _without(fields, hidden)}


def _redacted(avro_schema: str) -> set[str]:
    fields = json.loads(avro_schema).get("fields", [])
    return {field["name"] for field in fields if isinstance(field, dict) and field.get("syncline.redact")}


def _without(fields: dict[str, Any], redacted: set[str]) -> dict[str, Any]:
    return {name: "a redacted value" if name in redacted else value for name, value in fields.items()}


def _digest(found: FoundLetter) -> int:
    letter = found.letter
    # What never stood in the feature topic has no other copies.
    place = f"{found.own_partition}/{found.own_offset}" if found.name.startswith("dlq:") else found.name
    digest = xxh3_128(repr((place, letter.key, letter.value is None, list(letter.headers))).encode())
    digest.update(letter.value or b"")
    return digest.intdigest()


_NAME = re.compile(r"\d{1,9}:\d{1,18}|dlq:\d{1,9}:\d{1,18}", re.ASCII)
