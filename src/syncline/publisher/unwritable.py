"""Rows that have no Avro form, as the JSON that their dead letters keep."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from syncline.contracts.model import FeatureType
from syncline.contracts.plain import plain_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncline.contracts.model import Contract


def row_as_json(row: Mapping[Any, Any], contract: Contract) -> bytes:
    """The row as a JSON object, whatever it holds: days and moments as ISO text, what JSON has no form for as text."""
    kinds = {contract.event_time: FeatureType.TIMESTAMP}
    kinds |= {
        feature.name: feature.item.type if feature.item else feature.type for feature in contract.features
    }
    return json.dumps(plain_row(row, kinds)).encode()
