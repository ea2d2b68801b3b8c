"""`syncline snapshot`: copies of feature state, for new agents to start from."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncline.cli.options import output_option
from syncline.cli.output import Output, counted

if TYPE_CHECKING:
    from syncline.ports.snapshots import SnapshotStore
    from syncline.ports.store import Store
    from syncline.snapshots.manifest import Manifest
    from syncline.snapshots.restore import Restored

_TOLD_FROM_CELLS = 1_000_000
"""A smaller snapshot is restored before anyone has read how far it is."""

_store_option = click.option(
    "--store",
    required=True,
    envvar="SYNCLINE_STORE",
    show_envvar=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of an agent's store on this machine.",
)


@click.group()
def snapshot() -> None:
    """Copy an agent's feature state for new agents to start from; list and restore such copies.

    URL is a folder, or anything that fsspec knows, such as s3://bucket/path with s3fs installed.
    """


@snapshot.command()
@_store_option
@click.option("--to", "location", required=True, metavar="URL", help="Where to: a folder or an fsspec URL.")
@output_option
def create(store: Path, location: str, output: Output) -> None:
    """Copy the cells, positions, T and digests of a store at one moment. Its agent may go on running.

    Every cell is proven on the way. The release that the store serves is not part of it.
    """
    from syncline.clock import SystemClock
    from syncline.errors import SnapshotError
    from syncline.snapshots.take import take
    from syncline.wiring import open_snapshots, open_store

    if location.startswith("memory:"):
        raise SnapshotError(
            f"{location} would end with this command, and the snapshot with it: give a folder, or a URL that lasts"
        )
    files = open_snapshots(location)
    opened = open_store(store, read_only=True)
    try:
        taken = take(opened, files, now_us=SystemClock().now_us())
    finally:
        opened.close()
    if output.is_json:
        output.document({"location": files.location, "snapshot": _document(taken)})
        return
    output.line(f"{taken.snapshot_id}: {_contents(taken)}", style="green")
    output.say(f"To start from it: syncline snapshot restore {files.location} --store FOLDER")


@snapshot.command(name="list")
@click.argument("location", metavar="URL")
@click.option("--verify", is_flag=True, help="Read and prove every byte; exit 1 if a snapshot is refused.")
@output_option
def list_(location: str, *, verify: bool, output: Output) -> int:
    """List the snapshots at URL, newest first. One that was never finished is none.

    Exits 1 if one of them cannot be read.
    """
    from syncline.errors import SnapshotError, SnapshotRefused
    from syncline.snapshots.find import read_manifest, snapshot_ids
    from syncline.snapshots.verify import require_fold
    from syncline.snapshots.verify import verify as prove
    from syncline.wiring import open_snapshots

    files = open_snapshots(location)
    documents: list[dict[str, Any]] = []
    states: list[str] = []
    for snapshot_id in snapshot_ids(files):
        document: dict[str, Any] = {"id": snapshot_id}
        problem, state = None, "proven" if verify else "complete"
        try:
            manifest = read_manifest(files, snapshot_id)
            document = _document(manifest)
            require_fold(manifest)
            if verify:
                prove(files, manifest)
        except SnapshotError as error:
            problem, state = str(error), "refused" if isinstance(error, SnapshotRefused) else "unreadable"
        states.append(state)
        documents.append({**document, "problem": problem, "verified": verify and problem is None})
    bad = [document for document in documents if document["problem"]]
    if output.is_json:
        output.document({"location": files.location, "snapshots": documents})
    elif not documents:
        output.line(f"No snapshots in {files.location}.")
    else:
        output.table(
            ["snapshot", "cells", "partitions", "bytes", "state"],
            [
                [
                    document["id"],
                    f"{document.get('cells', 0):,}",
                    f"{len(document.get('partitions', ())):,}",
                    f"{document.get('bytes', 0):,}",
                    state,
                ]
                for document, state in zip(documents, states, strict=True)
            ],
            right=["cells", "partitions", "bytes"],
        )
        for document in bad:
            output.say(document["problem"])
    return 1 if "unreadable" in states or (verify and bad) else 0


@snapshot.command()
@click.argument("location", metavar="URL")
@_store_option
@click.option("--id", "snapshot_id", metavar="ID", help="Which one. [the newest that can be proven]")
@click.option("--replace", is_flag=True, help="Replace what the store holds; the snapshot is proven first.")
@output_option
def restore(location: str, *, store: Path, snapshot_id: str | None, replace: bool, output: Output) -> None:
    """Fill a store from a snapshot, for an agent that is started afterwards.

    Every byte is proven on the way. Whether the snapshot belongs to the agent's cluster and topics, and whether the
    log still reaches back to its positions, the agent finds out when it starts.
    """
    from syncline.wiring import open_snapshots, open_store

    files = open_snapshots(location)
    made = _missing(store)
    opened = open_store(store)
    passed_over: list[dict[str, str]] = []

    def pass_over(passed: str, reason: str) -> None:
        passed_over.append({"id": passed, "reason": reason})
        output.say(f"{passed} is passed over: {reason}")

    try:
        done = _restore(files, opened, snapshot_id, replace=replace, pass_over=pass_over, output=output)
    except BaseException:
        # While this process still holds it, so that nobody has begun to fill it.
        _remove(made)
        raise
    finally:
        opened.close()
    if output.is_json:
        document = {"store": str(store), "snapshot": _document(done.manifest), "passed_over": passed_over}
        output.document({"location": files.location, **document})
        return
    output.line(
        f"{store} is restored from {done.manifest.snapshot_id}: {_contents(done.manifest)}", style="green"
    )


def _restore(
    files: SnapshotStore,
    store: Store,
    snapshot_id: str | None,
    *,
    replace: bool,
    pass_over: Callable[[str, str], None],
    output: Output,
) -> Restored:
    from syncline.errors import SnapshotError
    from syncline.snapshots.find import newest_proven, read_manifest
    from syncline.snapshots.restore import require_takes, restore, restore_newest
    from syncline.snapshots.verify import verify

    require_takes(store, replace_state=replace)
    progress = _progress(output)
    if snapshot_id is not None:
        manifest = read_manifest(files, snapshot_id)
        if replace:
            verify(files, manifest)
        return restore(manifest, files, store, replace_state=replace, on_progress=progress)
    done = None
    if not replace:
        done = restore_newest(
            files, store, identity=None, watermarks=None, on_progress=progress, on_passed_over=pass_over
        )
    elif (proven := newest_proven(files, on_passed_over=pass_over)) is not None:
        # What the store holds goes only for something that is known to be good.
        done = restore(proven, files, store, replace_state=True, on_progress=progress)
    if done is None:
        raise SnapshotError(f"{files.location} has no snapshot that can be used: nothing was restored")
    return done


def _missing(folder: Path) -> list[Path]:
    """The folders that would have to be made for this one, itself first; none where it is there."""
    return [each for each in (folder, *folder.parents) if not each.exists()]


def _remove(made: list[Path]) -> None:
    """Take away a store that was made for a restore which failed, and the folders that were made for it."""
    if made:
        shutil.rmtree(made[0], ignore_errors=True)
    for parent in made[1:]:
        with suppress(OSError):
            parent.rmdir()


def _progress(output: Output) -> Callable[[int, int], None]:
    """Says each tenth of a large snapshot."""
    said = 0

    def progress(done: int, total: int) -> None:
        nonlocal said
        if total >= _TOLD_FROM_CELLS and done * 10 // total > said:
            said = done * 10 // total
            output.say(f"{done:,} of {total:,} cells")

    return progress


def _contents(manifest: Manifest) -> str:
    cells = counted(manifest.cells, "cell")
    return f"{cells} of {counted(len(manifest.partitions), 'partition')}, {manifest.bytes:,} bytes"


def _document(manifest: Manifest) -> dict[str, Any]:
    from syncline.clock import from_us
    from syncline.contracts.plain import plain_value

    return {
        "id": manifest.snapshot_id,
        "created_at": plain_value(from_us(manifest.created_at_us)),
        "syncline_version": manifest.written_by,
        "fold_version": manifest.identity.fold_version,
        "cluster_id": manifest.identity.cluster_id,
        "cells": manifest.cells,
        "bytes": manifest.bytes,
        "partitions": [
            {
                "topic": each.topic,
                "partition": each.partition,
                "next_offset": each.next_offset,
                "t_ms": each.t_ms,
                "cells": each.cells,
                "digest": f"{each.digest.total:016x}",
            }
            for each in manifest.partitions
        ],
    }
