"""Locks over a fork: one that another thread held would be held for ever in the child."""

from __future__ import annotations

import os
import threading
import weakref


def renew_in_child(owner: object, name: str) -> None:
    """Give this lock of the owner's anew in every child that is forked from now on."""
    found = weakref.ref(owner)

    def renew() -> None:
        alive = found()
        if alive is not None:
            setattr(alive, name, threading.Lock())

    os.register_at_fork(after_in_child=renew)
