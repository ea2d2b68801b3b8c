"""How many partitions a feature topic has, as its contract says."""

from __future__ import annotations

from syncline.catalog.contracts import contract_of
from syncline.catalog.fold import Picture
from syncline.errors import CatalogError


class PartitionCounts:
    """Answers from the catalog, and remembers: a topic's partitions belong to the MAJOR and do not change."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, picture: Picture, topic: str) -> int:
        """The number of partitions of a feature topic.

        Raises:
            CatalogError: its contract is none that this program can use, or no view has this topic.
        """
        if topic not in self._known:
            registered = next((found for found in picture.registrations() if found.topic == topic), None)
            if registered is None:
                raise CatalogError(f"no view has the topic {topic}")
            self._known[topic] = contract_of(registered).partitions
        return self._known[topic]
