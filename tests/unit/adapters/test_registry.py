"""The registry adapter against servers that misbehave."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from syncline.adapters.registry import ConfluentRegistry
from syncline.errors import RegistryError, RegistryUnavailable, SettingsError
from tests.stack.ports import free_port


@contextmanager
def answering(*answers, requests=None, headers=()):
    """A server that gives these (status, body) in turn, the last one for ever, and yields its URL."""
    waiting = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if requests is not None:
                requests.append((self.path, dict(self.headers)))
            status, body = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_dead_port_is_unavailable():
    """Nothing listens: RegistryUnavailable, with the place and what to do."""
    registry = ConfluentRegistry(f"http://127.0.0.1:{free_port()}", timeout_s=1.0)

    with pytest.raises(RegistryUnavailable, match=r"127\.0\.0\.1.*see that it runs"):
        registry.ping()


@pytest.mark.timeout(30)
def test_silent_server_is_unavailable():
    """A server that accepts and never answers holds nobody up."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        registry = ConfluentRegistry(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.3)

        with pytest.raises(RegistryUnavailable):
            registry.ping()


@pytest.mark.timeout(30)
def test_dripping_server_is_unavailable():
    """A body that comes a byte at a time, each within the limit, does not pass the limit as a whole."""
    ended = threading.Event()

    def drip(server):
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not ended.wait(0.05):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,))
        thread.start()
        try:
            with pytest.raises(RegistryUnavailable):
                ConfluentRegistry(f"http://127.0.0.1:{server.getsockname()[1]}", timeout_s=0.4).ping()
        finally:
            ended.set()
            thread.join()


def test_passing_failure_is_asked_again():
    """A 503 that passes is not seen by the caller."""
    requests = []
    with answering((503, b"{}"), (200, b"[]"), requests=requests) as url:
        ConfluentRegistry(url, timeout_s=10.0).ping()

    assert len(requests) == 2


def test_lasting_failure_is_unavailable_with_its_reason():
    """A 500 that stays is RegistryUnavailable, after a bounded number of tries, in the registry's own words."""
    requests = []
    with (
        answering((500, b'{"message": "the disk\\nis full"}'), requests=requests) as url,
        pytest.raises(RegistryUnavailable, match="the disk is full"),
    ):
        ConfluentRegistry(url, timeout_s=10.0).ping()

    assert len(requests) == 3


def test_follows_no_redirect():
    """A redirect is an error: a registry's address comes from the configuration alone."""
    requests = []
    with (
        answering((302, b""), requests=requests, headers=[("Location", "/elsewhere")]) as url,
        pytest.raises(RegistryError, match="redirect"),
    ):
        ConfluentRegistry(url, timeout_s=10.0).ping()

    assert [path for path, _ in requests] == ["/subjects"]


def test_asks_no_proxy(monkeypatch):
    """Proxy variables of the environment are for browsers."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with answering((200, b"[]")) as url:
        ConfluentRegistry(url, timeout_s=10.0).ping()


@pytest.mark.parametrize("answer", [(404, b"<html>"), (200, b"<html>welcome"), (404, b'{"message": "none"}')])
def test_other_server_is_no_registry(answer):
    """A server that is no registry is told apart from a registry that has no such schema."""
    with answering(answer) as url, pytest.raises(RegistryError) as caught:
        ConfluentRegistry(url, timeout_s=10.0).schema(1)

    assert type(caught.value) is RegistryError


@pytest.mark.parametrize("status", [401, 403])
def test_password_is_never_told(status):
    """A refused password is sent, and is in no message."""
    requests = []
    with answering((status, b'{"message": "go away"}'), requests=requests) as url:
        registry = ConfluentRegistry(url, timeout_s=10.0, basic_auth=("me", "canary"))
        with pytest.raises(RegistryError, match="go away") as caught:
            registry.ping()

    assert requests[0][1]["Authorization"] == "Basic bWU6Y2FuYXJ5"
    assert "canary" not in str(caught.value)
    assert "bWU6Y2FuYXJ5" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "auth", "reason"),
    [
        ("registry:8081", None, "must begin with http"),
        ("ftp://registry", None, "must begin with http"),
        ("https:///subjects", None, "name a host"),
        ("https://me:canary@registry", None, "credentials in it"),
        ("http://registry", ("me", "canary"), "unencrypted"),
    ],
)
def test_refuses_a_url(url, auth, reason):
    """A URL that is wrong, or would give a password away, is refused without repeating the password."""
    with pytest.raises(SettingsError, match=reason) as caught:
        ConfluentRegistry(url, basic_auth=auth)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("schema_id", [b"-5", b"4294967296", b"true", b'"7"'])
def test_an_id_that_no_record_can_carry_is_refused(schema_id):
    """What a registry answers goes into the catalog for ever: garbage must not."""
    with answering((200, b'{"id": ' + schema_id + b"}")) as url:
        registry = ConfluentRegistry(url, timeout_s=2.0)

        with pytest.raises(RegistryError, match="id"):
            registry.lookup("t-value", "{}")
