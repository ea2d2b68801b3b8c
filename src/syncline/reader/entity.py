"""From a request's join keys to the record key and partition where the entity's cell stands."""

from __future__ import annotations

import operator
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from syncline.contracts.limits import INTEGER_RANGES
from syncline.contracts.model import FeatureType
from syncline.errors import MissingJoinKey, ReadError, WireError
from syncline.wire.keys import encode_key, partition_for, partitions_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REMEMBERED_MAX = 16_384
"""How many entities' places are remembered a view; beyond it all are forgotten, so memory stays within ~4 MB."""


class Located(NamedTuple):
    """The entities of many rows: each distinct one once, and which of them each row asks for."""

    keys: list[bytes]
    partitions: list[int]
    codes: list[int]
    """Per row: the place of its entity in `keys`."""


class EntityKeys:
    """The join keys of one view, under the names that a request gives them."""

    def __init__(self, keys: Sequence[tuple[str, FeatureType]], *, partitions: int) -> None:
        self._keys = tuple(keys)
        self._partitions = partitions
        self._kinds = tuple(str if kind is FeatureType.STRING else int for _, kind in keys)
        self.names = tuple(name for name, _ in keys)
        self._pick = itemgetter(*self.names)
        self._remembered: dict[Any, tuple[bytes, int]] = {}

    def locate(self, request: Mapping[str, Any]) -> tuple[bytes, int]:
        """The (record key, partition) of the entity that a request names; it holds all of `names`.

        Raises:
            MissingJoinKey: a value is None.
            ReadError: a value has the wrong type, or cannot be part of an entity key.
        """
        picked = self._pick(request)
        values = picked if len(self.names) > 1 else (picked,)
        # Types first: 1, 1.0 and True are one and the same key of a dict.
        if tuple(map(type, values)) != self._kinds:
            values = self._checked(values)
        place = self._remembered.get(values)
        if place is None:
            key = self._encoded(values)
            place = (key, partition_for(key, self._partitions))
            if len(self._remembered) >= REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[values] = place
        return place

    def locate_many(self, columns: Mapping[str, Sequence[Any]]) -> Located:
        """The entities of many rows; see `locate`."""
        rows = list(zip(*(columns[name] for name in self.names), strict=True))
        if any(
            set(map(type, columns[name])) - {kind} for name, kind in zip(self.names, self._kinds, strict=True)
        ):
            rows = [self._checked(values, row=row) for row, values in enumerate(rows)]
        seen: dict[tuple[Any, ...], int] = {}
        codes = [seen.setdefault(values, len(seen)) for values in rows]
        keys = [self._encoded(values) for values in seen]
        return Located(keys, partitions_for(keys, self._partitions).tolist(), codes)

    def _encoded(self, values: tuple[Any, ...]) -> bytes:
        for (name, kind), value in zip(self._keys, values, strict=True):
            if kind is not FeatureType.STRING:
                low, high = INTEGER_RANGES[kind]
                if not low <= value <= high:
                    raise ReadError(f"the join key `{name}` is {value}, which no {kind.value} can be")
        try:
            return encode_key(values)
        except WireError as error:
            named = ", ".join(f"`{name}`" for name in self.names)
            raise ReadError(f"no entity has the join keys {named} given: {error}") from None

    def _checked(self, values: tuple[Any, ...], *, row: int | None = None) -> tuple[Any, ...]:
        where = "" if row is None else f"row {row}: "
        return tuple(
            _as_key(name, kind, value, where) for (name, kind), value in zip(self._keys, values, strict=True)
        )


def _as_key(name: str, kind: FeatureType, value: object, where: str) -> str | int:
    if value is None:
        raise MissingJoinKey(f"{where}the join key `{name}` is null; give a value, or leave the row out")
    if kind is FeatureType.STRING:
        if isinstance(value, str):
            return str(value)
    elif not isinstance(value, bool):
        try:
            return operator.index(value)  # type: ignore[arg-type]  # what has no index raises
        except TypeError:
            pass
    wanted = "a text" if kind is FeatureType.STRING else "a whole number"
    raise ReadError(f"{where}the join key `{name}` is {value!r:.80} ({type(value).__name__}); give {wanted}")
