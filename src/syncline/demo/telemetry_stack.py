"""Where the demo's telemetry goes with `--stack`: to the Jaeger and Prometheus that `make stack` or Compose started."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from syncline.errors import SettingsError

METRICS = {
    "replica-1": "127.0.0.1:9464",
    "replica-2": "127.0.0.1:9465",
    "coordinator": "127.0.0.1:9466",
    "publisher": "127.0.0.1:9467",
}
"""Where each process of the demo serves its metrics: what the stack's Prometheus scrapes."""
SCRAPE_S = 5.0
"""How often it does (deploy/prometheus/prometheus.yml)."""
_ANSWER_S = 2.0
_PROPAGATION = (
    "histogram_quantile(0.99, sum by (le, topic) "
    '(rate(syncline_propagation_seconds_bucket{stage="publish_to_receive"}[1m])))'
)


@dataclass(frozen=True, slots=True)
class TelemetryStack:
    """Addresses, as `make stack` exports them; without its variables, where these servers are by default."""

    otlp: str
    jaeger: str
    prometheus: str

    @classmethod
    def from_env(cls) -> TelemetryStack:
        """Those of the environment, and everything this process starts is told where spans go.

        Raises:
            SettingsError: nothing answers at one of them.
        """
        found = cls(
            otlp=os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
            jaeger=os.environ.get("SYNCLINE_JAEGER_URL", "http://127.0.0.1:16686").rstrip("/"),
            prometheus=os.environ.get("SYNCLINE_PROMETHEUS_URL", "http://127.0.0.1:9090").rstrip("/"),
        )
        for variable, url in (
            ("OTEL_EXPORTER_OTLP_ENDPOINT", found.otlp),
            ("SYNCLINE_JAEGER_URL", found.jaeger),
            ("SYNCLINE_PROMETHEUS_URL", found.prometheus),
        ):
            if not _answers(url):
                raise SettingsError(
                    f"{variable}: nothing answers at {url}. Start it with `make stack`, and export what that prints, "
                    "or with `docker compose up jaeger prometheus`; or leave out --stack"
                )
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = found.otlp
        os.environ["SYNCLINE_JAEGER_URL"] = found.jaeger
        return found

    def links(self) -> Iterator[tuple[str, str]]:
        """(what is there to be seen, its address)."""
        yield (
            "updates that a model input waited for longest",
            self._search("syncline-agent", {"syncline.lag.bucket": "gt_10s"}),
        )
        yield "model inputs, and the updates behind them", self._search("syncline-reader", {})
        yield "cuts and rollbacks", self._search("syncline-coordinator", {})
        for what, expression in (
            ("how long updates take, from the log to applied: p99 by topic", _PROPAGATION),
            ("how far agents are behind", "syncline_partition_lag_messages"),
        ):
            yield what, f"{self.prometheus}/graph?{urlencode({'g0.expr': expression, 'g0.tab': '0'})}"

    def trace(self, trace_id: str) -> str:
        """The page of one trace."""
        return f"{self.jaeger}/trace/{trace_id}"

    def _search(self, service: str, tags: dict[str, str]) -> str:
        asked = f"service={quote(service)}&lookback=1h"
        return f"{self.jaeger}/search?{asked}" + (f"&tags={quote(json.dumps(tags))}" if tags else "")


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    try:
        with closing(socket.create_connection((parts.hostname or "", parts.port or 80), _ANSWER_S)):
            return True
    except (OSError, ValueError):
        return False
