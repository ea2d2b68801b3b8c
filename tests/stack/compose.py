"""Docker Compose's `config`, which needs no container engine: it resolves a file, and refuses a wrong one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.stack.cache import cache_folder, filled

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPOSE_VERSION = "v2.40.3"
_COMPOSE = "github.com/docker/compose/v2"
_FOLDER = f"compose-{COMPOSE_VERSION}"
# The library that reads the file for Compose's `config` command, in the version that this Compose has. It is built
# in 10 seconds of one core, where Compose itself takes 5 minutes, and lacks only the checks across services.
LOADER_VERSION = "v2.9.1"
_LOADER = "github.com/compose-spec/compose-go/v2/cmd"


class ComposeError(RuntimeError):
    """Compose cannot be had here, or refuses the file; the message ends with what it said."""


def why_no_compose() -> str | None:
    """None where a file can be checked; else what is missing."""
    if _installed() is None and shutil.which("go") is None:
        return "neither Docker Compose nor Go, to build it, was found"
    return None


def compose_config(file: Path) -> dict[str, Any]:
    """The file as Compose understands it: interpolated, merged, and checked against the specification.

    By the Compose that is installed, or was built by `build_compose`; else by its loader, built on first use.

    Raises:
        ComposeError: the file is refused, or Compose cannot be had.
    """
    whole = _installed() or _built()
    if whole is not None:
        command = [*whole, "--file", str(file), "config"]
    else:
        command = [str(filled(f"compose-loader-{LOADER_VERSION}", _build_loader) / "cmd"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ComposeError(f"{file.name} is refused\n{(done.stderr or done.stdout)[-3000:]}")
    return yaml.safe_load(done.stdout)


def build_compose() -> None:
    """Have Compose itself, built from its source into the cache where it is not installed.

    Raises:
        ComposeError: it cannot be built.
    """
    if _installed() is None:
        filled(_FOLDER, _build_compose)


def _installed() -> list[str] | None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        told = subprocess.run([*command, "version"], capture_output=True, text=True, check=False)
        # The first Compose, in Python, reads another specification.
        if told.returncode == 0 and "version 1." not in told.stdout:
            return command
    return None


def _built() -> list[str] | None:
    binary = cache_folder() / _FOLDER / "docker-compose"
    return [str(binary)] if binary.exists() else None


def _build_compose(folder: Path) -> None:
    # Its go.mod excludes modules, so that `go install` refuses: it must be built as the main module.
    told = json.loads(_go("mod", "download", "-json", f"{_COMPOSE}@{COMPOSE_VERSION}"))
    with tempfile.TemporaryDirectory(prefix="compose-source-") as scratch:
        source = Path(scratch) / "source"
        shutil.copytree(told["Dir"], source, copy_function=shutil.copyfile)
        for copied in (source, *(path for path in source.rglob("*") if path.is_dir())):
            copied.chmod(0o755)  # the module cache is read-only, its copy is to be removed
        _go("build", "-trimpath", "-ldflags=-s -w", "-o", str(folder / "docker-compose"), "./cmd", cwd=source)


def _build_loader(folder: Path) -> None:
    _go("install", "-trimpath", f"{_LOADER}@{LOADER_VERSION}", environment={"GOBIN": str(folder)})


def _go(*words: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        ["go", *words],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ComposeError(f"go {words[0]} failed\n{done.stderr[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    build_compose()
