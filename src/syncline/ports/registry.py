"""The Registry port: who gives out schema ids and refuses incompatible schemas. Needed to apply, never to serve."""

from __future__ import annotations

from typing import Protocol


class Registry(Protocol):
    """A Confluent-compatible schema registry, for Avro."""

    def ping(self) -> None:
        """Ask for anything.

        Raises:
            RegistryUnavailable: no answer in time.
        """
        ...

    def set_compatibility(self, subject: str, level: str) -> None:
        """Set the subject's compatibility level, as `BACKWARD_TRANSITIVE`; it may precede the first schema."""
        ...

    def compatibility(self, subject: str) -> str | None:
        """The subject's own level, or None where it has none."""
        ...

    def register(self, subject: str, schema: str) -> int:
        """The schema's id under the subject, new or as it was; idempotent.

        Raises:
            SchemaIncompatible: refused under the subject's compatibility; the message carries the registry's reason.
            RegistryUnavailable: no answer in time; it may have been registered.
        """
        ...

    def lookup(self, subject: str, schema: str) -> int | None:
        """The id this schema has under the subject, or None."""
        ...

    def check(self, subject: str, schema: str) -> list[str]:
        """Why the schema would be refused: one sentence each, empty where it would be accepted."""
        ...

    def schema(self, schema_id: int) -> str:
        """The schema's text.

        Raises:
            SchemaNotFound: no schema has this id.
        """
        ...
