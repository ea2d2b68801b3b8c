"""Maven, for fetching jars by coordinates."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

JAVA_AT_LEAST = 17


def why_no_java() -> str | None:
    """None where Java (17 or later) and Maven are here; else what is missing."""
    missing = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    if missing:
        return f"{' and '.join(missing)} not found"
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    version = told.partition('"')[2].partition('"')[0]
    major = version.split(".")[0].split("-")[0]
    if not major.isdigit() or int(major) < JAVA_AT_LEAST:
        return f"Java {version or '?'} is older than {JAVA_AT_LEAST}"
    return None


def run_maven(goal: str, *options: str, folder: Path) -> None:
    """Run one goal in `folder`.

    Raises:
        RuntimeError: Maven failed; the message ends with what it said.
    """
    done = subprocess.run(
        ["mvn", "--quiet", "--batch-mode", goal, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"mvn {goal} failed\n{(done.stdout + done.stderr)[-3000:]}")
