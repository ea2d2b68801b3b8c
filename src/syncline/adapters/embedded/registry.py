"""A small Confluent-compatible schema registry inside this process, on 127.0.0.1."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from syncline.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from syncline.adapters.embedded.subjects import Subjects

_BODY_BYTES_MAX = 1024 * 1024
_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"


class EmbeddedRegistry:
    """A registry for Avro schemas, kept in memory, that any Confluent client can talk to at `url`.

    Levels are NONE, BACKWARD (the default, as Confluent's) and BACKWARD_TRANSITIVE. No references, no
    deleting and no authentication: it is for the demo and for tests. Use it as a context, or `close` it.
    """

    def __init__(self, *, port: int = 0) -> None:
        try:
            from syncline.adapters.embedded.subjects import Subjects  # noqa: PLC0415 - avro is an extra
        except ModuleNotFoundError as error:
            raise RegistryError(
                f"the embedded registry needs the package {error.name!r}; install syncline[demo]"
            ) from error
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.subjects = Subjects()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="embedded-registry",
            daemon=True,
        )

    @classmethod
    def start(cls, *, port: int = 0) -> Self:
        """A running registry; port 0 picks a free one.

        Raises:
            RegistryError: the extra `demo` is not installed.
            OSError: the port is taken.
        """
        registry = cls(port=port)
        registry._thread.start()
        return registry

    def close(self) -> None:
        """Stop serving. Idempotent."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        """The running registry itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # with the default of 5, a burst of clients waits a second each
    subjects: Subjects

    def server_bind(self) -> None:
        # HTTPServer would ask the name service for this host's name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "syncline-embedded-registry"
    timeout = 30.0
    wbufsize = -1  # headers and body in one packet
    server: _Server

    def do_GET(self) -> None:
        """Answer a question."""
        self._serve()

    def do_POST(self) -> None:
        """Register, look up or check a schema."""
        self._serve()

    def do_PUT(self) -> None:
        """Set a level."""
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the standard library's
        """Say nothing: a demo's terminal is for the demo."""

    def _serve(self) -> None:
        from syncline.adapters.embedded.subjects import Refused  # noqa: PLC0415 - avro is an extra

        try:
            status, document = HTTPStatus.OK, self._answer()
        except Refused as refused:
            status, document = HTTPStatus(refused.status), _error(refused.code, str(refused))
        except _BadRequest as bad:
            # What is left of the body may be on its way: it must not be read as the next request.
            self.close_connection = True
            status, document = bad.status, _error(int(bad.status), str(bad))
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self) -> object:
        parts = urlsplit(self.path)
        body = self._body() if self.command in {"POST", "PUT"} else {}
        for method, pattern, handle in _ROUTES:
            match = pattern.fullmatch(parts.path.rstrip("/"))
            if match and method == self.command:
                named = {
                    name: unquote(value) for name, value in match.groupdict().items() if value is not None
                }
                return handle(self.server.subjects, _Request(named, parse_qs(parts.query), body))
        raise _BadRequest(HTTPStatus.NOT_FOUND, f"the embedded registry has no {self.command} {parts.path}")

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            raise _BadRequest(HTTPStatus.LENGTH_REQUIRED, "a Content-Length is required")
        if int(length) > _BODY_BYTES_MAX:
            raise _BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body may have {_BODY_BYTES_MAX} bytes")
        try:
            document = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise _BadRequest(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise _BadRequest(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
        return document


class _BadRequest(Exception):  # noqa: N818 - an answer, not a failure
    def __init__(self, status: HTTPStatus, message: str) -> None:
        self.status = status
        super().__init__(message)


class _Request:
    """One request: names from the path, the query, and the body."""

    def __init__(self, named: dict[str, str], query: dict[str, list[str]], body: dict[str, Any]) -> None:
        self.named = named
        self.body = body
        self._query = query

    @property
    def subject(self) -> str | None:
        return self.named.get("subject")

    @property
    def schema(self) -> str:
        kind, text = self.body.get("schemaType", "AVRO"), self.body.get("schema")
        if kind != "AVRO" or not isinstance(text, str):
            raise _BadRequest(HTTPStatus.UNPROCESSABLE_ENTITY, "the embedded registry takes Avro, as text")
        return text

    def flag(self, name: str) -> bool:
        return self._query.get(name, ["false"])[-1].lower() == "true"


def _error(code: int, message: str) -> dict[str, Any]:
    return {"error_code": code, "message": message}


def _register(subjects: Subjects, request: _Request) -> object:
    return {"id": subjects.register(request.named["subject"], request.schema)}


def _lookup(subjects: Subjects, request: _Request) -> object:
    return _described(subjects, request, *subjects.lookup(request.named["subject"], request.schema))


def _version(subjects: Subjects, request: _Request) -> object:
    return _described(
        subjects, request, *subjects.version(request.named["subject"], request.named["version"])
    )


def _described(subjects: Subjects, request: _Request, version: int, schema_id: int) -> object:
    return {
        "subject": request.subject,
        "version": version,
        "id": schema_id,
        "schemaType": "AVRO",
        "schema": subjects.schema(schema_id),
    }


def _check(subjects: Subjects, request: _Request) -> object:
    reasons = subjects.incompatibilities(
        request.named["subject"], request.schema, request.named.get("version")
    )
    verdict: dict[str, Any] = {"is_compatible": not reasons}
    return {**verdict, "messages": reasons} if request.flag("verbose") else verdict


def _level(subjects: Subjects, request: _Request) -> object:
    return {"compatibilityLevel": subjects.level(request.subject, or_global=request.flag("defaultToGlobal"))}


def _set_level(subjects: Subjects, request: _Request) -> object:
    level = str(request.body.get("compatibility"))
    subjects.set_level(request.subject, level)
    return {"compatibility": level}


_SUBJECT = "(?P<subject>[^/]+)"
_VERSION = "(?P<version>[^/]+)"
_ROUTES: list[tuple[str, re.Pattern[str], Callable[[Subjects, _Request], object]]] = [
    (method, re.compile(pattern), handle)
    for method, pattern, handle in (
        ("GET", "/subjects", lambda subjects, _: subjects.names()),
        ("POST", f"/subjects/{_SUBJECT}", _lookup),
        ("GET", f"/subjects/{_SUBJECT}/versions", lambda s, r: s.versions(r.named["subject"])),
        ("POST", f"/subjects/{_SUBJECT}/versions", _register),
        ("GET", f"/subjects/{_SUBJECT}/versions/{_VERSION}", _version),
        ("GET", "/schemas/ids/(?P<id>[0-9]{1,18})", lambda s, r: {"schema": s.schema(int(r.named["id"]))}),
        ("GET", f"/config(/{_SUBJECT})?", _level),
        ("PUT", f"/config(/{_SUBJECT})?", _set_level),
        ("POST", f"/compatibility/subjects/{_SUBJECT}/versions(/{_VERSION})?", _check),
        ("GET", f"/mode(/{_SUBJECT})?", lambda _s, _r: {"mode": "READWRITE"}),
    )
]
