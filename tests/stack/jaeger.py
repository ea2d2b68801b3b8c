"""Jaeger 2, built from its own source, with the configuration that is deployed."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.stack.cache import cache_folder, filled
from tests.stack.go import build_program, why_no_go
from tests.stack.health import answers_ok
from tests.stack.ports import LOOPBACK, free_port
from tests.stack.server import Server
from tests.stack.traces import Traces

# The module's v1.76.0 is the release 2.13.0 of Jaeger 2, whose program lies in cmd/jaeger.
JAEGER_VERSION = "2.13.0"
MODULE_VERSION = "v1.76.0"
CONFIG = Path(__file__).parents[2] / "deploy" / "jaeger" / "jaeger.yaml"
_MODULE = "github.com/jaegertracing/jaeger"
_FOLDER = f"jaeger-{JAEGER_VERSION}"


def why_no_jaeger() -> str | None:
    """None where Jaeger was built, or can be; else what is missing."""
    if (cache_folder() / _FOLDER).is_dir():
        return None
    no_go = why_no_go()
    return None if no_go is None else f"Jaeger was not built, and to build it: {no_go}"


def jaeger_binary() -> Path:
    """The program, built once: that takes four minutes of two cores.

    Raises:
        GoError: it cannot be built.
    """
    return filled(_FOLDER, _build) / "jaeger"


class Jaeger:
    """One Jaeger on the loopback address, with its spans in memory: a `stop` or `kill` loses them.

    `otlp_endpoint` is for OTEL_EXPORTER_OTLP_ENDPOINT (OTLP by HTTP; `otlp_grpc_endpoint` by gRPC), `url` the
    root of its API, and `traces` asks it. The Go module has no pages: in place of the UI is an empty one.
    """

    def __init__(self, folder: Path, *, otlp_port: int | None = None, query_port: int | None = None) -> None:
        self.otlp_port = otlp_port or free_port()
        self.query_port = query_port or free_port()
        self._grpc_port, self._health_port = free_port(), free_port()
        self.otlp_endpoint = f"http://{LOOPBACK}:{self.otlp_port}"
        self.otlp_grpc_endpoint = f"http://{LOOPBACK}:{self._grpc_port}"
        self.url = f"http://{LOOPBACK}:{self.query_port}"
        self.traces = Traces(self.url)
        folder.mkdir(parents=True, exist_ok=True)
        self.server = Server(
            f"Jaeger {JAEGER_VERSION}",
            [str(jaeger_binary()), "--config", str(CONFIG)],
            log=folder / "jaeger.log",
            is_healthy=self._answers,
            environment={
                "JAEGER_LISTEN_HOST": LOOPBACK,
                "JAEGER_OTLP_HTTP_PORT": str(self.otlp_port),
                "JAEGER_OTLP_GRPC_PORT": str(self._grpc_port),
                "JAEGER_QUERY_PORT": str(self.query_port),
                "JAEGER_QUERY_GRPC_PORT": str(free_port()),
                "JAEGER_HEALTH_PORT": str(self._health_port),
            },
        )

    def start(self, *, timeout_s: float = 120.0) -> None:
        """Start it and return once it takes spans and questions."""
        self.server.start(timeout_s=timeout_s)

    def stop(self) -> None:
        """End it in order. Idempotent."""
        self.server.stop()

    def kill(self) -> None:
        """End it as a crash would. Idempotent."""
        self.server.kill()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self.server.pause()

    def resume(self) -> None:
        """Undo `pause`."""
        self.server.resume()

    def _answers(self) -> bool:
        # Over all of its parts: the receiver that takes spans, and the extension that answers questions.
        return answers_ok(self._health_port, "/status")


def _build(folder: Path) -> None:
    sys.stderr.write(f"Building Jaeger {JAEGER_VERSION}: this takes some minutes, once.\n")
    build_program(_MODULE, MODULE_VERSION, "./cmd/jaeger", binary=folder / "jaeger")


if __name__ == "__main__":
    jaeger_binary()
