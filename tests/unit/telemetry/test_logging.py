"""Logs of our own programs: one line a happening, readable by machines, with the trace that it belongs to."""

from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from syncline.telemetry.logging import configure_logging, logger
from syncline.telemetry.repeats import REPEAT_S

SPAN = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1)))


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Logging is the process's: what these tests set up goes with them."""
    root = logging.getLogger()
    handlers, level, configuration = list(root.handlers), root.level, structlog.get_config()
    yield
    logging.captureWarnings(capture=False)
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.configure(**configuration)


class Stderr:
    """What was written to stderr, which is no terminal."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def getvalue(self) -> str:
        """All of it so far."""
        self._text += self._capsys.readouterr().err
        return self._text


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Stderr:
    """Where lines go: no terminal."""
    return Stderr(capsys)


def lines(text: str) -> list[dict[str, Any]]:
    """Each line, which is JSON."""
    return [json.loads(line) for line in text.splitlines()]


def test_off_a_terminal_each_happening_is_one_line_of_json(stderr: Stderr) -> None:
    """Under one name, with its level, its time in UTC and what it is about; line ends in texts make no lines."""
    configure_logging()
    logger(agent="model/a").warning("log_unavailable", message="one\ntwo")

    (line,) = lines(stderr.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "log_unavailable",
        "level": "warning",
        "agent": "model/a",
        "message": "one\ntwo",
    }


@pytest.mark.parametrize(("level", "heard"), [("debug", 3), ("info", 2), ("ERROR", 1)])
def test_what_is_below_the_level_is_not_said(stderr: Stderr, level: str, heard: int) -> None:
    """As `--log-level` says, in either case."""
    configure_logging(level)
    log = logger()
    log.debug("a")
    log.info("b")
    log.error("c")

    assert len(lines(stderr.getvalue())) == heard


def test_a_line_has_the_ids_of_the_span_that_is_current(stderr: Stderr) -> None:
    """From a line to its trace; where there is no span there are no ids."""
    configure_logging()
    with trace.use_span(SPAN):
        logger().info("inside")
    logger().info("outside")

    inside, outside = lines(stderr.getvalue())
    assert (inside["trace_id"], inside["span_id"]) == (f"{0xABC:032x}", f"{0xDEF:016x}")
    assert not {"trace_id", "span_id"} & outside.keys()


def test_ids_that_are_stated_count_before_those_of_the_current_span(stderr: Stderr) -> None:
    """A cut has a span of its own, whatever span is current."""
    configure_logging()
    with trace.use_span(SPAN):
        logger().info("decision_enacted", trace_id="1", span_id="2")

    (line,) = lines(stderr.getvalue())
    assert (line["trace_id"], line["span_id"]) == ("1", "2")


def test_an_exception_is_one_line_as_well(stderr: Stderr) -> None:
    """Its traceback is a text in it."""
    configure_logging()
    try:
        float("no")
    except ValueError:
        logger().exception("failed")

    (line,) = lines(stderr.getvalue())
    assert "could not convert string to float" in line["exception"]


# What libraries say.


def test_what_a_library_says_is_a_line_like_our_own_and_is_said_once(stderr: Stderr) -> None:
    """Repeats within ten seconds are left out: numbers make no difference. Another library may say the same."""
    configure_logging()
    for number in range(50):
        logging.getLogger("lib").warning("attempt %d failed", number)
    logging.getLogger("other").error("attempt 3 failed")
    logging.getLogger("lib").info("not worth a line")

    assert [
        (line["event"], line["level"], line["library"], line["message"]) for line in lines(stderr.getvalue())
    ] == [
        ("library_said", "warning", "lib", "attempt 0 failed"),
        ("library_said", "error", "other", "attempt 3 failed"),
    ]


def test_after_ten_seconds_it_is_said_again(stderr: Stderr, monkeypatch: pytest.MonkeyPatch) -> None:
    """It still lasts."""
    now_s = [100.0]
    monkeypatch.setattr("syncline.telemetry.logging.time.monotonic", lambda: now_s[0])
    configure_logging()
    for _ in range(5):
        logging.getLogger("lib").warning("no broker")
        now_s[0] += REPEAT_S / 2

    assert len(lines(stderr.getvalue())) == 3


def test_the_tracebacks_of_libraries_are_not_shown(stderr: Stderr) -> None:
    """They hold the arguments of other people's functions."""
    configure_logging()
    try:
        float("hunter2")
    except ValueError:
        logging.getLogger("lib").exception("it failed")

    assert "hunter2" not in stderr.getvalue()
    assert lines(stderr.getvalue())[0]["message"] == "it failed"


def test_the_clients_own_lines_are_left_to_roles(stderr: Stderr) -> None:
    """What matters of them is announced under a name; many times a second is too often."""
    configure_logging()
    logging.getLogger("syncline.kafka").error("broker transport failure")

    assert stderr.getvalue() == ""


def test_warnings_of_python_are_lines_as_well(stderr: Stderr) -> None:
    """A deprecation in a library is no bare text between the lines."""
    configure_logging()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    (line,) = lines(stderr.getvalue())
    assert (line["event"], line["library"]) == ("library_said", "py.warnings")


def test_setting_up_twice_says_everything_once(stderr: Stderr) -> None:
    """And takes away no handler of anybody else's."""
    theirs = logging.NullHandler()
    logging.getLogger().addHandler(theirs)
    configure_logging()
    configure_logging()
    logging.getLogger("lib").warning("once")

    assert len(lines(stderr.getvalue())) == 1
    assert theirs in logging.getLogger().handlers


@pytest.mark.parametrize("level", [35, 45, 60])
def test_levels_of_a_librarys_own_are_said(stderr: Stderr, level: int) -> None:
    """SUCCESS is 35 in more than one library."""
    configure_logging()
    logging.getLogger("lib").log(level, "well done")

    (line,) = lines(stderr.getvalue())
    assert line["message"] == "well done"


def test_a_line_that_a_library_cannot_write_shows_no_arguments(stderr: Stderr) -> None:
    """`%d` with a text: the text may be a value."""
    logging.getLogger().handlers = []  # pytest's own would raise
    configure_logging()
    logging.getLogger("lib").warning("%d", "hunter2")

    assert "hunter2" not in stderr.getvalue()


class Unprintable:
    """What cannot be made a text."""

    def __str__(self) -> str:
        """Nothing."""
        raise ZeroDivisionError("no")


def test_what_cannot_be_made_a_text_raises_nothing_in_a_library(stderr: Stderr) -> None:
    """Logging never ends what it is about: nor an exporter's thread, nor a client's callback."""
    logging.getLogger().handlers = []  # pytest's own would raise
    configure_logging()
    logging.getLogger("lib").warning(Unprintable())
    logging.getLogger("lib").warning("still here")

    assert "still here" in stderr.getvalue()


# A process of our own.

PROGRAM = (
    "from syncline.telemetry.logging import configure_logging, logger\n"
    "configure_logging(); logger(agent='model/a').info('agent_state_changed', before='STARTING', after='LIVE')\n"
)


def test_on_a_terminal_lines_are_for_people() -> None:
    """Colours, unless NO_COLOR; never JSON. Nothing is on stdout."""
    for variables, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        ours, theirs = pty.openpty()
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | variables
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=environment,
            stderr=theirs,
            stdout=subprocess.PIPE,
            check=True,
            timeout=30,
        )
        os.close(theirs)
        text = os.read(ours, 65_536).decode()
        os.close(ours)

        assert "agent_state_changed" in text
        assert not text.lstrip().startswith("{")
        assert ("\x1b[" in text) == coloured
        assert done.stdout == b""
