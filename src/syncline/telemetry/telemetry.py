"""All that one process says of itself, in one hand: metrics, spans, and where they go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY

from syncline.telemetry.exposition import serve_metrics
from syncline.telemetry.metrics import Metrics, metrics_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from syncline.clock import Clock
    from syncline.settings import TelemetrySettings
    from syncline.telemetry.tracing import Tracing


class Telemetry:
    """What one role counts in, and traces with."""

    def __init__(
        self,
        settings: TelemetrySettings,
        *,
        service: str,
        instance: str,
        clock: Clock,
        registry: CollectorRegistry | None = None,
    ) -> None:
        """`registry` is the application's default one unless given. Nothing is listened to and nothing sent yet."""
        self._settings = settings
        self._service = service
        self._instance = instance
        self._clock = clock
        self.made_us = clock.now_us()
        """When this was made."""
        self.registry = REGISTRY if registry is None else registry
        self._end_serving: Callable[[], None] | None = None
        self._tracing: Tracing | None = _NOT_ASKED

    @property
    def metrics(self) -> Metrics:
        """Where this role counts."""
        return metrics_in(self.registry)

    @property
    def tracing(self) -> Tracing | None:
        """What this role traces with; None where nobody asked for spans when it was first needed."""
        # No lock: it would be held for ever in a child that was forked meanwhile. Two threads may look, and one counts.
        if self._tracing is _NOT_ASKED:
            found = self._find_tracing()
            if self._tracing is _NOT_ASKED:
                self._tracing = found
            elif found is not None and found is not self._tracing:
                found.close(0.0)
        return self._tracing

    def _find_tracing(self) -> Tracing | None:
        # What is needed to trace is loaded by those who trace.
        from syncline.telemetry.tracing import Tracing  # noqa: PLC0415  see above

        return Tracing.of_process(
            self._settings,
            service=self._service,
            instance=self._instance,
            clock=self._clock,
            on_dropped=self.metrics.span_dropped,
        )

    def serve(self) -> None:
        """Serve `/metrics`, where the settings say so. Once is enough.

        Raises:
            SettingsError: nothing can listen at that address.
        """
        if self._settings.metrics and self._end_serving is None:
            self._end_serving = serve_metrics(self._settings.metrics, self.registry)

    def close(self, timeout_s: float) -> None:
        """Send what spans wait, for so long at most, and serve no more. Idempotent."""
        end, self._end_serving = self._end_serving, None
        if end is not None:
            end()
        if self._tracing is not None and self._tracing is not _NOT_ASKED:
            self._tracing.close(timeout_s)


_NOT_ASKED: Any = object()
