"""Values as a model takes them: days as `datetime.date`, moments as aware `datetime`, in UTC.

Checks and the wire have whole numbers for both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncline.clock import from_us
from syncline.contracts.model import FeatureType
from syncline.contracts.moments import date_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncline.contracts.model import Feature


def natural(feature: Feature) -> Callable[[Any], Any] | None:
    """How a checked value of this feature becomes what is handed out; None where it is that already.

    A list, vector or map is always a new one: whoever gets it may change it.
    """
    if not feature.type.is_nested:
        return _SCALARS.get(feature.type)
    item = None if feature.item is None else _SCALARS.get(feature.item.type)
    if feature.type is FeatureType.MAP:
        if item is None:
            return dict
        return lambda value: {key: item(each) for key, each in value.items()}
    if item is None:
        return list
    return lambda value: [item(each) for each in value]


_SCALARS: dict[FeatureType, Callable[[Any], Any]] = {
    FeatureType.DATE: date_of,
    FeatureType.TIMESTAMP: from_us,
}
