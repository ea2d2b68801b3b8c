"""Free TCP ports on the loopback address."""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"
# Below Linux's range for outgoing connections: a server that is down for a while can come back on its port.
_RANGE = range(20_000, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, and that this process was not given before."""
    for port in random.sample(_RANGE, k=len(_RANGE)):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise RuntimeError(f"no free port between {_RANGE.start} and {_RANGE.stop} on {LOOPBACK}")


def port_or_free(wanted: int) -> int:
    """The port that people expect, where nobody listens on it; else a free one."""
    return wanted if _is_free(wanted) else free_port()


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
