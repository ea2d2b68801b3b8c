"""`/metrics` over HTTP: OpenMetrics where it is asked for, one address a process."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from contextlib import closing, suppress

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from syncline.clock import ManualClock
from syncline.errors import SettingsError
from syncline.settings import TelemetrySettings
from syncline.telemetry.exposition import serve_metrics
from syncline.telemetry.metrics import metrics_in
from syncline.telemetry.telemetry import Telemetry
from tests.stack.ports import free_port

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def registry() -> CollectorRegistry:
    """With a histogram that has an exemplar."""
    made = CollectorRegistry()
    histogram = metrics_in(made).histogram("syncline_propagation_seconds").labels("t", "event_to_apply")
    histogram.add(1_500)
    histogram.remember(1_500, 0xABC)
    return made


def scraped(port: int, accept: str) -> tuple[str, str]:
    """(content type, text)."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def telemetry(address: str) -> Telemetry:
    """That of a process whose metrics are served at this address."""
    settings = TelemetrySettings(metrics=address)
    return Telemetry(settings, service="s", instance="i", clock=ManualClock(), registry=registry())


def test_open_metrics_with_exemplars_where_the_scraper_takes_it() -> None:
    """And the older text, without them, where it does not."""
    port = free_port()
    end = serve_metrics(f"127.0.0.1:{port}", registry())
    try:
        kind, text = scraped(port, OPEN_METRICS)
        older, plain = scraped(port, "text/plain; version=0.0.4")
    finally:
        end()

    assert kind.startswith("application/openmetrics-text")
    exemplars = [
        sample.exemplar.labels["trace_id"]
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.exemplar
    ]
    assert exemplars == [f"{0xABC:032x}"]
    assert older.startswith("text/plain")
    assert "trace_id" not in plain
    assert 'syncline_propagation_seconds_count{stage="event_to_apply",topic="t"} 1.0' in plain


def test_an_address_that_is_taken_is_told_with_the_setting_that_names_it() -> None:
    """Not a traceback: the message says what to do."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(SettingsError, match=rf"SYNCLINE_METRICS.*127\.0\.0\.1:{port}.*another address"):
            serve_metrics(f"127.0.0.1:{port}", CollectorRegistry())


@pytest.mark.parametrize("address", ["no-such-host.invalid:9464", "203.0.113.1:9464"])
def test_an_address_that_is_not_ours_is_told_the_same_way(address: str) -> None:
    """A host that no name server knows, and one that is another machine's."""
    with pytest.raises(SettingsError, match="SYNCLINE_METRICS"):
        serve_metrics(address, CollectorRegistry())


def test_ipv6_is_written_in_brackets() -> None:
    """As in every URL."""
    try:
        with closing(socket.socket(socket.AF_INET6)) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    port = free_port()
    end = serve_metrics(f"[::1]:{port}", registry())
    try:
        with urllib.request.urlopen(f"http://[::1]:{port}/metrics", timeout=5) as answer:
            assert b"syncline_propagation_seconds" in answer.read()
    finally:
        end()


def test_after_the_end_nobody_listens_and_the_address_is_free() -> None:
    """An agent that is started again at once finds its port."""
    port = free_port()
    for _ in range(2):
        end = serve_metrics(f"127.0.0.1:{port}", registry())
        scraped(port, OPEN_METRICS)
        end()

    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_scraper_that_says_nothing_keeps_nobody_from_ending() -> None:
    """Its connection stays open, and the process ends all the same."""
    port = free_port()
    end = serve_metrics(f"127.0.0.1:{port}", registry())
    with closing(socket.create_connection(("127.0.0.1", port))) as silent:
        silent.sendall(b"GET /metrics HTTP/1.1\r\n")
        time.sleep(0.05)
        began_s = time.monotonic()
        end()

    assert time.monotonic() - began_s < 1.5


def test_nothing_is_listened_to_unless_it_is_asked_for() -> None:
    """The default is no address."""
    before = {*threading.enumerate()}
    made = telemetry("")

    made.serve()

    assert not {*threading.enumerate()} - before
    made.close(1.0)


def test_serving_twice_is_serving_once_and_closing_twice_is_closing_once() -> None:
    """Who makes a role need not know whether its metrics are served already."""
    port = free_port()
    made = telemetry(f"127.0.0.1:{port}")

    made.serve()
    made.serve()
    assert "syncline_build_info" in scraped(port, OPEN_METRICS)[1]
    made.close(1.0)
    made.close(1.0)

    with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=1)):
        raise AssertionError("it still listens")
