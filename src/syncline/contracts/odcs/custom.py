"""Custom properties of a document: where ODCS lacks a word, ours begin with `syncline.`; those of others pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncline.contracts.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncline.contracts.odcs.located import Findings, Path

DOCUMENT_SETTINGS = frozenset(
    f"syncline.{name}"
    for name in ("onViolation", "whenStale", "maxAge", "maxAhead", "lateArrival", "partitions")
)
FEATURE_SETTINGS = frozenset(
    f"syncline.{name}" for name in ("default", "finite", "redact", "itemMinimum", "itemMaximum")
)
_PLACES = {"the document": DOCUMENT_SETTINGS, "a feature": FEATURE_SETTINGS}


def custom_properties(
    holder: Mapping[str, Any], path: Path, *, known: frozenset[str], findings: Findings, level: str
) -> dict[str, tuple[Any, Path]]:
    """The custom properties of a part of the document by name, each with the place of its value.

    Those of others pass; one that begins with `syncline.` must be known at this level, and none may stand twice.
    """
    found: dict[str, tuple[Any, Path]] = {}
    entries = holder.get("customProperties")
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        name = entry.get("property") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            continue
        where: Path = (*path, "customProperties", number)
        ours = name.startswith("syncline.")
        elsewhere = next((place for place, names in _PLACES.items() if name in names), None)
        if ours and name not in known and elsewhere is not None:
            findings.add(where, "misplaced", f"`{name}` is no setting of {level}", f"State it on {elsewhere}")
        elif ours and name not in known:
            findings.add(where, "unknown-key", f"there is no setting `{name}`", nearest(name, known))
        elif name in found and (ours or name == "unit"):
            findings.add(where, "duplicate-key", f"`{name}` stands here twice", "Keep one of them")
        else:
            found[name] = (entry.get("value"), (*where, "value"))
    return found
