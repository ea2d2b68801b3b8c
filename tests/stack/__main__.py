"""`make stack`: everything up on the loopback address until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading

from tests.stack.stack import Stack, StackError, choose_kind


def main() -> int:
    """Start the stack, print its addresses as export lines, wait for Ctrl-C or SIGTERM, stop it."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        kind, reason = choose_kind()
    except StackError as error:
        _say(str(error))
        return 1
    stack = Stack(kind, reason)
    _say(f"# starting: {stack.description}")
    with stack:
        sys.stdout.write(f"export SYNCLINE_BOOTSTRAP_SERVERS={stack.bootstrap_servers}\n")
        sys.stdout.write(f"export SYNCLINE_REGISTRY_URL={stack.registry_url}\n")
        sys.stdout.flush()
        _say("# up; Ctrl-C stops it")
        ended.wait()
    _say("# stopped")
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
