"""`syncline snapshot`: created beside a running agent, listed, proven, restored; every failure is one sentence."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from syncline.adapters.fsspec import FsspecSnapshots
from syncline.adapters.lmdb.store import LmdbStore
from syncline.catalog.serving import META_AGENT, META_SERVING
from syncline.cli import snapshot as command
from syncline.cli.main import run
from syncline.snapshots import restore as restoring
from syncline.snapshots.find import read_manifest
from syncline.snapshots.manifest import MANIFEST, render
from syncline.snapshots.origin import META_RESTORING, unfinished
from syncline.snapshots.take import take
from syncline.state.partition import PartitionState
from tests.unit.snapshots.states import IDENTITY, NOW_US, everything, filled, partition_write

HOUR_US = 3_600_000_000


@dataclass
class Cli:
    """Calls the command line in this process."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """(exit code, stdout, stderr)."""
        self.capsys.readouterr()
        code = run(["snapshot", *map(str, arguments)])
        captured = self.capsys.readouterr()
        return code, captured.out, captured.err

    def json(self, *arguments: object, code: int = 0) -> dict[str, Any]:
        """The JSON document that the command prints."""
        got, out, err = self(*arguments, "--output", "json")
        assert got == code, (out, err)
        document = json.loads(out)
        assert document.pop("format_version") == 1
        return document

    def refused(self, *arguments: object) -> str:
        """The one sentence on stderr with which the command fails."""
        code, out, err = self(*arguments)
        assert (code, out) == (1, ""), (code, out, err)
        assert err.startswith("syncline: ")
        assert err.count("\n") == 1
        assert "fault of Syncline" not in err
        return err


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line."""
    return Cli(capsys)


@pytest.fixture
def donor(tmp_path: Path) -> Path:
    """The folder of a store with state in it; nobody writes it."""
    filled(LmdbStore.open(tmp_path / "donor", create=True)).close()
    return tmp_path / "donor"


@pytest.fixture
def place(tmp_path: Path, donor: Path) -> tuple[str, list[str]]:
    """A place with three snapshots of the donor, and their ids, newest first."""
    location = str(tmp_path / "snapshots")
    store = LmdbStore.open(donor, read_only=True)
    files = FsspecSnapshots.open(location)
    taken = [take(store, files, now_us=NOW_US + hour * HOUR_US).snapshot_id for hour in (2, 1, 0)]
    store.close()
    return location, taken


def state_of(folder: Path) -> dict[str, Any]:
    """All feature state of the store in this folder."""
    store = LmdbStore.open(folder, read_only=True)
    try:
        return everything(store)
    finally:
        store.close()


def damage(location: str, snapshot: str, name: str = "cells-00000.arrow") -> None:
    """Change a byte of a file."""
    path = Path(location) / snapshot / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_create_list_restore(cli: Cli, donor: Path, tmp_path: Path) -> None:
    """P2: what was created is listed and proven, and restored it equals its donor."""
    location, store = tmp_path / "snapshots", tmp_path / "new" / "store"

    created = cli.json("create", "--store", donor, "--to", location)
    listed = cli.json("list", location, "--verify")
    restored = cli.json("restore", location, "--store", store)

    snapshot = created["snapshot"]
    assert created["location"] == str(location)
    assert (snapshot["cells"], snapshot["cluster_id"], len(snapshot["partitions"])) == (120, "cluster-1", 4)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", snapshot["created_at"])
    assert listed["snapshots"] == [{**snapshot, "problem": None, "verified": True}]
    assert restored == {
        "location": str(location),
        "store": str(store),
        "snapshot": snapshot,
        "passed_over": [],
    }
    assert state_of(store) == state_of(donor)


def test_the_text_for_people(cli: Cli, place: tuple[str, list[str]], donor: Path, tmp_path: Path) -> None:
    """A line for what was done, a table of what there is, and what to run next."""
    location, (newest, *_) = place

    code, out, err = cli("create", "--store", donor, "--to", location)
    assert (code, err) == (0, f"To start from it: syncline snapshot restore {location} --store FOLDER\n")
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{8}: 120 cells of 4 partitions, [\d,]+ bytes\n", out)

    code, out, err = cli("list", location)
    assert (code, err) == (0, "")
    assert out.split()[:5] == ["snapshot", "cells", "partitions", "bytes", "state"]
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["complete"] * 4
    assert newest in out

    code, out, err = cli("restore", location, "--store", tmp_path / "new", "--id", newest)
    assert (code, err) == (0, "")
    assert out.startswith(f"{tmp_path / 'new'} is restored from {newest}: 120 cells of 4 partitions, ")
    assert cli("list", tmp_path / "nothing") == (0, f"No snapshots in {tmp_path / 'nothing'}.\n", "")


def test_create_beside_a_running_agent(donor: Path, tmp_path: Path) -> None:
    """P3: another process copies one moment while this one holds the store and goes on committing."""
    writer = LmdbStore.open(donor)
    command = [sys.executable, "-m", "syncline", "snapshot", "create", "--output", "json"]
    made = subprocess.Popen(
        [*command, "--store", donor, "--to", tmp_path / "snapshots"], stdout=subprocess.PIPE, text=True
    )
    committed = 0
    while made.poll() is None:
        committed += 1
        moved = partition_write([], partition=1, next_offset=5_000 + committed)
        writer.commit([moved], {META_AGENT: b"%d" % committed})
    out, _ = made.communicate()
    writer.close()

    assert made.returncode == 0
    copied = json.loads(out)["snapshot"]
    assert copied["cells"] == 120
    assert 5_000 < copied["partitions"][1]["next_offset"] <= 5_000 + committed


def test_create_without_a_store(cli: Cli, tmp_path: Path) -> None:
    """The folder is named, and is not made."""
    assert f"there is no store at {tmp_path / 'no'}" in cli.refused(
        "create", "--store", tmp_path / "no", "--to", tmp_path / "snapshots"
    )
    assert list(tmp_path.iterdir()) == []


def test_create_where_nothing_can_be_written(cli: Cli, donor: Path, tmp_path: Path) -> None:
    """A file in the way, an unknown protocol: one sentence with the place, and nothing half-written."""
    (tmp_path / "file").write_bytes(b"here")

    assert f"{tmp_path / 'file'} cannot be written: " in cli.refused(
        "create", "--store", donor, "--to", tmp_path / "file"
    )
    assert "nonsense://x is no place for snapshots" in cli.refused(
        "create", "--store", donor, "--to", "nonsense://x"
    )
    assert (tmp_path / "file").read_bytes() == b"here"


def test_create_of_a_trimmed_state(cli: Cli, donor: Path, tmp_path: Path) -> None:
    """P6: a state whose head was trimmed away is never a donor."""
    store = LmdbStore.open(donor)
    store.commit([replace(partition_write([], partition=1), state=PartitionState(5, head_trimmed=True))])
    store.close()

    assert "head was trimmed away" in cli.refused("create", "--store", donor, "--to", tmp_path / "snapshots")
    assert cli.json("list", tmp_path / "snapshots")["snapshots"] == []


def test_list_shows_what_is_wrong(cli: Cli, place: tuple[str, list[str]]) -> None:
    """A damaged file shows under --verify, with exit 1; a cut-off manifest always; a newer format says so."""
    location, (newest, middle, oldest) = place
    damage(location, newest)
    cut = Path(location) / middle / MANIFEST
    cut.write_bytes(cut.read_bytes()[:-9])
    newer = Path(location) / oldest / MANIFEST
    newer.write_text(newer.read_text().replace('"format_version": 1', '"format_version": 2'))

    quick = cli.json("list", location)["snapshots"]
    deep = cli.json("list", location, "--verify", code=1)["snapshots"]

    assert [each["id"] for each in quick] == [newest, middle, oldest]
    assert quick[0]["problem"] is None
    assert f"{newest}/cells-00000.arrow: its sha256" in deep[0]["problem"]
    for listed in (quick, deep):
        assert "cut off or was changed" in listed[1]["problem"]
        assert "has format 2" in listed[2]["problem"]
    assert [each["verified"] for each in deep] == [False] * 3
    code, out, err = cli("list", location, "--verify")
    assert code == 1
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["refused"] * 3
    assert len(err.splitlines()) == 3


def test_restore_takes_the_newest_that_can_be_proven(
    cli: Cli, place: tuple[str, list[str]], donor: Path, tmp_path: Path
) -> None:
    """What is passed over is told with the reason, in text and in JSON."""
    location, (newest, middle, oldest) = place
    damage(location, newest, "cells-00002.arrow")
    damage(location, middle, MANIFEST)

    document = cli.json("restore", location, "--store", tmp_path / "new")

    assert document["snapshot"]["id"] == oldest
    assert [each["id"] for each in document["passed_over"]] == [newest, middle]
    assert state_of(tmp_path / "new") == state_of(donor)


def test_restore_says_how_far_it_is(
    cli: Cli, place: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large snapshot tells each tenth on stderr; the result stays alone on stdout."""
    location, _ = place
    monkeypatch.setattr(command, "_TOLD_FROM_CELLS", 120)
    monkeypatch.setattr(restoring, "CELLS_MAX", 1)

    code, out, err = cli("restore", location, "--store", tmp_path / "new", "--output", "json")

    assert (code, json.loads(out)["snapshot"]["cells"]) == (0, 120)
    assert err.splitlines() == ["40 of 120 cells", "80 of 120 cells", "120 of 120 cells"]


def test_restore_of_a_damaged_snapshot(cli: Cli, place: tuple[str, list[str]], tmp_path: Path) -> None:
    """P5: asked for by id it fails with the file; no store is left behind, and another can be restored there."""
    location, (newest, middle, _) = place
    damage(location, newest, "cells-00002.arrow")
    store = tmp_path / "new"

    assert f"{newest}/cells-00002.arrow: its sha256 is not that" in cli.refused(
        "restore", location, "--store", store, "--id", newest
    )
    assert not store.exists()
    assert cli.json("restore", location, "--store", store, "--id", middle)["snapshot"]["id"] == middle


def test_restore_of_what_is_not_there(cli: Cli, place: tuple[str, list[str]], tmp_path: Path) -> None:
    """An unknown id, and a place without snapshots."""
    location, _ = place

    assert "there is no snapshot 20200101T000000Z-00000000" in cli.refused(
        "restore", location, "--store", tmp_path / "new", "--id", "20200101T000000Z-00000000"
    )
    assert "has no snapshot that can be used" in cli.refused(
        "restore", tmp_path / "nothing", "--store", tmp_path / "deep" / "new"
    )
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "deep").exists()


def test_restore_of_another_fold(cli: Cli, place: tuple[str, list[str]], tmp_path: Path) -> None:
    """P2: a snapshot that other rules folded is refused, whether it is asked for or found."""
    location, (newest, *_) = place
    files = FsspecSnapshots.open(location)
    other = replace(read_manifest(files, newest), identity=replace(IDENTITY, fold_version=2))
    files.write(f"{newest}/{MANIFEST}", render(other))

    assert "was folded by version 2 of the rules, this is 1" in cli.refused(
        "restore", location, "--store", tmp_path / "new", "--id", newest
    )
    document = cli.json("restore", location, "--store", tmp_path / "newer")
    assert [each["id"] for each in document["passed_over"]] == [newest]


@pytest.mark.parametrize("by_id", [True, False])
def test_restore_replaces_only_when_told_to(
    cli: Cli, place: tuple[str, list[str]], donor: Path, tmp_path: Path, by_id: bool
) -> None:
    """What stands in a store stays, unless --replace is given and the snapshot was proven first."""
    location, (newest, *_) = place
    store = LmdbStore.open(tmp_path / "used", create=True)
    store.commit([partition_write([], topic="older")], {META_SERVING: b"served"})
    store.close()
    before = state_of(tmp_path / "used")
    asked = ["restore", location, "--store", tmp_path / "used", *(["--id", newest] if by_id else [])]

    assert "holds feature state already" in cli.refused(*asked)
    assert state_of(tmp_path / "used") == before

    damaged = tmp_path / "damaged"
    damaged.mkdir()
    copy = FsspecSnapshots.open(str(damaged))
    files = FsspecSnapshots.open(location)
    for name in files.names():
        if name.startswith(newest):
            copy.write(name, files.read(name, 1 << 30) or b"")
    damage(str(damaged), newest, "cells-00002.arrow")
    code, _, err = cli(asked[0], damaged, *asked[2:], "--replace")
    assert code == 1
    assert "its sha256" in err
    assert state_of(tmp_path / "used") == before

    assert cli.json(*asked, "--replace")["snapshot"]["id"] == newest
    assert state_of(tmp_path / "used") == state_of(donor)
    replaced = LmdbStore.open(tmp_path / "used", read_only=True)
    with replaced.snapshot() as snapshot:
        assert snapshot.meta(META_SERVING) is None
    replaced.close()


def test_restore_into_a_store_that_an_agent_writes(
    cli: Cli, place: tuple[str, list[str]], tmp_path: Path
) -> None:
    """One writer a store: the agent's process is named, and nothing changes, also not with --replace."""
    location, _ = place
    running = LmdbStore.open(tmp_path / "used", create=True)
    running.commit([partition_write([], topic="older")])

    for more in ([], ["--replace"]):
        assert "is written by process" in cli.refused(
            "restore", location, "--store", tmp_path / "used", *more
        )

    running.close()
    assert list(state_of(tmp_path / "used")["states"]) == [("older", 0)]


def test_restore_goes_on_where_one_was_broken_off(
    cli: Cli, place: tuple[str, list[str]], donor: Path, tmp_path: Path
) -> None:
    """P3: an unfinished store needs no --replace: nothing in it is worth anything."""
    location, _ = place
    store = LmdbStore.open(tmp_path / "half", create=True)
    store.commit([partition_write([])], {META_RESTORING: b"20200101T000000Z-00000000"})
    store.close()

    cli.json("restore", location, "--store", tmp_path / "half")

    assert state_of(tmp_path / "half") == state_of(donor)
    store = LmdbStore.open(tmp_path / "half", read_only=True)
    assert unfinished(store) is None
    store.close()


def test_a_restore_killed_at_any_moment_is_done_again(
    cli: Cli, place: tuple[str, list[str]], donor: Path, tmp_path: Path
) -> None:
    """P3: kill -9 during the real command, at several moments; run again, the store equals the donor."""
    location, _ = place
    code = (
        "import os, signal, sys\n"
        "from syncline.adapters.lmdb.store import LmdbStore\n"
        "from syncline.cli.main import run\n"
        "from syncline.snapshots import piece, restore\n"
        "restore.CELLS_MAX = 10\n"
        "left = int(sys.argv[1])\n"
        "commit = LmdbStore.commit\n"
        "def dying(self, *given, **named):\n"
        "    global left\n"
        "    commit(self, *given, **named)\n"
        "    left -= 1\n"
        "    if not left: os.kill(os.getpid(), signal.SIGKILL)\n"
        "LmdbStore.commit = dying\n"
        "run(['snapshot', 'restore', sys.argv[2], '--store', sys.argv[3]])\n"
    )
    for moment in (1, 2):
        folder = tmp_path / f"killed-{moment}"
        killed = subprocess.run([sys.executable, "-c", code, str(moment), location, folder], check=False)
        assert killed.returncode == -9
        store = LmdbStore.open(folder, read_only=True)
        begun = unfinished(store)
        store.close()
        assert begun is not None

        cli.json("restore", location, "--store", folder)

        assert state_of(folder) == state_of(donor)


def block(location: str, snapshot: str, name: str) -> None:
    """Put a pipe in the place of a file: nobody writes it, and whoever reads it waits for ever."""
    path = Path(location) / snapshot / name
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("name", [MANIFEST, "cells-00000.arrow"])
def test_one_that_cannot_be_read_does_not_hide_the_others(
    cli: Cli, place: tuple[str, list[str]], name: str
) -> None:
    """It has its row and its reason, exit 1; the good ones are listed and proven beside it."""
    location, (newest, *older) = place
    block(location, newest, name)

    document = cli.json("list", location, "--verify", code=1)
    code, out, err = cli("list", location, "--verify")

    assert f"cannot be read: {newest}/{name}" in document["snapshots"][0]["problem"]
    assert [each["id"] for each in document["snapshots"] if each["verified"]] == older
    assert code == 1
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["unreadable", "proven", "proven"]
    assert "it is no regular file" in err


def test_without_proof_one_that_cannot_be_read_fails_the_list(cli: Cli, place: tuple[str, list[str]]) -> None:
    """P6: nobody may take a list for whole of which something could not be looked at."""
    location, (newest, *_) = place
    block(location, newest, MANIFEST)

    code, out, _ = cli("list", location)

    assert code == 1
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["unreadable", "complete", "complete"]


@pytest.mark.parametrize("name", [MANIFEST, "cells-00000.arrow"])
@pytest.mark.parametrize("more", [[], ["--replace"]])
def test_restore_falls_back_where_the_newest_cannot_be_read(
    cli: Cli, place: tuple[str, list[str]], tmp_path: Path, name: str, more: list[str]
) -> None:
    """An older one is as good, also in the place of what stands."""
    location, (newest, middle, _) = place
    block(location, newest, name)

    document = cli.json("restore", location, "--store", tmp_path / "new", *more)

    assert document["snapshot"]["id"] == middle
    assert [each["id"] for each in document["passed_over"]] == [newest]


def test_a_snapshot_in_memory_is_not_created(cli: Cli, donor: Path) -> None:
    """Nothing would be left of it when the command ends."""
    assert "would end with this command" in cli.refused("create", "--store", donor, "--to", "memory://x")


def test_a_folder_that_was_there_stays_when_a_restore_fails(cli: Cli, tmp_path: Path) -> None:
    """Only what this command has made is taken away."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note").write_bytes(b"here")

    cli.refused("restore", tmp_path / "nothing", "--store", tmp_path / "mine")

    assert (tmp_path / "mine" / "note").read_bytes() == b"here"
