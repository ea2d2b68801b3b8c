"""Logs: structlog, one event name per happening; JSON off a terminal, readable lines on one. Always on stderr."""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import TYPE_CHECKING

import structlog
from opentelemetry.context import get_current
from opentelemetry.trace import get_current_span

from syncline.telemetry.repeats import Repeats

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, Processor


def configure_logging(level: str = "info") -> None:
    """Set up this process's logs. For our own programs only: a library leaves its host's logging alone."""
    terminal = sys.stderr.isatty()
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _add_trace,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if terminal:
        processors.append(structlog.dev.ConsoleRenderer(colors=not os.environ.get("NO_COLOR")))
    else:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, _Libraries)]
    root.addHandler(_Libraries(logging.WARNING))
    logging.captureWarnings(capture=True)


class _Libraries(logging.Handler):
    """What libraries log, as lines like our own: one event, and repeats are few."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._repeats = Repeats()
        self._log = logger()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "syncline.kafka":
            # What matters of the client's own lines is announced by roles.
            return
        message = _message(record)
        if self._repeats.is_news(f"{record.name}: {message}", time.monotonic()):
            # Of the levels that we have, the one below. No traceback: that has arguments of other people's functions.
            level = max(known for known in _LEVELS if known <= max(record.levelno, logging.WARNING))
            self._log.log(level, "library_said", library=record.name, message=message)


_LEVELS = (logging.WARNING, logging.ERROR, logging.CRITICAL)


def _message(record: logging.LogRecord) -> str:
    """What a library says; of OpenTelemetry, which quotes headers and variables that it cannot read, no texts in it."""
    try:
        if record.name.startswith("opentelemetry") and isinstance(record.args, tuple):
            given = (arg if isinstance(arg, int | float) else type(arg).__name__ for arg in record.args)
            return str(record.msg) % tuple(given) if record.args else str(record.msg)
        return record.getMessage()
    except Exception:  # noqa: BLE001  what does not fit its form is left out: it may be anything
        return record.msg if isinstance(record.msg, str) else type(record.msg).__name__


def _add_trace(_: object, __: str, event: EventDict) -> EventDict:
    """The current span's ids, where there is one."""
    if get_current():
        context = get_current_span().get_span_context()
        if context.is_valid:
            event.setdefault("trace_id", f"{context.trace_id:032x}")
            event.setdefault("span_id", f"{context.span_id:016x}")
    return event


def logger(**context: object) -> FilteringBoundLogger:
    """A logger that adds this context to each of its lines."""
    bound: FilteringBoundLogger = structlog.get_logger(**context)
    return bound
