"""Dead letters as the CLI reads them: found, folded over the agents' copies, decoded as far as possible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from syncline import wiring
from syncline.catalog.references import parse_reference
from syncline.catalog_client import CatalogClient
from syncline.cli.reading import read_to_end
from syncline.clock import SystemClock
from syncline.contracts.located import nearest
from syncline.errors import SynclineError, TopicMissing, UnknownBundle
from syncline.ports.log import Log
from syncline.settings import ConnectionSettings
from syncline.wire.dead_letters import DeadLetter
from syncline.wire.topics import Topics, dead_letters

_TIMEOUT_S = 30.0
_SUFFIX = dead_letters("")
_FRAMING_BYTES = 5


@contextmanager
def open_letters(settings: ConnectionSettings) -> Iterator[Letters]:
    """The dead letters of a cluster."""
    log = wiring.open_log(settings)
    catalog = CatalogClient(
        log, Topics(settings.prefix).catalog, clock=SystemClock(), client_id="syncline-dlq"
    )
    try:
        yield Letters(log, catalog, settings)
    finally:
        catalog.close()


class Letters:
    """Reads dead letter topics, and the catalog for what it needs to name and decode them."""

    def __init__(self, log: Log, catalog: CatalogClient, settings: ConnectionSettings) -> None:
        self._log = log
        self._settings = settings
        if log.describe_topic(Topics(settings.prefix).catalog, _TIMEOUT_S) is None:
            raise TopicMissing(
                f"there is no topic {Topics(settings.prefix).catalog}: nothing has been applied to this cluster; "
                "run `syncline apply`, or check the prefix"
            )
        self._picture = catalog.catch_up(_TIMEOUT_S)

    def topics(self, where: str | None) -> list[str]:
        """The feature topics that an argument means; all of them without one.

        Raises:
            UnknownBundle: the catalog has no such view or topic.
        """
        by_topic = {
            recorded.payload.topic: (view, version.major)
            for view, versions in self._picture.views.items()
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

    def read(self, topics: Iterable[str]) -> list[DeadLetter]:
        """The dead letters of these feature topics, one for each original record: the first copy."""
        folded: dict[tuple[str, int, int], DeadLetter] = {}
        for topic in topics:
            for record in read_to_end(self._log, dead_letters(topic), timeout_s=_TIMEOUT_S):
                letter = DeadLetter.parse(record.key, record.value, record.headers, record.timestamp_ms)
                if letter is not None:
                    folded.setdefault((letter.topic, letter.partition, letter.offset), letter)
        return list(folded.values())

    def decoded(self, letter: DeadLetter) -> dict[str, Any]:
        """`fields` of the value where the catalog knows its schema and the bytes fit it; else why not."""
        if letter.value is None:
            return {"fields": {}, "not_decoded": "a delete has no value"}
        try:
            schema_id = int.from_bytes(letter.value[1:_FRAMING_BYTES], "big")
            if len(letter.value) < _FRAMING_BYTES or letter.value[0] != 0:
                return {"not_decoded": "the value has no Confluent framing"}
            schema = next(
                (
                    recorded.payload.avro_schema
                    for versions in self._picture.views.values()
                    for recorded in versions.values()
                    if recorded.payload.schema_id == schema_id
                ),
                None,
            )
            if schema is None:
                return {"not_decoded": f"the catalog has no schema {schema_id}"}
            from syncline.contracts.decode_row import RowDecoder

            return {"fields": RowDecoder(schema)(letter.value[_FRAMING_BYTES:])}
        except SynclineError as error:
            return {"not_decoded": str(error)}


def group(letters: Sequence[DeadLetter]) -> list[tuple[tuple[str, str, str], tuple[int, int]]]:
    """(topic, rule, feature) → (how many, newest time in ms), the most first."""
    groups: dict[tuple[str, str, str], tuple[int, int]] = {}
    for letter in letters:
        key = (letter.topic, letter.reason.rule, letter.reason.feature)
        count, newest_ms = groups.get(key, (0, letter.timestamp_ms))
        groups[key] = (count + 1, max(newest_ms, letter.timestamp_ms))
    return sorted(groups.items(), key=lambda entry: (-entry[1][0], entry[0]))


def letter_document(letter: DeadLetter) -> dict[str, Any]:
    """One dead letter as JSON data; bytes that are no text stand in hex."""
    return {
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "time": time_text(letter.timestamp_ms),
        "rule": letter.reason.rule,
        "feature": letter.reason.feature,
        "message": letter.reason.message,
        "stage": letter.reason.stage,
        "view_version": letter.reason.view_version,
        "schema_id": letter.reason.schema_id,
        "agent": letter.agent,
        "key": _text_or_hex(letter.key),
        "value_hex": None if letter.value is None else letter.value.hex(),
        "headers": [[name, _text_or_hex(value)] for name, value in letter.headers],
    }


def time_text(ms: int) -> str:
    """A broker's timestamp as RFC 3339 in UTC; as a number where it is no time of any calendar."""
    try:
        when = datetime.fromtimestamp(ms / 1_000, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return f"{ms} ms"
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text_or_hex(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
