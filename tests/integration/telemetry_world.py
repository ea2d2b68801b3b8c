"""The flights on a real Kafka, with everything sent to a real Jaeger: a publisher here, an agent beside, a reader."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from prometheus_client import CollectorRegistry

from syncline.adapters.kafka.log import KafkaLog
from syncline.adapters.registry import ConfluentRegistry
from syncline.clock import SystemClock
from syncline.demo.applying import DefinitionsFolder, apply_folder
from syncline.demo.cluster import Cluster
from syncline.errors import StoreError
from syncline.settings import ConnectionSettings
from syncline.wire.topics import Topics
from syncline.wiring import FeatureReader, Publisher
from tests.stack.jaeger import Jaeger
from tests.stack.stack import Stack
from tests.stack.traces import Span

PATIENCE_S = 60.0
BUNDLE = "flight_inputs"
CONSUMER = "delay-predictor"
KEYS = {"origin": "EWR", "dest": "IAH", "tailnum": "N14228"}
AIRPORT = {
    "dep_delay_mean_1h": 12.5,
    "arr_delay_mean_1h": 3.25,
    "departures_1h": 17,
    "arrivals_1h": 9,
    "cancelled_24h": 2,
}


@dataclass
class Flights:
    """The demo's definitions under a prefix of their own; every span is exported at once."""

    stack: Stack
    jaeger: Jaeger
    prefix: str
    folder: Path
    name: str = field(default_factory=lambda: uuid4().hex[:8])

    def __post_init__(self) -> None:
        """Apply the definitions."""
        self.log = KafkaLog(self.stack.bootstrap_servers)
        self.topics = Topics(self.prefix)
        settings = ConnectionSettings(
            bootstrap_servers=self.stack.bootstrap_servers,
            registry_url=self.stack.registry_url,
            prefix=self.prefix,
        )
        definitions = DefinitionsFolder(self.folder)
        registry = ConfluentRegistry(self.stack.registry_url, timeout_s=20.0)
        cluster = Cluster(settings, self.log, registry, embedded=False)
        apply_folder(definitions.path, cluster, clock=SystemClock(), reason="tests", on_step=lambda _: None)

    @property
    def topic(self) -> str:
        """The topic of airport_delay."""
        return self.topics.features("airport_delay", 1)

    def service(self, role: str) -> str:
        """The service name of a role in this test."""
        return f"{role}-{self.name}"

    def environment(self, role: str, **more: str) -> dict[str, str]:
        """What a process of this role is told."""
        return {
            "SYNCLINE_BOOTSTRAP_SERVERS": self.stack.bootstrap_servers,
            "SYNCLINE_REGISTRY_URL": self.stack.registry_url,
            "SYNCLINE_PREFIX": self.prefix,
            "SYNCLINE_TRACE_SHARE": "1",
            "SYNCLINE_TRACE_CAP_PER_S": "inf",
            "SYNCLINE_REPORT_INTERVAL_S": "0.5",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.jaeger.otlp_endpoint,
            "OTEL_SERVICE_NAME": self.service(role),
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            **more,
        }

    @contextmanager
    def as_role(self, role: str, **more: str) -> Iterator[None]:
        """This process is told what one of this role would be."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment(role, **more).items():
                patch.setenv(name, value)
            yield

    @contextmanager
    def publisher(self, **settings: Any) -> Iterator[Publisher]:
        """A publisher here, closed at the end."""
        with self.as_role("publisher"):
            made = Publisher.from_env(registry=CollectorRegistry(), publisher="flights", **settings)
            # Now it has looked where its spans go; a reader looks when it meets the first traced value.
            made.view("airport_delay")
        with made:
            yield made

    @contextmanager
    def reader(self) -> Iterator[FeatureReader]:
        """A reader here, as soon as the agent has a store and is ready."""
        with self.as_role("reader"):
            found: list[FeatureReader] = []

            def opened() -> bool:
                try:
                    if not found:
                        found.append(FeatureReader(self.folder / "store", registry=CollectorRegistry()))
                    condition = found[0].condition()
                except StoreError:
                    return False
                return condition is not None and condition.ready

            awaited(opened, "a store that is ready")
            with found[0] as reader:
                yield reader

    @contextmanager
    def inference(self) -> Iterator[Any]:
        """The tracer of an inference service, with a provider of its own."""
        provider = TracerProvider(resource=Resource({"service.name": self.service("inference")}))
        exporter = OTLPSpanExporter(endpoint=f"{self.jaeger.otlp_endpoint}/v1/traces")
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        yield provider.get_tracer("inference")
        provider.shutdown()

    @contextmanager
    def agent(self, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """An agent beside, as `syncline agent` starts it; ended at the end."""
        with self.running(
            "agent",
            ("agent", "--subscription", CONSUMER, "--store", str(self.folder / "store"), "--instance", "a"),
            **more,
        ) as process:
            yield process

    @contextmanager
    def coordinator(self, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """A coordinator beside."""
        with self.running("coordinator", ("coordinator", "--name", "c"), **more) as process:
            yield process

    @contextmanager
    def running(
        self, role: str, arguments: tuple[str, ...], **more: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A `syncline …` beside, with a log of its own."""
        with (self.folder / f"{role}.log").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "syncline", *arguments],
                env={**os.environ, **self.environment(role, **more)},
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def said(self, role: str) -> str:
        """What a process of this role logged."""
        return (self.folder / f"{role}.log").read_text("utf-8", "replace")

    def syncline(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """One `syncline` command, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "syncline", *arguments],
            env={**os.environ, **self.environment("cli", NO_COLOR="1", COLUMNS="150", **more)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def awaited(condition: Callable[[], Any], what: str) -> Any:
    """What the condition gives once it holds."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"{what} did not come about in {PATIENCE_S:g} s"
        time.sleep(0.01)
    return found


def named(spans: list[Span], name: str) -> Span:
    """The one span that is called so."""
    found = [span for span in spans if span.name == name]
    assert len(found) == 1, (name, [span.name for span in spans])
    return found[0]


def read_until(reader: FeatureReader, keys: Mapping[str, str], wanted: Callable[[Any], bool]) -> Any:
    """The model input of these keys, once it is as wanted."""

    def read() -> Any:
        found = reader.get(BUNDLE, keys)
        return found if wanted(found) else None

    return awaited(read, "a model input as wanted")
