"""Docker Compose's `config`, which needs no container engine: it resolves a file, and refuses a wrong one."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import yaml

from tests.stack.cache import cache_folder, filled
from tests.stack.go import build_program, run_go, why_no_go

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE_VERSION = "v2.40.3"
_COMPOSE = "github.com/docker/compose/v2"
_FOLDER = f"compose-{COMPOSE_VERSION}"
# The library that reads the file for Compose's `config` command, in the version that this Compose has. It is built
# in 10 seconds of one core, where Compose itself takes 5 minutes, and lacks only the checks across services.
LOADER_VERSION = "v2.9.1"
_LOADER = "github.com/compose-spec/compose-go/v2/cmd"


class ComposeError(RuntimeError):
    """Compose refuses the file; the message ends with what it said."""


def why_no_compose() -> str | None:
    """None where a file can be checked; else what is missing."""
    if (_installed() or _built()) is not None:
        return None
    no_go = why_no_go()
    return None if no_go is None else f"Docker Compose was not found, and to build it: {no_go}"


def compose_config(file: Path) -> dict[str, Any]:
    """The file as Compose understands it: interpolated, merged, and checked against the specification.

    By the Compose that is installed, or was built by `build_compose`; else by its loader, built on first use.

    Raises:
        ComposeError: the file is refused.
        GoError: neither Compose nor its loader can be had.
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
        GoError: it cannot be built.
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
    build_program(_COMPOSE, COMPOSE_VERSION, "./cmd", binary=folder / "docker-compose")


def _build_loader(folder: Path) -> None:
    run_go("install", "-trimpath", f"{_LOADER}@{LOADER_VERSION}", environment={"GOBIN": str(folder)})


if __name__ == "__main__":
    build_compose()
