"""Contracts and schemas as a reader uses them: each compiled once, and shared by all releases that it meets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from syncline.contracts.checks.rows import compile_rows
from syncline.contracts.codec.decode_row import RowDecoder
from syncline.contracts.odcs.document import contract_from_document
from syncline.errors import DefinitionError, ReadError
from syncline.wire.topics import prefix_of

if TYPE_CHECKING:
    from syncline.contracts.checks.rows import RowCheck
    from syncline.contracts.model import Contract

_KEPT_MAX = 256


class ServedContract:
    """A contract with its check: what all aliases of one view version share."""

    def __init__(self, text: str, *, topic: str) -> None:
        try:
            self.contract: Contract = contract_from_document(json.loads(text), prefix=prefix_of(topic))
        except (DefinitionError, ValueError) as error:
            raise ReadError(
                f"the store holds values of {topic} under a contract that this Syncline cannot use: {error}. Their "
                "agent is newer: bring this reader to its version"
            ) from error
        self.check: RowCheck = compile_rows(self.contract)


class Compiled:
    """What a reader has compiled so far. Compiling takes milliseconds, and no read shall wait because of a cut.

    Several threads may share it: at worst one thing is compiled twice.
    """

    def __init__(self) -> None:
        """Nothing yet."""
        self._contracts: dict[tuple[str, str], ServedContract] = {}
        self._decoders: dict[str, RowDecoder] = {}

    def contract(self, text: str, *, topic: str) -> ServedContract:
        """The contract of a view version whose values stand in `topic`.

        Raises:
            ReadError: this Syncline cannot use it.
        """
        found = self._contracts.get((text, topic))
        if found is None:
            found = ServedContract(text, topic=topic)
            if len(self._contracts) >= _KEPT_MAX:
                self._contracts.clear()
            self._contracts[text, topic] = found
        return found

    def decoder(self, avro_schema: str) -> RowDecoder:
        """The decoder of rows that were written under a schema.

        Raises:
            WireError: the schema is none that rows are decoded by.
        """
        found = self._decoders.get(avro_schema)
        if found is None:
            found = RowDecoder(avro_schema)
            if len(self._decoders) >= _KEPT_MAX:
                self._decoders.clear()
            self._decoders[avro_schema] = found
        return found
