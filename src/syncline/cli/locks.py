"""Locks as the CLI reads and shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from syncline import wiring
from syncline.catalog.lock import (
    META_LOCK,
    Difference,
    Lock,
    LockedView,
    differences,
    lock_from,
    parse,
    require_known_format,
)
from syncline.cli.output import Output, counted
from syncline.errors import CatalogError, NotReady, SettingsError, UnknownFormat
from syncline.inspection.locks import ConsumerLocks, Resolved

_FILE_BYTES_MAX = 10_000_000
_HASH_SHOWN = 12


def stored_lock(path: Path, consumer: str | None) -> Lock:
    """The lock that the agent which writes this store serves.

    Raises:
        StoreMissing: there is no store.
        NotReady: its agent has chosen no release yet.
        SettingsError: it is the store of another consumer.
    """
    store = wiring.open_store(path, read_only=True)
    try:
        with store.snapshot() as snapshot:
            packed = snapshot.meta(META_LOCK)
    finally:
        store.close()
    if packed is None:
        raise NotReady(
            f"the store in {path} has no lock: its agent has chosen no release yet, or is of an earlier Syncline"
        )
    found = parse(packed)
    if consumer not in (None, found.consumer):
        raise SettingsError(f"the store in {path} is that of {found.consumer}, not of {consumer}")
    return found


def saved_lock(path: Path, consumer: str) -> Resolved:
    """The lock in a file: what `lock show --output json` prints, or the lock alone.

    Raises:
        SettingsError: the file cannot be read, holds no lock, or one of another consumer.
        UnknownFormat: it was written by a newer Syncline.
    """
    try:
        if path.stat().st_size > _FILE_BYTES_MAX:
            raise SettingsError(f"{path} is larger than any lock")
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise SettingsError(f"{path} holds no lock: {_HOW_TO_SAVE}") from None
    whole = isinstance(document, dict) and "lock" in document
    try:
        if whole:
            require_known_format(document, "the document")
        found = lock_from(document["lock"] if whole else document)
    except UnknownFormat as error:
        raise UnknownFormat(f"{path}: {error}") from None
    except CatalogError as error:
        raise SettingsError(f"{path} holds no lock ({error}): {_HOW_TO_SAVE}") from None
    if whole and document.get("hash") != found.hash:
        raise SettingsError(f"{path} was changed after it was saved: its lock has the hash {found.hash}")
    if found.consumer != consumer:
        raise SettingsError(f"{path} is the lock of {found.consumer}, not of {consumer}")
    return Resolved(found, f"saved in {path}")


def show_stored(lock: Lock, output: Output) -> None:
    """What an agent serves."""
    if output.is_json:
        output.document(
            {"lock": lock.document(), "hash": lock.hash, "why": "served by the agent of this store"}
        )
        return
    _show(Resolved(lock, "served by the agent of this store"), output)


def show_lock(locks: ConsumerLocks, release: int | None, output: Output) -> None:
    """The lock under a release, or what the policy resolves to; and whether it is live."""
    found = locks.by_policy() if release is None else locks.under(release)
    live = locks.live()
    different = differences(live.lock, found.lock)
    consumer = found.lock.consumer
    if output.is_json:
        output.document(
            {
                "lock": found.lock.document(),
                "hash": found.lock.hash,
                "why": found.why,
                "deprecated": dict(found.deprecated),
                "live": {
                    "release": live.lock.release,
                    "hash": live.lock.hash,
                    "differences": [_document(each) for each in different],
                },
            }
        )
        return
    _show(found, output)
    if not different:
        output.line(f"{found.lock.reference} is live for {consumer}.", style="green")
        return
    how = f"syncline lock diff {consumer}" + (f" --to {release}" if release is not None else "")
    output.line(
        f"{live.lock.reference} is live for {consumer}: {counted(len(different), 'difference')}, see {how}",
        style="yellow",
    )


def show_differences(before: Resolved, after: Resolved, output: Output) -> tuple[Difference, ...]:
    """What differs between two locks, shown; nothing where they are equal."""
    found = differences(before.lock, after.lock)
    if output.is_json:
        output.document(
            {
                "equal": not found,
                "from": _side(before),
                "to": _side(after),
                "differences": [_document(each) for each in found],
            }
        )
        return found
    output.line(f"{before.lock.reference} ({before.why}) → {after.lock.reference} ({after.why})")
    if not found:
        output.line("  No differences.", style="green")
    for each in found:
        sign = "+" if each.before is None else "-" if each.after is None else "~"
        output.line(f"  {sign} {each}")
    _warn(after, output)
    return found


def _show(found: Resolved, output: Output) -> None:
    lock = found.lock
    output.line(f"consumer  {lock.consumer}")
    output.line(f"release   {lock.reference}  ({found.why})")
    output.line(f"hash      {lock.hash}")
    output.line()
    rows = [
        [view.alias, view.view, str(view.schema_id), view.contract_hash[:_HASH_SHOWN], _keys(view)]
        for view in lock.views
    ]
    output.table(["alias", "view", "schema id", "contract", "join keys"], rows, right=["schema id"])
    output.line()
    _warn(found, output)


def _warn(found: Resolved, output: Output) -> None:
    for reference, text in found.deprecated:
        output.say(f"warning: {found.lock.reference} names {reference}, which is {text}")


def _keys(view: LockedView) -> str:
    return ", ".join(own if own == asked else f"{own}={asked}" for own, asked in view.keys)


def _side(found: Resolved) -> dict[str, Any]:
    return {"release": found.lock.release, "hash": found.lock.hash, "why": found.why}


def _document(difference: Difference) -> dict[str, Any]:
    return {"what": difference.what, "before": difference.before, "after": difference.after}


_HOW_TO_SAVE = "save one with `syncline lock show CONSUMER --output json`"
