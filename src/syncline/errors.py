"""Every error that Syncline raises.

SynclineError
├── DefinitionError          a contract, bundle or subscription is wrong; lists every problem
├── SettingsError            a setting is missing or wrong
├── ContractViolation        a row breaks its contract; lists every broken rule
├── PublishError
│   ├── PublisherBusy        the queue stayed full longer than allowed; nothing was dropped
│   ├── PublisherClosed      used after close, or after fork
│   └── NotAcknowledged      flush or close found updates that failed or whose outcome is unknown
├── CatalogError
│   ├── AuditFailed          nobody could be asked for proof, or no line was drawn across the log in time
│   ├── DecisionVoid         another decision about the same subject came first
│   └── UnknownFormat        a record that was written by a newer Syncline
├── WireError                bytes on a topic that are not what the wire format says
├── LogError
│   ├── LogUnavailable       no broker answered in time; trying again may help
│   ├── TopicMissing         the topic does not exist
│   └── TopicMismatch        the topic exists, but with other partitions or settings
│       └── CatalogLost      decisions that were read, or are to be read, are not in the catalog any more
├── RegistryError
│   ├── RegistryUnavailable  no answer in time; trying again may help
│   ├── SchemaIncompatible   the registry refuses the schema under the subject's compatibility
│   └── SchemaNotFound       no schema has this id
├── StoreError
│   ├── StoreMissing         there is no store at this path yet
│   ├── StoreBusy            another process writes this store
│   ├── StoreCorrupt         what is on disk is not what was written
│   └── StoreFull            the disk, or the map, is full; nothing was written
├── SnapshotError            the place of snapshots cannot be used, or this store cannot give or take one
│   └── SnapshotRefused      a snapshot is not what was written, or does not belong here; another one may
└── ReadError
    ├── NotReady             the agent has not finished its first catch-up
    ├── UnknownBundle        no such bundle, view or feature
    ├── MissingJoinKey       a join key of the bundle was not given
    └── StaleFeature         a value is older than allowed and its contract says `refuse`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a definition: where, which rule, and what to do about it."""

    file: str
    path: str
    """Where in the document, as `schema[0].properties[2].logicalTypeOptions.minimum`; empty for the whole."""
    rule: str
    """A short stable name, as `unknown-key`."""
    message: str
    remedy: str
    line: int | None = None

    def __str__(self) -> str:
        """One line: file:line: path: message (rule). Remedy."""
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        where = f"{place}: {self.path}" if self.path else place
        return f"{where}: {self.message} [{self.rule}]. {self.remedy}"


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a row breaks. `value` is redacted where the contract says so."""

    feature: str
    rule: str
    """type | missing | null | minimum | maximum | enum | finite | key | late | ahead | framing | ..."""
    limit: str
    """What the rule asks for, as text: `>= -120`."""
    value: str
    """What was there, as text, shortened to 80 characters."""

    def __str__(self) -> str:
        """Say which feature broke which rule, and how."""
        return f"{self.feature or 'record'}: {self.rule}: {self.value}, expected {self.limit}"


class SynclineError(Exception):
    """The root of every error that Syncline raises on purpose."""


class DefinitionError(SynclineError):
    """One or more definitions are wrong; `problems` lists all of them, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SettingsError(SynclineError):
    """A setting is missing or wrong; the message names it and its source."""


class ContractViolation(SynclineError):
    """Rows break their contract; `violations` lists every broken rule, by row number."""

    def __init__(self, view: str, violations: Sequence[tuple[int, Violation]]) -> None:
        self.view = view
        self.violations = tuple(violations)
        lines = [f"row {row}: {violation}" for row, violation in self.violations[:20]]
        more = len(self.violations) - len(lines)
        if more > 0:
            lines.append(f"and {more} more")
        super().__init__(f"{view}: nothing was published\n" + "\n".join(lines))


class PublishError(SynclineError):
    """An update could not be published."""


class PublisherBusy(PublishError):
    """The queue stayed full for as long as publish may wait. The rows named in the message were not queued."""


class PublisherClosed(PublishError):
    """The publisher was closed, or this process was forked after it was made."""


class NotAcknowledged(PublishError):
    """Some updates were not acknowledged: failed, or unknown (they may be in the log)."""

    def __init__(self, failed: int, unknown: int, reasons: Sequence[str]) -> None:
        self.failed = failed
        self.unknown = unknown
        self.reasons = tuple(reasons)
        super().__init__(f"{failed} updates failed, {unknown} have an unknown outcome: {'; '.join(reasons)}")


class CatalogError(SynclineError):
    """The catalog cannot be read or written as asked."""


class AuditFailed(CatalogError):
    """Nobody could be asked for proof of its state, or no line was drawn across the log in time."""


class DecisionVoid(CatalogError):
    """Another decision about the same subject came first. Plan again."""


class UnknownFormat(CatalogError):
    """A record was written by a newer Syncline: upgrade this one."""


class WireError(SynclineError):
    """Bytes are not what the wire format says."""


class LogError(SynclineError):
    """The log (Kafka) cannot do what was asked."""


class LogUnavailable(LogError):
    """No broker answered in time."""


class TopicMissing(LogError):
    """The topic does not exist."""


class TopicMismatch(LogError):
    """The topic exists with other partitions or settings than its contract says."""


class CatalogLost(TopicMismatch):
    """Decisions are not in the catalog any more: nothing but the catalog itself can bring them back."""


class RegistryError(SynclineError):
    """The schema registry cannot do what was asked."""


class RegistryUnavailable(RegistryError):
    """The schema registry did not answer in time."""


class SchemaIncompatible(RegistryError):
    """The schema registry refuses the schema."""


class SchemaNotFound(RegistryError):
    """The schema registry knows no such schema."""


class StoreError(SynclineError):
    """The store cannot do what was asked."""


class StoreMissing(StoreError):
    """There is no store at this path."""


class StoreBusy(StoreError):
    """Another process writes this store."""


class StoreCorrupt(StoreError):
    """What is on disk is not what was written."""


class StoreFull(StoreError):
    """There is no room; nothing was written."""


class SnapshotError(SynclineError):
    """The place of snapshots cannot be used, or this store cannot give or take one."""


class SnapshotRefused(SnapshotError):
    """A snapshot is not what was written, or does not belong here; an older one may do."""


class ReadError(SynclineError):
    """A model input cannot be handed out."""


class NotReady(ReadError):
    """The agent has not finished its first catch-up, so the store's values are not yet those of the log."""


class UnknownBundle(ReadError):
    """There is no such bundle, view or feature; the message names the nearest."""


class MissingJoinKey(ReadError):
    """A join key of the bundle was not given."""


class StaleFeature(ReadError):
    """A value is older than its limit and its contract says `refuse`."""
