"""Jaeger and Prometheus, started together: where spans go, and what scrapes metrics."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.stack.go import GoError
from tests.stack.jaeger import Jaeger, jaeger_binary
from tests.stack.ports import LOOPBACK, port_or_free
from tests.stack.prometheus import Prometheus, why_no_prometheus
from tests.stack.stack import StackError

# Where the processes of `syncline demo --stack` serve their metrics.
DEMO_TARGETS = {
    "syncline-agent": [f"{LOOPBACK}:9464", f"{LOOPBACK}:9465"],
    "syncline-coordinator": [f"{LOOPBACK}:9466"],
    "syncline-publisher": [f"{LOOPBACK}:9467"],
}
_OTLP_PORT, _JAEGER_PORT, _PROMETHEUS_PORT = 4318, 16686, 9090


class Telemetry:
    """A Jaeger and a Prometheus for a person, on the ports that people expect where those are free.

    Use as a context, within which `jaeger` and `prometheus` are there.
    """

    jaeger: Jaeger
    prometheus: Prometheus

    def __init__(self, targets: Mapping[str, Sequence[str]]) -> None:
        self._targets = targets
        self._cleanup = contextlib.ExitStack()

    def fetch(self) -> None:
        """Have on this machine what starting needs: Jaeger is built, once, by a Go that is fetched if need be.

        Raises:
            StackError: Jaeger cannot be built, or Prometheus is not installed.
        """
        missing = why_no_prometheus()
        if missing is not None:
            raise StackError(missing)
        try:
            jaeger_binary()
        except GoError as error:
            raise StackError(f"Jaeger cannot be built: {error}") from error

    def __enter__(self) -> Self:
        """Start both and return once they answer; nothing runs where this raises."""
        folder = Path(tempfile.mkdtemp(prefix="syncline-telemetry-"))
        self._cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            self._start(folder)
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop both and remove their data."""
        self._cleanup.close()

    def _start(self, folder: Path) -> None:
        self.jaeger = Jaeger(
            folder / "jaeger", otlp_port=port_or_free(_OTLP_PORT), query_port=port_or_free(_JAEGER_PORT)
        )
        self._cleanup.callback(self.jaeger.stop)
        self.prometheus = Prometheus(
            folder / "prometheus", self._targets, scrape_interval=None, port=port_or_free(_PROMETHEUS_PORT)
        )
        self._cleanup.callback(self.prometheus.stop)
        with ThreadPoolExecutor() as pool:
            for starting in [pool.submit(self.jaeger.start), pool.submit(self.prometheus.start)]:
                starting.result()
