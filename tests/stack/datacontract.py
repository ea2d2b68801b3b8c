"""The Data Contract CLI's `lint`, in an environment of its own: another reader of the same standard."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests.stack.cache import filled

LOCK = Path(__file__).parents[2] / "requirements" / "datacontract.txt"
# Nothing listens there: what would fetch a schema from elsewhere fails, and is noticed.
_NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")


class DatacontractError(RuntimeError):
    """The tool cannot be had here; the message ends with what pip said."""


def datacontract_python() -> Path:
    """The interpreter of the environment that has the tool, installed once for each lock and Python.

    Raises:
        DatacontractError: it cannot be installed.
    """
    lock = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return filled(f"datacontract-{lock}-python{version}", _install) / "bin" / "python"


def datacontract_lint(file: Path) -> str | None:
    """None where the tool accepts the contract in this file, else what it says. It reaches no network.

    Raises:
        DatacontractError: it cannot be installed.
    """
    # As a module: the commands of an environment name the folder that it was built in, not where it is.
    command = [
        *(str(datacontract_python()), "-c", "from datacontract.cli import main; main()"),
        *("lint", "--all-errors", str(file)),
    ]
    environment = {key: value for key, value in os.environ.items() if key.lower() != "no_proxy"} | _NO_NETWORK
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode != 0:
        return said[-5000:]
    # What prints no verdict has judged nothing.
    return None if "Data contract is valid" in said else said[-5000:]


def _install(folder: Path) -> None:
    _run(sys.executable, "-m", "venv", str(folder))
    python = str(folder / "bin" / "python")
    install = (
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--only-binary",
        ":all:",
    )
    _run(python, "-m", "pip", *install, "-r", str(LOCK))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DatacontractError(
            f"{Path(command[0]).name} {' '.join(command[1:4])} failed\n{done.stderr[-3000:]}"
        )
