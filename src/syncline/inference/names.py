"""Names of columns as names of features, and what a name says about its values."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

LONGEST_NAME = 100
_LETTERS_OF_OTHERS = str.maketrans(
    {"ß": "ss", "ø": "o", "Ø": "O", "đ": "d", "ł": "l", "Ł": "L", "æ": "ae", "Æ": "AE", "%": " pct "}
)


def feature_name(column: str, position: int, taken: Collection[str]) -> str:
    """The name of a feature for a column: letters, digits and single `_`, unlike those that are taken.

    Args:
        column: as the file calls it.
        position: of the column, from 0, for one whose name holds nothing that may stay.
        taken: names that cannot be used any more.
    """
    plain = (
        unicodedata.normalize("NFKD", column.translate(_LETTERS_OF_OTHERS)).encode("ascii", "ignore").decode()
    )
    name = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")
    if column.startswith("_") and name and not name[0].isdigit():
        name = "_" + name
    if not name:
        name = f"column_{position + 1}"
    if name[0].isdigit():
        name = f"column_{name}"
    name = name[:LONGEST_NAME].rstrip("_")
    candidate, number = name, 2
    while candidate in taken:
        ending = f"_{number}"
        candidate = name[: LONGEST_NAME - len(ending)].rstrip("_") + ending
        number += 1
    return candidate


def feature_names(columns: Sequence[str], *, event_time: int, reserved: str) -> list[str]:
    """A name for each column; the one at `event_time` gets the reserved one, which no other may have."""
    # Names that may stay as they are stay, whatever stands before them.
    names: list[str] = [""] * len(columns)
    names[event_time] = reserved
    taken = {reserved}
    for keep in (True, False):
        for position, column in enumerate(columns):
            if names[position] or (keep and feature_name(column, position, taken) != column):
                continue
            names[position] = feature_name(column, position, taken)
            taken.add(names[position])
    return names


def view_name(text: str) -> str:
    """A view's name from any text: small letters, digits and `_`; `view` where nothing of it may stay."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    name = feature_name(spaced, 0, ()).lower().removeprefix("column_").strip("_")
    return name if name and name[0].isalpha() else f"view_{name}".strip("_")


def words(name: str) -> frozenset[str]:
    """The words of a name, in small letters: `depDelay_24h` has dep, delay and 24h."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return frozenset(re.sub(r"[^A-Za-z0-9%]+", "_", spaced).lower().split("_"))
