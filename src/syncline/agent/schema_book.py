"""Every schema id that the catalog knows, compiled when it is first needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncline.catalog.events import ViewVersionRegistered
from syncline.catalog.fold import Picture
from syncline.errors import CatalogError, DefinitionError, WireError
from syncline.state.view_schema import ViewMajor, ViewSchema


class SchemaBook(Mapping[int, ViewSchema]):
    """Schema id → what it means. Ids only ever come; what one means never changes."""

    def __init__(self) -> None:
        self._registered: dict[int, ViewVersionRegistered] = {}
        self._compiled: dict[int, ViewSchema] = {}

    def learn(self, picture: Picture) -> None:
        """Take in every version of the picture."""
        for versions in picture.views.values():
            for recorded in versions.values():
                self._registered[recorded.payload.schema_id] = recorded.payload

    def major(self, view: str, major: int) -> ViewMajor:
        """What the versions of this MAJOR have in common; at least one is registered."""
        versions = [
            payload
            for payload in self._registered.values()
            if payload.view == view and payload.version.major == major
        ]
        versions.sort(key=lambda payload: payload.version.minor)
        return ViewMajor.of([self[payload.schema_id].contract for payload in versions])

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
                raise CatalogError(
                    f"{payload.view}@{payload.version} (schema id {schema_id}) stands in the catalog with a contract "
                    f"that this Syncline cannot use: {error}. It was written by another tool, or by a newer Syncline"
                ) from error
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
