"""`syncline doctor --snapshots`: nobody notices that no agent could start any more, until one has to."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncline.adapters.fsspec import FsspecSnapshots
from syncline.adapters.memory.log import MemoryLog
from syncline.adapters.memory.store import MemoryStore
from syncline.agent.identity import ask_identity
from syncline.cli.checks import Check, Level
from syncline.cli.snapshot_health import examine_snapshots
from syncline.ports.log import TopicSpec
from syncline.snapshots.manifest import MANIFEST
from syncline.snapshots.take import take
from syncline.state.identity import META_IDENTITY
from tests.unit.snapshots.states import NOW_US, TOPIC, partition_write

ROWS = 10


@pytest.fixture
def log() -> MemoryLog:
    """A topic of one partition with some records."""
    log = MemoryLog()
    log.create_topic(TopicSpec(TOPIC, 1))
    writer = log.writer(client_id="tests")
    for _ in range(ROWS):
        writer.append(TOPIC, key=b"k", value=b"v", partition=0)
    writer.close(1.0)
    return log


@pytest.fixture
def files(tmp_path: Path) -> FsspecSnapshots:
    """A place for snapshots."""
    return FsspecSnapshots.open(str(tmp_path))


def snapshot(log: MemoryLog, files: FsspecSnapshots, *, position: int, at_us: int = NOW_US) -> str:
    """A snapshot of an agent that stood at this position."""
    store = MemoryStore()
    store.commit(
        [partition_write([], next_offset=position)],
        {META_IDENTITY: ask_identity(log, [TOPIC], timeout_s=1.0).pack()},
    )
    return take(store, files, now_us=at_us).snapshot_id


def checked(log: MemoryLog, files: FsspecSnapshots) -> Check:
    """The one line that doctor says."""
    (check,) = examine_snapshots(log, files)
    return check


def test_a_snapshot_that_fits_the_log_is_well(log: MemoryLog, files: FsspecSnapshots) -> None:
    """It is named."""
    newest = snapshot(log, files, position=5)

    check = checked(log, files)
    assert (check.level, newest in check.said) == (Level.OK, True)


def test_a_log_that_was_trimmed_past_the_newest_is_an_alarm(log: MemoryLog, files: FsspecSnapshots) -> None:
    """log.md, Snapshots: no new agent could start; the reason and what to do are said."""
    snapshot(log, files, position=5)
    log.trim(TOPIC, 0, 6)

    check = checked(log, files)
    assert check.level is Level.FAIL
    assert "at 5, and the log keeps 6 to 10" in check.said
    assert "syncline snapshot create" in check.remedy


def test_where_only_an_older_one_fits_it_is_named(log: MemoryLog, files: FsspecSnapshots) -> None:
    """A damaged newest one goes unnoticed otherwise."""
    older = snapshot(log, files, position=5)
    newer = snapshot(log, files, position=6, at_us=NOW_US + 60_000_000)
    files.write(f"{newer}/{MANIFEST}", b"{}")

    check = checked(log, files)
    assert (check.level, older in check.said, newer in check.said) == (Level.WARN, True, True)


def test_no_snapshot_at_all_is_a_warning(log: MemoryLog, files: FsspecSnapshots) -> None:
    """While the log's beginning is kept, agents do without."""
    assert checked(log, files).level is Level.WARN


def test_a_topic_that_was_made_again_fits_no_snapshot(log: MemoryLog, files: FsspecSnapshots) -> None:
    """Positions count in the topic that is gone."""
    snapshot(log, files, position=5)
    log.delete_topic(TOPIC)
    log.create_topic(TopicSpec(TOPIC, 1))

    check = checked(log, files)
    assert (check.level, "deleted and made again" in check.said) == (Level.FAIL, True)
