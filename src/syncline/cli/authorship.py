"""Who applies, and from which state of the folder, where nobody says so."""

from __future__ import annotations

import getpass
import os
import subprocess
from pathlib import Path

_GIT_TIMEOUT_S = 3


def default_actor() -> str:
    """Git's user for this folder, else the system's user."""
    return _git("config", "user.email") or _git("config", "user.name") or _system_user()


def default_reason(folder: str) -> str:
    """The folder, with the commit it stands at (and whether it differs from that), where git keeps it."""
    said = f"apply {Path(folder).resolve().name}"
    commit = _git("-C", folder, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return said
    changed = _git("-C", folder, "status", "--porcelain", "--", ".")
    return f"{said} at commit {commit}" + (", with uncommitted changes" if changed else "")


def _git(*arguments: str) -> str:
    try:
        answer = subprocess.run(  # noqa: S603  # the arguments are ours; a folder's name cannot become an option
            ["git", "-c", "core.fsmonitor=false", *arguments],  # noqa: S607  # git is where the user's PATH says
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _system_user() -> str:
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = ""
    # The environment may hold a blank, or bytes that are no text: neither is a who.
    return name.strip() if name.strip() and name.isprintable() else f"uid {os.getuid()}"
