"""What spans are sent to: `python -m benchmarks.telemetry_cost.sink PORT`. Answers every export, until its input ends.

Whoever exports to `http://127.0.0.1:PORT/NAME` has its spans counted under that name; `GET /NAME` says how many they
were since it was asked last. They are parsed only then: what a sink computes is taken from those who are measured.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.request import urlopen

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.processes import Processes, end_of_input
from tests.stack.ports import free_port

_TIMEOUT_S = 30.0


class Sink:
    """A sink in a process of its own."""

    def __init__(self, processes: Processes) -> None:
        """It ends with those."""
        self._port = free_port()
        processes.start("sink", "benchmarks.telemetry_cost.sink", str(self._port), piped=True)

    def variables(self, name: str) -> Mapping[str, str]:
        """What makes a process export to it, under this name."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._port}/{name}"}

    def spans(self, name: str) -> int:
        """How many came under this name since they were asked for last."""
        with urlopen(f"http://127.0.0.1:{self._port}/{name}", timeout=_TIMEOUT_S) as answer:
            return int(json.load(answer)["spans"])


def without_exporters() -> dict[str, str]:
    """This process's variables but those that would make somebody trace."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}


def main(port: str) -> None:
    """Take spans until standard input is closed."""
    ended = end_of_input()
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), _Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="bench-sink", daemon=True).start()
    print("begun", flush=True)
    ended.wait()
    server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    exports: dict[str, list[bytes]] = defaultdict(list)  # noqa: RUF012  all handlers of the process share it

    def do_POST(self) -> None:
        name = self.path.removeprefix("/").removesuffix("/v1/traces")
        self.exports[name].append(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(b"", "application/x-protobuf")

    def do_GET(self) -> None:
        came = self.exports.pop(self.path.removeprefix("/"), [])
        spans = sum(
            len(scope.spans)
            for body in came
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
        )
        self._answer(json.dumps({"spans": spans}).encode(), "application/json")

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    main(*sys.argv[1:])
