"""A place for OTLP by HTTP that keeps every byte, and may be slow, refuse, or never answer."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class OtlpSink:
    """What came, and how it is answered."""

    status: int = 200
    delay_s: float = 0.0
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    endpoint: str = ""

    def requests(self) -> list[ExportTraceServiceRequest]:
        """What came, read."""
        return [ExportTraceServiceRequest.FromString(body) for body in list(self.bodies)]

    def spans(self) -> list[Any]:
        """Every span that came."""
        return [
            span
            for request in self.requests()
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def names(self) -> list[str]:
        """Their names, in the order in which they came."""
        return [span.name for span in self.spans()]

    def resource(self) -> dict[str, str]:
        """The attributes of the last resource."""
        found = self.requests()[-1].resource_spans[-1].resource.attributes
        return {each.key: each.value.string_value for each in found}


@contextmanager
def otlp_sink(*, status: int = 200, delay_s: float = 0.0) -> Iterator[OtlpSink]:
    """One on the loopback address; `delay_s` passes before each answer."""
    sink = OtlpSink(status, delay_s)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            sink.headers.append(dict(self.headers.items()))
            sink.bodies.append(body)
            sink.ended.wait(sink.delay_s)
            try:
                self.send_response(sink.status)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                pass  # whoever asked has gone

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    sink.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        sink.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
