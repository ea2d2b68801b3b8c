"""Documents that are no contract in the standard's version that is read here: what each is, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncline.contracts.odcs.standard import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncline.contracts.odcs.located import Findings

_BEGIN = f"Write `apiVersion: {API_VERSION}`, and follow that version of the standard"
_BY_KEY = {
    # A key that only such a document has → what it is called, what to do.
    "dataContractSpecification": (
        "a contract in the Data Contract Specification (DCS)",
        f"Rewrite it in ODCS {API_VERSION}: a model becomes a contract of its own, and its fields properties",
    ),
    "dataProductSpecification": (
        "a data product, no contract",
        "Name the contract of one of its output ports",
    ),
    "quantumName": ("a contract in ODCS v2", f"Rewrite it in ODCS {API_VERSION}: `dataset` became `schema`"),
    "datasetDomain": (
        "a contract in ODCS v2",
        f"Rewrite it in ODCS {API_VERSION}: `dataset` became `schema`",
    ),
    "openapi": ("an OpenAPI document", "Name the file of a contract"),
    "asyncapi": ("an AsyncAPI document", "Name the file of a contract"),
    "$schema": ("a JSON Schema", "Write a contract; `schema` is where its properties stand"),
    "$defs": ("a JSON Schema", "Write a contract; `schema` is where its properties stand"),
    "models": ("a schema file of dbt", "Write a contract for the feature view; `syncline init` shows one"),
    "sources": ("a schema file of dbt", "Write a contract for the feature view; `syncline init` shows one"),
}
_NEAR_VERSIONS = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0")


def is_foreign(document: Mapping[str, Any], findings: Findings) -> bool:
    """Whether the document follows no standard, or another one than ours; then that is noted, and nothing else.

    Said alone: under another version of the standard every further problem might be a false one.
    """
    stated = document.get("apiVersion")
    kind = document.get("kind")
    if stated == API_VERSION and kind in (None, "DataContract"):
        return False
    if stated == API_VERSION:
        findings.add(("kind",), "kind", f"`kind` is {kind!r:.40}", "Write `kind: DataContract`")
    elif isinstance(stated, str) and stated in _NEAR_VERSIONS:
        remedy = f"Write `apiVersion: {API_VERSION}`: what such a document says means the same there"
        findings.add(("apiVersion",), "api-version", f"ODCS {stated} is not read here", remedy)
    elif stated == "syncline/v1":
        remedy = (
            "A contract begins with `apiVersion: v3.2.0`; bundles and subscriptions have folders of their own"
        )
        findings.add(
            ("apiVersion",), "api-version", f"this is a {kind!r:.40}, no contract".replace("'", ""), remedy
        )
    else:
        what, remedy = next((said for key, said in _BY_KEY.items() if key in document), ("", _BEGIN))
        if what:
            message = f"this is {what}"
        elif stated is None:
            message = "`apiVersion` is missing"
        else:
            message = f"apiVersion {stated!r:.40} is not read here"
        findings.add(("apiVersion",), "api-version", message, remedy)
    return True
