"""Processes: after a fork, and at a program's end."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[3]
BEGIN = """
import atexit, os, sys
from syncline.adapters.memory.log import MemoryLog
from syncline.clock import ManualClock
from syncline.errors import PublisherClosed
from tests.unit.publisher.airport import *
clock = ManualClock(NOW_US)
log = MemoryLog(clock)
register(log, airport_contract("syncline"), prefix="syncline")
publisher = make_publisher(log, clock, prefix="syncline")
# Exit handlers run in reverse order: this one after the publisher's, which the view registers.
last_words = []
atexit.register(lambda: [word() for word in last_words])
view = publisher.view("airport_delay")
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    """The program, in a process of its own, with a publisher made."""
    return subprocess.run(
        [sys.executable, "-c", BEGIN + textwrap.dedent(program)],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_forked_child_is_refused_and_leaves_its_parent_alone():
    """After a fork the child's publisher refuses every verb, its end flushes nothing, and the parent goes on."""
    done = run("""
        log.available = False
        view.publish_many([row()])
        child = os.fork()
        if child == 0:
            for use in (lambda: view.publish({"airport": "EWR"}, FEATURES, event_time=NOW_US),
                        lambda: view.publish_many([row()]),
                        lambda: view.delete({"airport": "EWR"}, event_time=NOW_US),
                        publisher.flush, lambda: publisher.view("airport_delay")):
                try:
                    use()
                except PublisherClosed as error:
                    assert "before a fork" in str(error), error
                else:
                    sys.exit(3)
            publisher.close()
            with publisher:
                pass
            log.available = True
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        assert publisher.stats().outstanding == 1
        log.available = True
        publisher.close()
        print("acknowledged", publisher.stats().acknowledged)
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "acknowledged 1\n", "")


def test_a_program_that_ends_without_close_is_flushed():
    """P1: what was queued still leaves when a program ends without closing its publisher."""
    done = run("""
        log.available = False
        view.publish_many([row(), row("JFK")])
        assert publisher.stats().acknowledged == 0
        atexit.register(lambda: setattr(log, "available", True))
        last_words.append(lambda: print("acknowledged", publisher.stats().acknowledged))
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "acknowledged 2\n", "")


def test_a_program_that_ends_with_unacknowledged_updates_says_so():
    """P1: updates that have no acknowledgement at the program's end are an error on stderr."""
    done = run("""
        log.available = False
        view.publish_many([row(), row()])
    """)
    assert "publisher job was not closed before the end of the program" in done.stderr
    assert "2 updates failed" in done.stderr
