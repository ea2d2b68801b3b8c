"""The databases in an LMDB environment, and the mark that says which layout they follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncline.adapters.lmdb import layout
from syncline.errors import StoreCorrupt, StoreMissing

if TYPE_CHECKING:
    from pathlib import Path

    import lmdb

    from syncline.adapters.lmdb.handles import Handles


def names_in(environment: lmdb.Environment) -> list[bytes]:
    """The names of all databases, sorted: the main database holds nothing else."""
    with environment.begin() as transaction:
        return list(transaction.cursor().iternext(values=False))


def open_or_create(
    environment: lmdb.Environment, names: list[bytes], folder: Path
) -> dict[bytes, lmdb._Database]:
    """Open all databases for writing, and in an empty environment make the fixed ones.

    Raises:
        StoreCorrupt: the environment is somebody else's.
    """
    if names and layout.LAYOUT not in names:
        raise StoreCorrupt(
            f"{folder} holds an LMDB store, but none of Syncline's: give the agent another folder"
        )
    with environment.begin(write=True) as transaction:
        opened = {name: environment.open_db(name, txn=transaction, create=False) for name in names}
        if not names:
            for name in (layout.STATES, layout.META, layout.LAYOUT):
                opened[name] = environment.open_db(name, txn=transaction)
            format_now = layout.pack_count(layout.FORMAT)
            transaction.put(layout.FORMAT_KEY, format_now, db=opened[layout.LAYOUT])
    return opened


def check_format(handles: Handles, folder: Path) -> None:
    """Refuse a store that this version would misread.

    Raises:
        StoreMissing: its writer has not finished making it.
        StoreCorrupt: it has another layout.
    """
    marks = handles.fixed.get(layout.LAYOUT)
    if marks is None:
        raise StoreMissing(f"the store at {folder} is still being created: try again once its agent runs")
    with handles.environment.begin() as transaction:
        packed = transaction.get(layout.FORMAT_KEY, db=marks)
    if packed is None or packed not in map(layout.pack_count, layout.FORMATS_READ):
        found = (
            layout.parse_count(packed)
            if packed is None or len(packed) == len(layout.pack_count(0))
            else "unknown"
        )
        raise StoreCorrupt(
            f"{folder} has layout {found}, this Syncline reads {' and '.join(map(str, layout.FORMATS_READ))}: "
            "run the Syncline that wrote it, or delete the folder; a new agent fills it again"
        )


def bring_up_to_date(handles: Handles) -> None:
    """Mark an older store as one of today's layout, for it is about to be written: older Synclines refuse it then.

    Raises:
        lmdb.Error: nothing was changed.
    """
    marks, today = handles.fixed[layout.LAYOUT], layout.pack_count(layout.FORMAT)
    with handles.environment.begin(write=True) as transaction:
        if transaction.get(layout.FORMAT_KEY, db=marks) != today:
            transaction.put(layout.FORMAT_KEY, today, db=marks)
