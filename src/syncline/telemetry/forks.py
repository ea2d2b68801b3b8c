"""Locks over a fork: one that another thread held would be held for ever in the child."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary


def in_child(owner: object, renew: Callable[[Any], object]) -> None:
    """Call `renew` with this owner in every child that is forked from now on. It must not keep the owner by itself."""
    _RENEWED.setdefault(owner, []).append(renew)


def renew_in_child(owner: object, name: str) -> None:
    """Give this lock of the owner's anew in every child that is forked from now on."""
    in_child(owner, lambda alive: setattr(alive, name, threading.Lock()))


def _renew_all() -> None:
    for owner, renewals in list(_RENEWED.items()):
        for renew in renewals:
            renew(owner)


_RENEWED: WeakKeyDictionary[object, list[Callable[[Any], object]]] = WeakKeyDictionary()
# One hook for all: the interpreter keeps hooks for ever.
os.register_at_fork(after_in_child=_renew_all)
