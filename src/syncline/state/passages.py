"""The ways that operators opened past records that hold a partition: decisions of the catalog, as a judge needs them.

Whichever comes first in the catalog decides, a registration or a passage, so a verdict is the same for whoever reads
catalog and topic, early or late (roles.md, the loop, step 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

SKIPPED = "skipped"
REFUSED = "refused"
STAGE = "SKIP"
"""The stage that a dead letter names where an operator passed its record by."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One decision to pass a record by."""

    rule: str
    """`skipped`: this record; `refused`: every record under its schema id."""
    catalog_offset: int
    actor: str
    reason: str

    def __str__(self) -> str:
        """Who decided it, where it stands, and why: what the dead letter says."""
        return f"{self.rule} by {self.actor} at catalog offset {self.catalog_offset}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Passages:
    """What the catalog says about passing the records of one partition. Looked at only where a record would hold."""

    records: Mapping[int, Passage] = field(default_factory=dict)
    """Offset of a record of the partition → the decision to skip it."""
    schemas: Mapping[int, Passage] = field(default_factory=dict)
    """Schema id that the catalog does not know, and never will → the decision to refuse it."""
    known_since: Mapping[int, int] = field(default_factory=dict)
    """Schema id → catalog offset of its registration."""

    def __bool__(self) -> bool:
        """Whether there is any: mostly there is none, and nobody looks further."""
        return bool(self.records or self.schemas)

    def before_registration(
        self, offsets: npt.NDArray[np.int64], ids: npt.NDArray[np.int64]
    ) -> dict[int, Passage]:
        """Row → how it is passed, of the rows whose schema id (-1: none) was unknown when that was decided.

        Args:
            offsets: of the rows, ascending.
            ids: the rows' schema ids.
        """
        found: dict[int, Passage] = {}
        if not len(offsets):
            return found
        for schema_id, refusal in self.schemas.items():
            found.update((int(row), refusal) for row in np.flatnonzero(ids == schema_id))
        first, last = int(offsets[0]), int(offsets[-1])
        # Of many skips and many rows, the fewer are gone through.
        skips = self.records if len(self.records) <= len(offsets) else offsets.tolist()
        for offset in skips:
            skip = self.records.get(offset)
            if skip is None or not first <= offset <= last:
                continue
            row = int(np.searchsorted(offsets, offset))
            schema_id = int(ids[row])
            if offsets[row] != offset or schema_id < 0:
                continue
            known = self.known_since.get(schema_id)
            if known is not None and known < skip.catalog_offset:
                continue
            if row not in found or skip.catalog_offset < found[row].catalog_offset:
                found[row] = skip
        return found


NONE = Passages()
