"""Every schema id that the catalog knows, compiled when it is first needed, and the ways past those it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncline.catalog.contracts import unusable
from syncline.catalog.events import Payload, ViewVersionRegistered
from syncline.catalog.fold import Picture, Recorded
from syncline.errors import DefinitionError, WireError
from syncline.ports.log import TopicPartition
from syncline.state.passages import NONE, REFUSED, SKIPPED, Passage, Passages
from syncline.state.view_schema import ViewMajor, ViewSchema


class SchemaBook(Mapping[int, ViewSchema]):
    """Schema id → what it means. Ids only ever come; what one means never changes."""

    def __init__(self) -> None:
        self._registered: dict[int, ViewVersionRegistered] = {}
        self._compiled: dict[int, ViewSchema] = {}
        self._passages: dict[TopicPartition, Passages] = {}
        self._elsewhere = NONE

    def learn(self, picture: Picture) -> None:
        """Take in every version of the picture, and every decision to pass a record by."""
        self._registered |= {registered.schema_id: registered for registered in picture.registrations()}
        refused = {schema_id: passage_by(found, REFUSED) for schema_id, found in picture.refused.items()}
        skipped: dict[TopicPartition, dict[int, Passage]] = {}
        for (topic, partition, offset), found_skip in picture.skipped.items():
            skipped.setdefault((topic, partition), {})[offset] = passage_by(found_skip, SKIPPED)
        known = picture.known_since
        self._elsewhere = Passages(schemas=refused, known_since=known)
        self._passages = {place: Passages(records, refused, known) for place, records in skipped.items()}

    def passages(self, topic: str, partition: int) -> Passages:
        """The ways past the records of this partition."""
        return self._passages.get((topic, partition), self.refusals)

    @property
    def refusals(self) -> Passages:
        """The ways past records that do not stand anywhere yet: only their schema ids can have been refused."""
        return self._elsewhere

    def major(self, view: str, major: int) -> ViewMajor:
        """What the versions of this MAJOR have in common; at least one is registered."""
        versions = [
            payload
            for payload in self._registered.values()
            if payload.view == view and payload.version.major == major
        ]
        # The first alone: a later version that this program cannot use is no reason not to read the others.
        first = min(versions, key=lambda payload: payload.version.minor)
        return ViewMajor.of(self[first.schema_id].contract)

    def __getitem__(self, schema_id: int) -> ViewSchema:
        """The compiled schema.

        Raises:
            CatalogError: its contract or schema is none that this program can use.
        """
        compiled = self._compiled.get(schema_id)
        if compiled is None:
            payload = self._registered[schema_id]
            try:
                compiled = ViewSchema.compile(
                    schema_id=schema_id,
                    contract_json=payload.contract,
                    avro_schema=payload.avro_schema,
                    topic=payload.topic,
                )
            except (DefinitionError, WireError, ValueError) as error:
                raise unusable(payload, error) from error
            self._compiled[schema_id] = compiled
        return compiled

    def __contains__(self, schema_id: object) -> bool:
        """Whether the catalog knows the id."""
        return schema_id in self._registered

    def __iter__(self) -> Iterator[int]:
        """Every known id."""
        return iter(self._registered)

    def __len__(self) -> int:
        """How many ids are known."""
        return len(self._registered)


def passage_by(recorded: Recorded[Payload], rule: str) -> Passage:
    """The passage that a decision opened."""
    return Passage(rule, recorded.offset, recorded.decision.actor, recorded.decision.reason)
