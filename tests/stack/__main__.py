"""`make stack`: everything up on the loopback address until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading

from tests.stack.stack import Stack, StackError, choose_kind
from tests.stack.telemetry import DEMO_TARGETS, Telemetry

_WITHOUT = "--without-telemetry"


def main() -> int:
    """Start the stack, print its addresses as export lines, wait for Ctrl-C or SIGTERM, stop it."""
    words = argparse.ArgumentParser(prog="python -m tests.stack", description=main.__doc__)
    words.add_argument(_WITHOUT, action="store_true", help="start neither Jaeger nor Prometheus")
    telemetry = None if words.parse_args().without_telemetry else Telemetry(DEMO_TARGETS)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        kind, reason = choose_kind()
    except StackError as error:
        _say(str(error))
        return 1
    if telemetry is not None:
        try:
            telemetry.fetch()
        except StackError as error:
            _say(f"{error}\nWithout Jaeger and Prometheus: .venv/bin/python -m tests.stack {_WITHOUT}")
            return 1
    stack = Stack(kind, reason)
    _say(f"# starting: {stack.description}")
    with stack, telemetry or contextlib.nullcontext():
        exports = {
            "SYNCLINE_BOOTSTRAP_SERVERS": stack.bootstrap_servers,
            "SYNCLINE_REGISTRY_URL": stack.registry_url,
        }
        if telemetry is not None:
            exports |= {
                "OTEL_EXPORTER_OTLP_ENDPOINT": telemetry.jaeger.otlp_endpoint,
                "SYNCLINE_JAEGER_URL": telemetry.jaeger.url,
                "SYNCLINE_PROMETHEUS_URL": telemetry.prometheus.url,
            }
            _say("# Jaeger and Prometheus too; Grafana and Jaeger's pages only come with `docker compose up`")
        sys.stdout.write("".join(f"export {name}={value}\n" for name, value in exports.items()))
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
