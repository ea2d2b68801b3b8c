"""From a file's columns to a first contract: which column says when, which say whose, and all others as features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from syncline.contracts.model import FeatureType
from syncline.contracts.nearest import nearest
from syncline.contracts.odcs.document import EVENT_TIME
from syncline.inference.document_text import Proposal, document_text, names
from syncline.inference.files import Source, refused
from syncline.inference.keys import Sample, find_cadence, propose_key, shared_rows
from syncline.inference.names import feature_names, view_name, words
from syncline.inference.profile import Column

_MOST_PROPERTIES = 1_000
_EVENT_WORDS = ("event", "timestamp", "ts", "time", "datetime", "at", "hour", "date")
_RECORD_WORDS = frozenset(
    ("created", "updated", "modified", "ingested", "loaded", "inserted", "processed", "received", "deleted")
)
_PANDAS_INDEX = "__index_level_"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person who asks knows already; None or empty where the data shall tell."""

    view: str | None = None
    keys: tuple[str, ...] = ()
    event_time: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Inferred:
    """A contract in YAML, and what should be said beside it."""

    text: str
    notes: tuple[str, ...]
    places: tuple[tuple[str, int], ...]
    """(name in the contract, position of its column), keys and event time first."""


def infer(source: Source, path: Path, wishes: Wishes) -> Inferred:
    """A first contract from the data of a file. Everything in the file keeps it, unless a note says otherwise.

    Raises:
        DefinitionError: no column can be the event time, the key or a feature, or a wish names no such column.
    """
    columns, sample = look(source)
    if not any(column.type for column in columns) and not any(column.rows for column in columns):
        raise refused(path, "it has no rows, and its columns no types", "Name a file with some rows")
    event_time = _event_time(columns, wishes, path)
    keys, how, notes = _keys(columns, sample, event_time, wishes, path)
    proposed = feature_names(
        [column.name for column in columns], event_time=event_time.position, reserved=EVENT_TIME
    )
    features, left_out = [], []
    room = _MOST_PROPERTIES - len(keys) - 1
    for column in columns:
        if column is event_time or column in keys:
            continue
        why = _why_left_out(column) or (f"a view has at most {_MOST_PROPERTIES} columns" if not room else "")
        if why:
            left_out.append((column.name, why))
        else:
            features.append((column, proposed[column.position]))
            room -= 1
    if not features:
        raise refused(
            path,
            "no column is left to be a feature beside key and event time",
            f"Add one. Left out: {'; '.join(f'`{name}` ({why})' for name, why in left_out[:3]) or 'none'}",
        )
    us_each = 86_400_000_000 if event_time.scalar is FeatureType.DATE else 1
    proposal = Proposal(
        view=wishes.view or view_name(_stem(path)),
        owner=wishes.owner,
        file=path.name,
        form=source.form,
        rows=event_time.rows,
        remarks=source.remarks,
        event_time=event_time,
        keys=tuple((key, proposed[key.position], said) for key, said in zip(keys, how, strict=True)),
        features=tuple(features),
        left_out=tuple(left_out),
        cadence=find_cadence(sample, [key.position for key in keys], event_time.position, us_each),
    )
    named = [(name, key.position) for key, name, _ in proposal.keys]
    named.append((EVENT_TIME, event_time.position))
    named += [(name, column.position) for column, name in features]
    return Inferred(document_text(proposal), tuple(notes), tuple(named))


def look(source: Source) -> tuple[list[Column], Sample]:
    """Every column summed up over the whole file, and its first rows for finding keys."""
    columns = [
        Column.of(name, position, found)
        for position, (name, found) in enumerate(zip(source.names, source.types, strict=True))
    ]
    sample = Sample()
    for batch in source.batches():
        sampling = not sample.full
        for column, arrays in zip(columns, batch, strict=True):
            values = column.add(arrays)
            if sampling and values is not None:
                sample.add(column, values)
        if sampling:
            sample.rows += len(batch[0])
    return columns, sample


def _event_time(columns: Sequence[Column], wishes: Wishes, path: Path) -> Column:
    if wishes.event_time is not None:
        column = _named(columns, wishes.event_time, "--event-time", path)
        if column.scalar not in (FeatureType.TIMESTAMP, FeatureType.DATE):
            said = column.left_out or (column.type.kind.value if column.type else "")
            raise refused(
                path,
                f"`{column.name}` is no timestamp ({said})",
                "Convert it, or name another with --event-time",
            )
        return column
    found = [column for column in columns if column.scalar is FeatureType.TIMESTAMP]
    if not found:
        days = [column for column in columns if column.scalar is FeatureType.DATE]
        remedy = "Add one, in UTC, and name it with --event-time"
        if days:
            remedy = f"If midnight, UTC, will do, say --event-time {days[0].name}; else add one"
        raise refused(path, "no column is a timestamp, so nothing says when a row's event happened", remedy)
    whole = [column for column in found if not column.nulls]
    if not whole:
        raise refused(
            path,
            f"every timestamp is null in some rows ({names(found)})",
            "Name the one that counts with --event-time",
        )
    return min(whole, key=_distance_from_event)


def _distance_from_event(column: Column) -> tuple[bool, int, int]:
    said = words(column.name)
    rank = next((rank for rank, word in enumerate(_EVENT_WORDS) if word in said), len(_EVENT_WORDS))
    return bool(said & _RECORD_WORDS), rank, column.position


def _keys(
    columns: Sequence[Column], sample: Sample, event_time: Column, wishes: Wishes, path: Path
) -> tuple[list[Column], list[str], list[str]]:
    """The join keys, how each was chosen, and what should be said about them."""
    if wishes.keys:
        return _wished_keys(columns, sample, event_time, wishes, path)
    found = propose_key(columns, sample, event_time.position)
    if found is None:
        raise refused(
            path,
            f"no text or integer columns (up to three) are unique together with `{event_time.name}`",
            "Say which columns name the entity: --key COLUMN, once for each",
        )
    keys = [columns[position] for position in found]
    together = f"{', '.join(f'`{key.name}`' for key in keys)} and `{event_time.name}`"
    many = f"{sample.rows:,}" if sample.rows == event_time.rows else f"the first {sample.rows:,}"
    if sample.rows > 1:
        said = f"proposed, as no two of {many} rows have the same {together}; review"
    else:
        said = f"proposed by its type and name, as there {'is one row' if sample.rows else 'are no rows'}; review"
    return keys, [said] * len(keys), []


def _wished_keys(
    columns: Sequence[Column], sample: Sample, event_time: Column, wishes: Wishes, path: Path
) -> tuple[list[Column], list[str], list[str]]:
    keys: list[Column] = []
    how, notes = [], []
    for wish in wishes.keys:
        column = _named(columns, wish, "--key", path)
        if column is event_time or column in keys:
            what = "the event time" if column is event_time else "named twice"
            raise refused(path, f"`{column.name}` cannot be a key: it is {what}", "Name another with --key")
        if column.scalar not in (FeatureType.STRING, FeatureType.INT, FeatureType.LONG):
            said = column.left_out or (column.type.kind.value if column.type else "")
            raise refused(
                path,
                f"`{column.name}` cannot be a key ({said})",
                "Name a column of texts or integers with --key",
            )
        wrong = f"{column.nulls:,} null" if column.nulls else ""
        if column.scalar is FeatureType.STRING and column.texts.shortest == 0:
            wrong = f"{wrong} and some empty" if wrong else "some empty"
        how.append(
            f"as asked for{f'; observed {wrong}: such rows break the contract; review' if wrong else ''}"
        )
        if wrong:
            notes.append(f"note: `{column.name}` is a key, and {wrong}: such rows break the contract")
        keys.append(column)
    if event_time.nulls:
        notes.append(
            f"note: `{event_time.name}` is null in {event_time.nulls:,} rows: they cannot be published"
        )
    shared = shared_rows(sample, [key.position for key in keys], event_time.position)
    if shared:
        notes.append(f"note: {shared:.2%} of the rows have key and event time in common with an earlier one")
    return keys, how, notes


def _named(columns: Sequence[Column], name: str, option: str, path: Path) -> Column:
    found = [column for column in columns if column.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise refused(path, f"{len(found)} columns are called `{name}`", "Rename them in the file")
    raise refused(
        path, f"it has no column `{name}` ({option})", nearest(name, {column.name for column in columns})
    )


def _why_left_out(column: Column) -> str:
    if column.name.startswith(_PANDAS_INDEX):
        return "the row numbers of a pandas frame"
    return "" if column.type is not None else column.left_out


def _stem(path: Path) -> str:
    return path.name.split(".")[0]
