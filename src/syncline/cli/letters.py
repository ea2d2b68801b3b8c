"""Dead letters as the CLI reads and shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from syncline import wiring
from syncline.catalog.fold import Picture
from syncline.catalog_client import CatalogClient, require_catalog
from syncline.clock import SystemClock
from syncline.inspection.dead_letters import FoundLetter, may_be_redacted
from syncline.ports.log import Log
from syncline.settings import ConnectionSettings
from syncline.wire.topics import Topics

_TIMEOUT_S = 30.0


def open_catalog(settings: ConnectionSettings) -> tuple[Log, Picture]:
    """The cluster, and what its catalog says.

    Raises:
        TopicMissing: nothing has been applied to this cluster yet.
    """
    log = wiring.open_log(settings)
    log.cluster_id()  # asks for less long: whoever looks here while no broker answers is told soon
    topic = Topics(settings.prefix).catalog
    require_catalog(log, topic)
    catalog = CatalogClient(log, topic, clock=SystemClock(), client_id="syncline-dlq")
    try:
        return log, catalog.catch_up(_TIMEOUT_S)
    finally:
        catalog.close()


def letter_document(picture: Picture, found: FoundLetter) -> dict[str, Any]:
    """One dead letter as JSON data; bytes that are no text stand in hex, but for values that may be redacted."""
    letter = found.letter
    value = None if may_be_redacted(picture, found) else letter.value
    # What a letter claims of another topic is told, and never taken for true.
    claimed = {"claimed_topic": letter.topic} if found.astray else {}
    return {
        "id": found.name,
        "topic": found.topic,
        **claimed,
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
        "key": text_or_hex(letter.key),
        "value_hex": None if value is None else value.hex(),
        "value_bytes": None if letter.value is None else len(letter.value),
        "headers": [[name, text_or_hex(value)] for name, value in letter.headers],
    }


def time_text(ms: int) -> str:
    """A broker's timestamp as RFC 3339 in UTC; as a number where it is no time of any calendar."""
    try:
        when = datetime.fromtimestamp(ms / 1_000, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return f"{ms} ms"
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text_or_hex(value: bytes | None) -> str | None:
    """The text in these bytes, or, where they are none, their digits in hex."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
