"""A folder outside the tree that keeps downloads and builds by version: a second run starts in seconds."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def cache_folder() -> Path:
    """`$SYNCLINE_CACHE`, or `~/.cache/syncline`."""
    named = os.environ.get("SYNCLINE_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "syncline"


def filled(name: str, fill: Callable[[Path], None], *, root: Path | None = None) -> Path:
    """The folder `name` (which says its version) of the cache, filled once by `fill(folder)`.

    `fill` works in a folder beside, which is renamed when it is done: what exists under `name` is always
    whole. A second process that wants the same waits for the first.
    """
    root = root or cache_folder()
    target = root / name
    if target.is_dir():
        return target
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / f"{name}.lock"):
        if target.is_dir():
            return target
        beside = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=root))
        try:
            fill(beside)
            beside.chmod(0o755)
            beside.rename(target)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    return target


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
