"""The contract of a registered view version, as it stands in the catalog."""

from __future__ import annotations

import json

from syncline.catalog.events import ViewVersionRegistered
from syncline.contracts.codec.avro import as_registered
from syncline.contracts.model import Contract
from syncline.contracts.odcs.document import contract_from_document
from syncline.errors import CatalogError, DefinitionError
from syncline.wire.topics import prefix_of


def contract_of(registered: ViewVersionRegistered) -> Contract:
    """The version's contract; what it encodes is of the registered schema, with the unions that stay there.

    Raises:
        CatalogError: it is none that this program can use.
    """
    try:
        document = json.loads(registered.contract)
        contract = contract_from_document(document, prefix=prefix_of(registered.topic))
        return as_registered(contract, registered.avro_schema)
    except (DefinitionError, LookupError, TypeError, ValueError) as error:
        raise unusable(registered, error) from error


def unusable(registered: ViewVersionRegistered, error: Exception) -> CatalogError:
    """That the catalog holds a contract or schema that this program cannot use, and why."""
    return CatalogError(
        f"{registered.view}@{registered.version} stands in the catalog with a contract (schema id "
        f"{registered.schema_id}) that this Syncline cannot use: {error}. It was written by another tool, or by a "
        "newer Syncline"
    )
