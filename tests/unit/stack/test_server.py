"""A server process: waited for, paused, killed, and never left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.ports import free_port
from tests.stack.server import Server, ServerError

ROOT = Path(__file__).parents[3]
LISTEN = (
    "import socket, sys, time\n"
    "print('listening', flush=True)\n"
    "with socket.create_server(('127.0.0.1', int(sys.argv[1]))) as server:\n"
    "    while True:\n"
    "        connection, _ = server.accept(); connection.sendall(b'hello'); connection.close()\n"
)


def greets(port, *, timeout_s=5.0):
    """Whether the server at the port says hello."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.settimeout(timeout_s)
        return connection.recv(5) == b"hello"


@pytest.fixture
def port():
    """A free port."""
    return free_port()


@pytest.fixture
def server(tmp_path, port):
    """A small server, not started, and gone after the test."""
    command = [sys.executable, "-c", LISTEN, str(port)]
    made = Server("greeter", command, log=tmp_path / "greeter.log", is_healthy=lambda: greets(port))
    yield made
    made.kill()


def test_start_returns_once_it_answers(server, port):
    """After start it serves, and starting again changes nothing."""
    server.start()
    pid = server.pid

    assert greets(port)
    server.start()
    assert server.pid == pid


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_starts_again_after_its_end(server, port, end):
    """Stopped or killed it is gone; started again it serves on the same port."""
    server.start()

    getattr(server, end)()

    assert server.pid is None
    with pytest.raises(OSError, match="refused"):
        greets(port)
    server.start()
    assert greets(port)


def test_paused_server_is_silent(server, port):
    """While paused it takes connections and says nothing; resumed it answers."""
    server.start()
    server.pause()

    with pytest.raises(TimeoutError):
        greets(port, timeout_s=0.2)

    server.resume()
    assert greets(port)


def test_paused_server_can_be_stopped(server):
    """Stop works on a frozen process too."""
    server.start()
    server.pause()

    server.stop()

    assert server.pid is None


def test_failing_server_tells_its_log(tmp_path):
    """A process that ends at once is an error with what it said."""
    command = [sys.executable, "-c", "print('no such disk'); raise SystemExit(3)"]
    server = Server("broken", command, log=tmp_path / "log", is_healthy=lambda: False)

    with pytest.raises(ServerError, match=r"(?s)broken ended with 3.*no such disk"):
        server.start()


def test_silent_server_is_given_up(tmp_path):
    """A process that never answers is an error, and does not stay."""
    server = Server("silent", ["sleep", "600"], log=tmp_path / "log", is_healthy=lambda: False)

    with pytest.raises(ServerError, match="did not answer within"):
        server.start(timeout_s=0.3)

    assert server.pid is None


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own help is Linux's")
def test_server_dies_with_its_parent(tmp_path, port):
    """A test run that is killed leaves no server behind, even one that a thread started which ended."""
    program = (
        "import os, signal, sys, threading; from pathlib import Path; from tests.stack.server import Server\n"
        "log, port, code = Path(sys.argv[1]), sys.argv[2], sys.argv[3]\n"
        "import socket\n"
        "def answers():\n"
        "    socket.create_connection(('127.0.0.1', int(port)), timeout=5).close(); return True\n"
        "server = Server('greeter', [sys.executable, '-c', code, port], log=log, is_healthy=answers)\n"
        "thread = threading.Thread(target=server.start); thread.start(); thread.join()\n"
        "assert answers(); print(server.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "log"), str(port), LISTEN],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = int(parent.stdout.readline())
    watch = os.pidfd_open(pid)

    parent.send_signal(signal.SIGKILL)
    parent.communicate()

    import select

    ended, _, _ = select.select([watch], [], [], 60)
    os.close(watch)
    assert ended
