"""One LMDB store under several processes: killed, forked, in each other's way, on a full disk."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import syncline
from syncline.adapters.lmdb.store import LmdbStore
from syncline.errors import StoreBusy, StoreFull
from syncline.state.partition import PartitionState, PartitionWrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PARTITIONS = 3
KEYS = 400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the test's store is."""
    return tmp_path / "store"


@pytest.fixture
def child() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a program text in a Python process of its own; what still runs afterwards is killed."""
    started: list[subprocess.Popen[str]] = []
    source = str(Path(syncline.__file__).parents[1])

    def start(program: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": source},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def told(process: subprocess.Popen[str]) -> str:
    """The process's next line; it must come."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"the process ended with {process.wait()} and told nothing"
    return line.strip()


def ask(process: subprocess.Popen[str], question: object) -> object:
    """Send one line of JSON, and wait for the answer."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(question) + "\n")
    process.stdin.flush()
    return json.loads(told(process))


WRITER = """
import sys
from syncline.adapters.lmdb.store import LmdbStore
from syncline.state.digest import Digest
from syncline.state.partition import PartitionState, PartitionWrite
folder, partitions, keys = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
store = LmdbStore.open(folder, create=True, map_bytes=1 << 18)
with store.snapshot() as snapshot:
    state = snapshot.state("flights", 0)
n = state.next_offset if state else 0
names = [b"key-%06d" % at for at in range(keys)]
while True:
    n += 1
    digest = Digest.empty().changed(added=([0], [n]), removed=([], []))
    # Values of changing sizes, and a key that comes and goes, so that pages split, merge and are freed.
    value = b"%d|" % n + b"x" * (n * 37 % 600)
    extra = {"keys": [*names, b"odd"], "cells": [value] * (keys + 1)} if n % 2 else {
        "keys": names, "cells": [value] * keys, "dropped": [b"odd"]}
    store.commit(
        [PartitionWrite("flights", at, PartitionState(next_offset=n, digest=digest), **extra,
            tombstones_added=[(n, b"t")], tombstones_removed=[(n - 1, b"t")]) for at in range(partitions)],
        {"n": b"%d" % n})
    print(n, flush=True)
"""


def committed(folder: Path) -> int:
    """The one commit that everything in the store belongs to; anything torn fails here."""
    store = LmdbStore.open(folder)
    with store.snapshot() as snapshot:
        found = set()
        for at in range(PARTITIONS):
            state = snapshot.state("flights", at)
            assert state is not None
            assert state.digest.total == state.next_offset
            cells = list(snapshot.scan("flights", at))
            assert len(cells) == KEYS + state.next_offset % 2
            found |= {int(cell.split(b"|")[0]) for _, cell in cells}
            found |= {event_us for event_us, _ in snapshot.tombstones("flights", at, 1 << 62)}
            found.add(state.next_offset)
        meta = snapshot.meta("n")
        assert meta is not None
        found |= {int(meta), snapshot.generation()}
    store.close()
    assert len(found) == 1, f"the store mixes commits {sorted(found)}"
    return found.pop()


def test_kill_9_while_committing_leaves_a_whole_commit(folder: Path, child: Callable) -> None:
    """P3: killed at some moment of a commit, the store holds the last acknowledged one or the next, whole."""
    dice = random.Random(3)
    last = 0
    for _ in range(8):
        writer = child(WRITER, folder, PARTITIONS, KEYS)
        for _ in range(dice.randrange(1, 8)):
            last = int(told(writer))
        for _ in range(dice.randrange(0, 60_000)):
            pass  # a random part of the next commit goes by
        writer.kill()
        # Not communicate: it would pass by what this pipe's buffer has read already.
        unread = writer.stdout.read()
        writer.wait()
        last = int(unread.split("\n")[-2]) if "\n" in unread else last

        now = committed(folder)

        assert now in (last, last + 1)
        last = now


@pytest.fixture
def strace() -> str:
    """A strace that may trace here; it kills at an exact system call."""
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed")
    probe = subprocess.run([found, "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"strace may not trace here: {probe.stderr.strip()}")
    return found


@pytest.mark.parametrize("call", ["pwrite64", "pwritev,writev", "fdatasync"])
def test_kill_9_at_each_write_of_a_commit(folder: Path, child: Callable, strace: str, call: str) -> None:
    """P3: killed at the first five data writes or syncs, the store holds one whole commit."""
    writer = child(WRITER, folder, PARTITIONS, KEYS)
    last = int(told(writer))
    writer.kill()
    writer.communicate()
    for nth in range(1, 6):
        traced = [
            strace,
            "-f",
            "-qq",
            "-o",
            os.devnull,
            "-e",
            f"inject={call}:signal=KILL:when={nth}",
            sys.executable,
            "-c",
            WRITER,
            str(folder),
            str(PARTITIONS),
            str(KEYS),
        ]
        source = str(Path(syncline.__file__).parents[1])
        ended = subprocess.run(
            traced, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": source}, check=False
        )
        assert ended.returncode == -signal.SIGKILL
        acknowledged = [int(line) for line in ended.stdout.split()]

        now = committed(folder)

        floor = acknowledged[-1] if acknowledged else last
        assert floor <= now <= floor + 1
        last = now


def test_a_second_writing_process_is_refused_until_the_first_dies(folder: Path, child: Callable) -> None:
    """One store has one writer; the lock ends with the process that holds it, even by kill -9."""
    first = child(WRITER, folder, PARTITIONS, KEYS)
    told(first)

    with pytest.raises(StoreBusy, match=f"process {first.pid}: stop it"):
        LmdbStore.open(folder)

    first.kill()
    first.communicate()
    LmdbStore.open(folder).close()


READER = """
import json, sys
from syncline.adapters.lmdb.store import LmdbStore
store = LmdbStore.open(sys.argv[1], read_only=True)
print("open", flush=True)
for line in sys.stdin:
    with store.snapshot() as snapshot:
        cells = [snapshot.cell(topic, at, b"k") for topic, at in json.loads(line)]
        answer = [None if cell is None else len(cell) for cell in cells]
        print(json.dumps([snapshot.generation(), len(snapshot.partitions()), answer]), flush=True)
"""


def test_a_reader_in_another_process_sees_new_partitions(folder: Path, child: Callable) -> None:
    """Databases made after the reader opened are found, more than it had planned for, and missing ones are not."""
    store = LmdbStore.open(folder, create=True)
    reader = child(READER, folder)
    assert told(reader) == "open"
    assert ask(reader, [["t", 0]]) == [0, 0, [None]]

    store.commit([PartitionWrite("t", 0, PartitionState(), [b"k"], [b"1"])])
    assert ask(reader, [["t", 0], ["t", 1]]) == [0, 1, [1, None]]
    store.commit([PartitionWrite("t", 1, PartitionState(), [b"k"], [b"22"], [], [(1, b"k")])], {"m": b"1"})
    assert ask(reader, [["t", 0], ["t", 1]]) == [1, 2, [1, 2]]
    store.commit([PartitionWrite("u", at, PartitionState(), [b"k"], [b"333"]) for at in range(600)])
    assert ask(reader, [["t", 1], ["u", 599]]) == [1, 602, [2, 3]]
    store.close()


def test_a_reader_in_another_process_sees_traces(folder: Path, child: Callable) -> None:
    """The database of a partition's first trace is made after the reader opened; what goes away is gone there too."""
    program = READER.replace("snapshot.cell(", "snapshot.trace(")
    assert program != READER
    store = LmdbStore.open(folder, create=True)
    store.commit([one("plain")])
    reader = child(program, folder)
    assert told(reader) == "open"
    assert ask(reader, [["t", 0]]) == [0, 1, [None]]

    store.commit([replace(one("traced"), traces=[(b"k", b"123")])])
    assert ask(reader, [["t", 0], ["t", 1]]) == [0, 1, [3, None]]
    store.commit([replace(one("plain again"), untraced=[b"k"])])
    assert ask(reader, [["t", 0]]) == [0, 1, [None]]
    store.close()


def test_a_reader_in_another_process_follows_a_map_that_grows(folder: Path, child: Callable) -> None:
    """The reader maps the larger file by itself, again and again."""
    store = LmdbStore.open(folder, create=True, map_bytes=1 << 17)
    reader = child(READER, folder)
    assert told(reader) == "open"

    for size in (1_000, 1_000_000, 5_000_000, 20_000_000):
        store.commit([PartitionWrite("t", 0, PartitionState(), [b"k"], [b"x" * size])])
        assert ask(reader, [["t", 0]]) == [0, 1, [size]]
    store.close()


def test_a_writer_sees_what_readers_left_when_they_were_killed(folder: Path, child: Callable) -> None:
    """P10: the slots of readers that died are cleared when the writer opens, so their pages are free again."""
    program = READER.replace(
        'print("open", flush=True)', 's = store.snapshot().__enter__(); print("open", flush=True)'
    )
    LmdbStore.open(folder, create=True).close()
    for _ in range(3):
        reader = child(program, folder)
        told(reader)
        reader.kill()
        reader.communicate()

    store = LmdbStore.open(folder)

    assert store._environment.handles.environment.reader_check() == 0
    store.close()


def in_fork(work: Callable[[], object]) -> object:
    """What `work` gives in a forked child, or the name and text of its error."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = work()
        except Exception as error:  # noqa: BLE001 (whatever it is, the parent reports it)
            answer = f"{type(error).__name__}: {error}"
        os.write(write_end, json.dumps(answer).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        answer = json.loads(pipe.read() or '"the child died"')
    os.waitpid(pid, 0)
    return answer


def cell(store: LmdbStore) -> str | None:
    """The one cell that the fork tests look at."""
    with store.snapshot() as snapshot:
        found = snapshot.cell("t", 0, b"k")
    return found.decode() if found is not None else None


def one(value: str) -> PartitionWrite:
    """A write of that cell."""
    return PartitionWrite("t", 0, PartitionState(), [b"k"], [value.encode()])


def test_a_forked_reader_goes_on_by_itself(folder: Path) -> None:
    """Workers forked from a process that had opened the reader read on, and so does the parent."""
    writer = LmdbStore.open(folder, create=True)
    writer.commit([one("before")])
    reader = LmdbStore.open(folder, read_only=True)
    assert cell(reader) == "before"

    answers = [in_fork(lambda: [cell(reader), cell(reader)]) for _ in range(3)]
    writer.commit([one("after")])

    assert answers == [["before", "before"]] * 3
    assert cell(reader) == "after"
    reader.close()
    writer.close()


def test_a_forked_writer_refuses_and_its_parent_goes_on(folder: Path) -> None:
    """A child does not write its parent's store, may read it anew, and its end does not free the parent's lock."""
    writer = LmdbStore.open(folder, create=True)
    writer.commit([one("before")])

    def read_anew() -> object:
        writer.close()
        own = LmdbStore.open(folder, read_only=True)
        found = cell(own)
        own.close()
        return found

    assert "forked from" in str(in_fork(lambda: writer.commit([one("child")])))
    assert "forked from" in str(in_fork(lambda: cell(writer)))
    assert in_fork(read_anew) == "before"
    assert "StoreBusy" in str(in_fork(lambda: LmdbStore.open(folder)))

    writer.commit([one("after")])
    assert cell(writer) == "after"
    with pytest.raises(StoreBusy):
        LmdbStore.open(folder)
    writer.close()


def test_the_writers_lock_does_not_live_on_in_children(folder: Path) -> None:
    """A worker that outlives its agent does not keep the next agent out."""
    writer = LmdbStore.open(folder, create=True)
    here, there = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        here.close()
        there.sendall(b"up")
        there.recv(1)
        os._exit(0)
    there.close()
    assert here.recv(2) == b"up"

    writer.close()
    LmdbStore.open(folder).close()

    here.close()
    os.waitpid(pid, 0)


def test_a_fork_in_the_middle_of_a_read_says_so(folder: Path) -> None:
    """The child cannot close what is in use without harm to its parent, so it refuses; the parent's read goes on."""
    writer = LmdbStore.open(folder, create=True)
    writer.commit([one("before")])
    reader = LmdbStore.open(folder, read_only=True)

    with reader.snapshot() as snapshot:
        answer = in_fork(lambda: cell(reader))
        for n in range(20):
            writer.commit([one(str(n))])
        assert snapshot.cell("t", 0, b"k") == b"before"

    assert "in the middle of a read" in str(answer)
    assert cell(reader) == "19"
    reader.close()
    writer.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or umount is None:
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run([umount, str(disk)], check=True)


def fill_up(file: Path) -> None:
    """Write to the file until the disk has no room."""
    with file.open("wb", buffering=0) as out:
        while out.write(b"x" * 4096) == 4096:
            pass


def commit_until_full(store: LmdbStore) -> tuple[int, StoreFull]:
    """The number of the last commit that went through, and what the next one met."""
    for n in range(1, 1000):
        names = [b"%d-%d" % (n, at) for at in range(50)]
        write = PartitionWrite("t", 0, PartitionState(next_offset=n), names, [b"x" * 1000] * 50)
        try:
            store.commit([write], {"n": b"%d" % n})
        except StoreFull as full:
            return n - 1, full
    pytest.fail("the disk was never full")


def test_a_full_disk_writes_nothing_and_stays_readable(small_disk: Path) -> None:
    """P3, P10: StoreFull, the last commit still whole, reads go on, and after room was made commits do too."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 500_000)
    store = LmdbStore.open(small_disk / "store", create=True)

    done, full = commit_until_full(store)

    assert done > 3
    assert "make room" in str(full)
    reader = LmdbStore.open(small_disk / "store", read_only=True)
    for opened in (store, reader):
        with opened.snapshot() as snapshot:
            state = snapshot.state("t", 0)
            assert state is not None
            assert (state.next_offset, snapshot.meta("n")) == (done, b"%d" % done)
            assert len(list(snapshot.scan("t", 0))) == 50 * done
    ballast.unlink()
    store.commit([PartitionWrite("t", 0, PartitionState(next_offset=1000))], {"n": b"1000"})
    with store.snapshot() as snapshot:
        assert snapshot.meta("n") == b"1000"
    reader.close()
    store.close()


def test_a_reader_opens_and_reads_on_a_full_disk(small_disk: Path, child: Callable) -> None:
    """P10: the lock file got all its room at the start; filling its holes now would kill the process."""
    store = LmdbStore.open(small_disk / "store", create=True)
    store.commit([PartitionWrite("t", 0, PartitionState(), [b"k"], [b"1"])])
    with pytest.raises(OSError, match="No space"):
        fill_up(small_disk / "ballast")

    reader = child(READER, small_disk / "store")
    assert told(reader) == "open"
    assert ask(reader, [["t", 0]]) == [0, 1, [1]]
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(store.snapshot()) for _ in range(1000)]
        assert many[-1].cell("t", 0, b"k") == b"1"
    store.close()
    # Before the disk is unmounted.
    reader.kill()
    reader.communicate()


def test_a_store_that_cannot_be_created_for_lack_of_room_says_so(small_disk: Path) -> None:
    """P10: a disk that is full at the start is StoreFull as well, and no lock is left behind."""
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space"):
        fill_up(ballast)

    with pytest.raises(StoreFull, match="make room"):
        LmdbStore.open(small_disk / "store", create=True)

    ballast.unlink()
    LmdbStore.open(small_disk / "store", create=True).close()
