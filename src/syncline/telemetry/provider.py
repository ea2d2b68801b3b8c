"""Where spans go: to the application's own tracer provider where it has one, else as the `OTEL_…` variables say."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from syncline.telemetry import names
from syncline.version import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

    from syncline.telemetry.dropped import OnDropped
    from syncline.telemetry.own_spans import OwnSpans

_LOGGER = logging.getLogger("syncline.telemetry")
_LOGGER.addHandler(logging.NullHandler())


_EXIT_S_MAX = 2.0
"""How long a process that ends is held up at most."""
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_EXPORTERS = {"otlp": {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}}


class Spans:
    """A provider to take tracers from, and how to end it."""

    def __init__(
        self,
        provider: trace.TracerProvider,
        *,
        owned: TracerProvider | None = None,
        maker: OwnSpans | None = None,
    ) -> None:
        """`owned` is ours to end; the application's is not. `maker` makes spans that nobody else will see."""
        self.provider = provider
        self.maker = maker
        self._owned = owned
        if owned is not None:
            # A reader or publisher that nobody closes: its last spans are sent, or not, in a moment.
            atexit.register(self.close, _EXIT_S_MAX)

    @property
    def is_ours(self) -> bool:
        """Whether no provider of the application's was there."""
        return self._owned is not None

    def flush(self, timeout_s: float) -> None:
        """Send what waits, for so long at most: an exporter that nobody answers holds nobody up."""
        if self._owned is not None:
            _bounded(self._owned.force_flush, timeout_s)

    def close(self, timeout_s: float) -> None:
        """Send what waits, for so long at most, and end. Idempotent. The application's own provider goes on."""
        if self._owned is not None:
            owned, self._owned = self._owned, None
            atexit.unregister(self.close)
            _bounded(owned.shutdown, timeout_s)


def find_spans(
    *,
    service: str,
    instance: str,
    on_dropped: OnDropped,
    environment: Mapping[str, str] | None = None,
) -> Spans | None:
    """The provider that this process's spans go to; None where nobody asked for any.

    The application's own counts first. Without one, spans are exported where a variable of OpenTelemetry's says so:
    `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_TRACES_EXPORTER`. `OTEL_SERVICE_NAME`
    and `OTEL_RESOURCE_ATTRIBUTES` count before `service` and `instance`.
    """
    given = os.environ if environment is None else environment
    if given.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    provider = trace.get_tracer_provider()
    if not isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return Spans(provider)
    names = [name.strip() for name in given.get("OTEL_TRACES_EXPORTER", "").split(",") if name.strip()]
    if not names and any(given.get(name) for name in _ENDPOINTS):
        names = ["otlp"]
    if not names or "none" in names:
        return None
    try:
        exporters = [exporter for name in names if (exporter := _exporter(name, given)) is not None]
        if not exporters:
            return None
        resource = _resource(service, instance)
        owned, maker = _provider(resource, exporters, on_dropped=on_dropped)
    except Exception as error:  # noqa: BLE001  telemetry does not break what it is of
        # Its own words may quote what a variable holds.
        _LOGGER.warning(
            "no traces are exported: OpenTelemetry cannot do what its variables say (%s)",
            type(error).__name__,
        )
        return None
    # Whoever limits what spans may hold has the SDK's, which keep to it.
    is_limited = any(name.startswith("OTEL_") and name.endswith("_LIMIT") for name in given)
    return Spans(owned, owned=owned, maker=None if is_limited else maker)


def _resource(service: str, instance: str) -> Resource:
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415  an extra

    ours = {"service.name": service, "service.instance.id": instance, "service.version": __version__}
    # What the SDK makes up counts least, what the variables say most.
    return Resource({**Resource.create().attributes, **ours, **OTELResourceDetector().detect().attributes})


def _provider(
    resource: Resource, exporters: Sequence[SpanExporter], *, on_dropped: OnDropped
) -> tuple[TracerProvider, OwnSpans]:
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  an extra
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415  see above
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415  see above

    from syncline.telemetry.own_spans import OwnSpans  # noqa: PLC0415  see above
    from syncline.telemetry.span_queue import CountedBatches  # noqa: PLC0415  see above

    # What is recorded is decided before a span is made (`sampling`): here what is made is kept.
    provider = TracerProvider(resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False)
    processors = [CountedBatches(exporter, on_dropped=on_dropped) for exporter in exporters]
    for processor in processors:
        provider.add_span_processor(processor)
    scope = InstrumentationScope(names.SCOPE, __version__, names.SCHEMA_URL)
    return provider, OwnSpans(resource, scope, ids=provider.id_generator, processors=processors)


def _exporter(name: str, given: Mapping[str, str]) -> SpanExporter | None:
    """The exporter of this name, found as OpenTelemetry's own launcher finds it: by its entry point."""
    from importlib.metadata import entry_points  # noqa: PLC0415  only where spans are exported

    protocol = (
        given.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        or given.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "http/protobuf"
    ).strip()
    entry = _EXPORTERS.get(name, {}).get(protocol, name)
    found = next(iter(entry_points(group="opentelemetry_traces_exporter", name=entry)), None)
    if found is None:
        wanted = f"{name} over {protocol}" if name in _EXPORTERS else name
        _LOGGER.warning(
            "no traces are exported: OpenTelemetry's exporter `%s` is not installed here. "
            "`pip install 'syncline[otel]'` brings OTLP over http/protobuf",
            wanted,
        )
        return None
    made: Any = found.load()
    exporter: SpanExporter = made()
    return exporter


def _bounded(end: Callable[[], object], timeout_s: float) -> None:
    """Do it in a thread of its own, and wait for it so long: the SDK's own limits are of half a minute."""
    thread = threading.Thread(target=end, name="syncline-spans-end", daemon=True)
    deadline_s = time.monotonic() + timeout_s
    thread.start()
    thread.join(max(0.0, deadline_s - time.monotonic()))
