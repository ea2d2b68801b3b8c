"""What a Jaeger answers, and what is no answer."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from syncline.inspection.jaeger import Jaeger, jaeger_url, spans_of

TRACE = "a" * 32
ANSWER = {
    "result": {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "job"}}]},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": TRACE,
                                "spanId": "b" * 16,
                                "parentSpanId": "c" * 16,
                                "name": "send t",
                                "startTimeUnixNano": "1795841509179575123",
                                "endTimeUnixNano": "1795841509254000000",
                                "attributes": [
                                    {
                                        "key": "messaging.kafka.offset",
                                        "value": {"intValue": "9007199254740993"},
                                    },
                                    {"key": "list", "value": {"arrayValue": {"values": []}}},
                                ],
                                "status": {"code": 2},
                            },
                            {
                                "traceId": TRACE,
                                "spanId": "c" * 16,
                                "name": "source",
                                "startTimeUnixNano": "5",
                            },
                        ]
                    }
                ],
            }
        ]
    }
}


@contextmanager
def answering(status: int, body: bytes = b"", **headers: str) -> Iterator[tuple[Jaeger, list[str]]]:
    """A server that says this to everything, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the server's own name for it
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Jaeger(f"http://127.0.0.1:{server.server_port}/jaeger", timeout_s=1), asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_spans_come_with_whole_numbers_and_their_service() -> None:
    """64-bit numbers are text in JSON, and stay exact; oldest first."""
    source, send = spans_of(json.dumps(ANSWER).encode())

    assert (source.name, source.parent_span_id, source.end_ns) == ("source", "", 0)
    assert (send.name, send.service, send.parent_span_id, send.is_error) == ("send t", "job", "c" * 16, True)
    assert send.start_ns == 1_795_841_509_179_575_123
    assert send.attributes["messaging.kafka.offset"] == 9_007_199_254_740_993


def test_what_neither_json_nor_a_terminal_takes_is_replaced() -> None:
    """Halves of a surrogate pair and numbers that are none: a document of it is strict JSON."""
    odd = json.loads(json.dumps(ANSWER))
    span = odd["result"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["name"] = "send \ud800"
    span["attributes"] = [
        {"key": "\udfff", "value": {"stringValue": "\ud800"}},
        {"key": "share", "value": {"doubleValue": "Infinity"}},
    ]

    send = spans_of(json.dumps(odd).encode())[1]

    assert (send.name, send.attributes) == ("send ?", {"?": "?", "share": "inf"})
    json.dumps(send.attributes, allow_nan=False, ensure_ascii=False).encode()


def test_an_answer_in_pieces_is_one() -> None:
    """Jaeger streams: one document after another."""
    whole = json.dumps(ANSWER).encode()

    assert len(spans_of(whole + b"\n" + whole)) == 4


def test_one_trace_is_asked_for_by_its_id() -> None:
    """As it was sent, under the path that Jaeger is served at."""
    with answering(200, json.dumps(ANSWER).encode()) as (jaeger, asked):
        answer = jaeger.trace(TRACE)

    assert len(answer.spans) == 2
    assert answer.trouble == ""
    assert asked == [f"/jaeger/api/v3/traces/{TRACE}?raw_traces=true"]
    assert jaeger.page(TRACE).endswith(f"/jaeger/trace/{TRACE}")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, b"{}", "does not have this trace"),
        (500, b"", "HTTP 500"),
        (200, b"<html>", "is this a Jaeger?"),
        (200, b"[]", "is this a Jaeger?"),
        (200, b'{"result": []}', "is this a Jaeger?"),
        (200, b'{"result": {"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}}', "is this a Jaeger?"),
        (200, json.dumps(ANSWER).replace('"5"', "1e400").encode(), "is this a Jaeger?"),
        (200, json.dumps(ANSWER).replace('"5"', "9" * 400).encode(), "is this a Jaeger?"),
        (200, b" " * 17_000_000, "larger than 16 MB"),
        (200, b"\xff", "is this a Jaeger?"),
        (200, b"[" * 100_000, "is this a Jaeger?"),
    ],
)
def test_what_is_no_trace_is_said_in_words(status: int, body: bytes, said: str) -> None:
    """Whatever it answers, nothing is raised."""
    with answering(status, body) as (jaeger, _):
        answer = jaeger.trace(TRACE)

    assert answer.spans == ()
    assert said in answer.trouble
    assert answer.is_reachable


def test_a_redirect_is_not_followed() -> None:
    """Whoever was named is asked, and nobody else."""
    with answering(200) as (other, others_asked), answering(302, Location=other.url) as (jaeger, asked):
        answer = jaeger.trace(TRACE)

    assert "redirect" in answer.trouble
    assert len(asked) == 1
    assert others_asked == []


def test_one_that_is_away_or_hangs_is_not_waited_for() -> None:
    """Refused at once, or after the time that it has."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hanging = Jaeger(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2).trace(TRACE)
    refused = Jaeger("http://127.0.0.1:1", timeout_s=0.2).trace(TRACE)

    assert "does not answer (timed out)" in hanging.trouble
    assert not hanging.is_reachable
    assert "Connection refused" in refused.trouble
    assert not refused.is_reachable


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:16686",
        "https://traces.example/jaeger",
        " http://127.0.0.1:16686/ ",
        "http://[::1]:1",
    ],
)
def test_the_root_of_a_jaeger_is_a_url(text: str) -> None:
    """With or without a path, and never with a slash at its end."""
    assert jaeger_url(text) == text.strip().rstrip("/")


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:16686",
        "ftp://host",
        "file:///etc/passwd",
        "http://",
        "http://host:port",
        "http://user:secret@host",
        "http://host/?x=1",
        "http://host/#x",
        "http://host/a b",
        "http://[::1",
        "http://höst",
    ],
)
def test_what_is_no_address_of_a_jaeger_is_refused(text: str) -> None:
    """Nothing is asked, and no password is shown."""
    with pytest.raises(ValueError, match=r".") as refused:
        jaeger_url(text)

    assert "secret" not in str(refused.value)
