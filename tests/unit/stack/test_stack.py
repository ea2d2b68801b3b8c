"""Which stack a run uses."""

from __future__ import annotations

import socketserver
import threading

import pytest
from confluent_kafka.admin import AdminClient

from syncline.adapters.registry import ConfluentRegistry
from tests.stack import stack as module
from tests.stack.engine import why_no_engine
from tests.stack.ports import free_port
from tests.stack.stack import Stack, StackError, StackKind, choose_kind


@pytest.fixture
def machine(monkeypatch):
    """Says what is missing on this machine: `machine(engine=..., java=...)`, None for what is there."""

    def missing(*, engine=None, java=None):
        monkeypatch.setattr(module, "why_no_engine", lambda: engine)
        monkeypatch.setattr(module, "why_no_java", lambda: java)

    return missing


@pytest.mark.parametrize(
    ("engine", "java", "kind"),
    [
        (None, None, StackKind.DOCKER),
        ("no engine", None, StackKind.LOCAL),
        (None, "no Java", StackKind.DOCKER),
        ("no engine", "no Java", StackKind.EMBEDDED),
    ],
)
@pytest.mark.parametrize("environment", [{}, {"SYNCLINE_TEST_STACK": "auto"}])
def test_auto_takes_the_most_real(machine, environment, engine, java, kind):
    """Containers before packages before embedded, and the reason names all that is missing."""
    machine(engine=engine, java=java)

    chosen, reason = choose_kind(environment)

    assert chosen is kind
    if kind is StackKind.EMBEDDED:
        assert "no engine" in reason
        assert "no Java" in reason


@pytest.mark.parametrize("asked", ["local", "docker"])
def test_what_is_asked_for_and_missing_is_an_error(machine, asked):
    """No other stack is taken in its place."""
    machine(engine="no engine", java="no Java")

    with pytest.raises(StackError, match=f"{asked}, but no (engine|Java)"):
        choose_kind({"SYNCLINE_TEST_STACK": asked})


def test_embedded_can_be_asked_for(machine):
    """Also where the others could be had."""
    machine()

    assert choose_kind({"SYNCLINE_TEST_STACK": "embedded"})[0] is StackKind.EMBEDDED


def test_nonsense_is_refused(machine):
    """A name that is none is an error that lists the names."""
    machine()

    with pytest.raises(StackError, match="auto, local, docker or embedded"):
        choose_kind({"SYNCLINE_TEST_STACK": "cloud"})


def test_embedded_stack_serves():
    """Its broker and its registry answer real clients, and it has no servers to break."""
    with Stack(StackKind.EMBEDDED) as stack:
        assert AdminClient({"bootstrap.servers": stack.bootstrap_servers}).list_topics(timeout=10).brokers
        ConfluentRegistry(stack.registry_url, timeout_s=10.0).ping()
        assert not stack.is_real
        assert stack.kafka is None


def test_no_engine_where_nothing_answers(monkeypatch):
    """An address where nobody listens is no engine."""
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{free_port()}")

    assert "no" in why_no_engine()


def test_engine_where_one_answers(monkeypatch):
    """What answers a ping and tells its version is an engine."""

    class Engine(socketserver.StreamRequestHandler):
        def handle(self):
            request = self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            body = b'{"ApiVersion": "1.44"}' if b"/version" in request else b"OK"
            self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nApi-Version: 1.44\r\n")
            self.wfile.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Engine) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_address[1]}")
            assert why_no_engine() is None
        finally:
            server.shutdown()
            thread.join()
