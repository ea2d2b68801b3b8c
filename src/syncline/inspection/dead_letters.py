"""Dead letters: found, the agents' copies folded into one, decoded as far as possible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from syncline.catalog.fold import Picture
from syncline.catalog.references import parse_reference
from syncline.contracts.decode_row import RowDecoder
from syncline.contracts.located import nearest
from syncline.errors import UnknownBundle, WireError
from syncline.inspection.reading import read_to_end
from syncline.ports.log import Log
from syncline.wire.dead_letters import DeadLetter
from syncline.wire.framing import unframe
from syncline.wire.topics import dead_letters

_SUFFIX = dead_letters("")
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class FoundLetter:
    """A dead letter, and the first record that holds it."""

    letter: DeadLetter
    own_partition: int
    own_offset: int

    @property
    def by_publisher(self) -> bool:
        """Whether a publisher rejected it, so that it never stood in the feature topic."""
        return self.letter.offset < 0

    @property
    def name(self) -> str:
        """What to call it within its topic: `3:1042` stands there, `dlq:0:17` only in the dead letter topic."""
        if self.by_publisher:
            return f"dlq:{self.own_partition}:{self.own_offset}"
        return f"{self.letter.partition}:{self.letter.offset}"


def topics_meant(picture: Picture, where: str | None) -> list[str]:
    """The feature topics that a view reference, a topic or its dead letter topic means; all of them without one.

    Raises:
        UnknownBundle: the catalog has no such view or topic; the message names the nearest.
    """
    by_topic = {
        recorded.payload.topic: (view, version.major)
        for view, versions in picture.views.items()
        for version, recorded in versions.items()
    }
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


def read_dead_letters(log: Log, topics: Iterable[str]) -> list[FoundLetter]:
    """The dead letters of these feature topics, each once: agents write one copy each, of which the first is kept."""
    folded: dict[tuple[str, str], FoundLetter] = {}
    for topic in topics:
        for record in read_to_end(log, dead_letters(topic), timeout_s=_TIMEOUT_S):
            letter = DeadLetter.parse(record.key, record.value, record.headers, record.timestamp_ms)
            if letter is not None:
                found = FoundLetter(letter, record.partition, record.offset)
                folded.setdefault((letter.topic, found.name), found)
    return list(folded.values())


def decoded(picture: Picture, letter: DeadLetter) -> dict[str, Any]:
    """`fields` of the value where the catalog knows its schema and the bytes fit it; else `not_decoded`: why."""
    if letter.value is None:
        return {"fields": {}, "not_decoded": "a delete has no value"}
    try:
        schema_id, payload = unframe(letter.value)
    except WireError:
        return {"not_decoded": "the value has no Confluent framing"}
    for versions in picture.views.values():
        for recorded in versions.values():
            if recorded.payload.schema_id == schema_id:
                try:
                    return {"fields": RowDecoder(recorded.payload.avro_schema)(payload)}
                except WireError as error:
                    return {"not_decoded": str(error)}
    return {"not_decoded": f"the catalog has no schema {schema_id}"}


def group(letters: Sequence[FoundLetter]) -> list[tuple[tuple[str, str, str], list[FoundLetter]]]:
    """(topic, rule, feature) → the letters, newest first; the largest group first."""
    groups: dict[tuple[str, str, str], list[FoundLetter]] = {}
    for found in sorted(letters, key=lambda each: -each.letter.timestamp_ms):
        reason = found.letter.reason
        groups.setdefault((found.letter.topic, reason.rule, reason.feature), []).append(found)
    return sorted(groups.items(), key=lambda entry: (-len(entry[1]), entry[0]))
