"""`syncline get`: one model input, with where each value came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncline.cli.options import output_option, store_option
from syncline.cli.output import Output
from syncline.contracts.plain import plain_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncline.contracts.model import FeatureType
    from syncline.reader import ModelInput

_LONGEST_LIST = 8
"""A longer list is shown by its ends: an embedding has hundreds of elements."""


@click.command()
@click.argument("bundle")
@click.argument("keys", nargs=-1, metavar="KEY=VALUE...")
@store_option
@click.option(
    "--feature",
    "features",
    multiple=True,
    help="Only this feature (repeat), as alias:feature or its result name.",
)
@output_option
def get(
    *,
    bundle: str,
    keys: tuple[str, ...],
    store: Path,
    features: tuple[str, ...],
    output: Output,
) -> None:
    """Print one model input of BUNDLE for the entities that KEY=VALUE… name.

    For instance: syncline get flight_inputs origin=EWR dest=IAH tailnum=N14228 --store ./store
    """
    from syncline.wiring import FeatureReader

    with FeatureReader(store) as reader:
        row = reader.get(
            bundle,
            parse_keys(keys, reader.join_keys()),
            features=list(features) or None,
        )
    if output.is_json:
        output.document(_document(row))
        return
    output.line(f"{row.release}, epoch {row.epoch}, cut {'-' if row.cut is None else row.cut}")
    output.table(["feature", "value", "status", "age", "from", "at"], _rows(row), right=["value", "age"])


def parse_keys(given: Sequence[str], types: dict[str, FeatureType]) -> dict[str, str | int]:
    """The join keys behind `name=value` arguments; integers where the contract's key is one.

    Raises:
        click.UsageError: an argument is not of that form, or given twice.
    """
    parsed: dict[str, str | int] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{text!r} is not a join key; write it as origin=EWR")
        if name in parsed:
            raise click.UsageError(f"join key {name} is given twice")
        wanted = types.get(name)
        if wanted is not None and wanted != "string":
            try:
                parsed[name] = int(value)
            except ValueError:
                raise click.UsageError(f"join key {name} is an integer, and {value!r} is none") from None
        else:
            parsed[name] = value
    return parsed


def _rows(row: ModelInput) -> list[list[str]]:
    ages, by_feature = row.ages, row.sources_by_feature
    rows = []
    for name, value in row.values.items():
        source = by_feature[name]
        age = ages[name]
        rows.append(
            [
                name,
                shown(value),
                str(row.statuses[name]),
                "-" if age is None else f"{age.total_seconds():.1f} s",
                source.reference or source.view,
                "-" if source.offset is None else f"{source.topic} {source.partition}:{source.offset}",
            ]
        )
    return rows


def shown(value: object) -> str:
    """A value in a table: whole, but for the middle of a long list."""
    plain = plain_value(value)
    if isinstance(plain, list) and len(plain) > _LONGEST_LIST:
        first, last = (json.dumps(part, ensure_ascii=False)[1:-1] for part in (plain[:3], plain[-1:]))
        return f"[{first}, ..., {last}] ({len(plain):,} items)"
    if isinstance(plain, list | dict):
        return json.dumps(plain, ensure_ascii=False)
    return "null" if plain is None else str(plain)


def _document(row: ModelInput) -> dict[str, Any]:
    ages, times, by_feature = row.ages, row.event_times, row.sources_by_feature
    features = {}
    for name, value in row.values.items():
        source, age, when = by_feature[name], ages[name], times[name]
        features[name] = {
            "value": plain_value(value),
            "status": str(row.statuses[name]),
            "age_s": None if age is None else age.total_seconds(),
            "event_time": plain_value(when),
            "view": source.view,
            "written_as": source.reference,
            "schema_id": source.schema_id,
            "topic": source.topic,
            "partition": source.partition,
            "offset": source.offset,
        }
    return {"release": row.release, "epoch": row.epoch, "cut": row.cut, "features": features}
