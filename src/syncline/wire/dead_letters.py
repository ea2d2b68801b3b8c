"""Dead letters: the original record, untouched, with the reason in text headers (Kafka Connect's form, and ours)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from syncline.wire.headers import last

CONNECT_HEADERS = (
    "__connect.errors.topic",
    "__connect.errors.partition",
    "__connect.errors.offset",
    "__connect.errors.stage",
    "__connect.errors.exception.class.name",
    "__connect.errors.exception.message",
)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a record was rejected: the first broken rule in full, and every one of them in the message."""

    rule: str
    """The first broken rule's name: what `dlq list` groups by."""
    feature: str
    """The feature that broke it; empty where no feature is to blame."""
    message: str
    """Every broken rule, in one line."""
    stage: str
    """Where: KEY, HEADERS, FRAMING, DECODE, CONTRACT, TIME or SKIP."""
    view_version: str = ""
    schema_id: int | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A rejected record and where it came from."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    """The original headers, without those of an earlier stay in a dead letter topic."""
    reason: Reason
    agent: str
    attempt: int = 1

    def record_headers(self, *, attempt: int = 1) -> list[tuple[str, bytes | None]]:
        """The original headers, then ours; what claimed to be ours before is dropped, never trusted (log.md)."""
        reason = self.reason
        ours = {
            "__connect.errors.topic": self.topic,
            "__connect.errors.partition": str(self.partition),
            "__connect.errors.offset": str(self.offset),
            "__connect.errors.stage": reason.stage,
            "__connect.errors.exception.class.name": "syncline.errors.ContractViolation",
            "__connect.errors.exception.message": reason.message[:2_000],
            "syncline-error-rule": reason.rule,
            "syncline-error-feature": reason.feature,
            "syncline-error-view-version": reason.view_version,
            "syncline-error-schema-id": "" if reason.schema_id is None else str(reason.schema_id),
            "syncline-error-agent": self.agent,
            "syncline-error-attempt": str(attempt),
            "syncline-error-timestamp-ms": str(self.timestamp_ms),
        }
        kept = [(name, value) for name, value in self.headers if not name.startswith(_PREFIXES)]
        # A surrogate in a message (a value's own text) must not stop its dead letter.
        return kept + [(name, value.encode(errors="backslashreplace")) for name, value in ours.items()]

    @classmethod
    def parse(
        cls,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes | None]],
        timestamp_ms: int,
    ) -> DeadLetter | None:
        """The dead letter in a record of a dead letter topic, or None where the headers are not those of one."""
        headers = tuple(headers)

        def text(name: str) -> str:
            return (last(headers, name) or b"").decode(errors="replace")

        def number(name: str) -> int | None:
            digits = last(headers, name) or b""
            return int(digits) if _NUMBER.fullmatch(digits) else None

        partition, offset = number("__connect.errors.partition"), number("__connect.errors.offset")
        if partition is None or offset is None:
            return None
        stamp = number("syncline-error-timestamp-ms")
        return cls(
            topic=text("__connect.errors.topic"),
            partition=partition,
            offset=offset,
            timestamp_ms=timestamp_ms if stamp is None else stamp,
            key=key,
            value=value,
            headers=[(name, content) for name, content in headers if not name.startswith(_PREFIXES)],
            reason=Reason(
                rule=text("syncline-error-rule"),
                feature=text("syncline-error-feature"),
                message=text("__connect.errors.exception.message"),
                stage=text("__connect.errors.stage"),
                view_version=text("syncline-error-view-version"),
                schema_id=number("syncline-error-schema-id"),
            ),
            agent=text("syncline-error-agent"),
            attempt=number("syncline-error-attempt") or 1,
        )


_PREFIXES = ("__connect.errors.", "syncline-error-")
_NUMBER = re.compile(rb"-?\d{1,18}")
