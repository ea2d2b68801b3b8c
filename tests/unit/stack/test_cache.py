"""The cache folder: what is in it is whole, and is made once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.cache import cache_folder, filled

ROOT = Path(__file__).parents[3]


def test_fills_once(tmp_path):
    """The second time nothing is done."""
    calls = []

    def fill(folder):
        calls.append(folder)
        (folder / "part").write_text("here")

    first, second = filled("part-1", fill, root=tmp_path), filled("part-1", fill, root=tmp_path)

    assert first == second == tmp_path / "part-1"
    assert (first / "part").read_text() == "here"
    assert len(calls) == 1


def test_versions_lie_side_by_side(tmp_path):
    """Another version is another folder."""
    assert filled("part-1", lambda _: None, root=tmp_path) != filled("part-2", lambda _: None, root=tmp_path)


def test_failed_fill_leaves_nothing(tmp_path):
    """What broke half-way is not taken for whole, and the next try begins anew."""

    def broken(folder):
        (folder / "half").write_text("")
        raise OSError("the download broke")

    with pytest.raises(OSError, match="broke"):
        filled("part-1", broken, root=tmp_path)

    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
    assert (
        filled("part-1", lambda folder: (folder / "whole").touch(), root=tmp_path).joinpath("whole").exists()
    )


def test_two_processes_fill_once(tmp_path):
    """The second process waits for the first, and takes what it made."""
    program = (
        "import sys, uuid; from pathlib import Path; from tests.stack.cache import filled\n"
        "made = filled('part-1', lambda f: (f / 'by').write_text(uuid.uuid4().hex), root=Path(sys.argv[1]))\n"
        "print((made / 'by').read_text())"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]

    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = {process.communicate(timeout=60)[0] for process in running}

    assert len(told) == 1
    assert told != {""}


def test_folder_is_named_by_the_environment(monkeypatch, tmp_path):
    """`$SYNCLINE_CACHE`, else a folder of the user's own cache."""
    monkeypatch.setenv("SYNCLINE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path

    monkeypatch.delenv("SYNCLINE_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "syncline"
