"""Ports that nobody has."""

from __future__ import annotations

import socket

from tests.stack.ports import free_port, port_or_free


def test_no_port_is_given_twice():
    """Two servers that are not started yet do not get the same port."""
    assert len({free_port() for _ in range(50)}) == 50


def test_wanted_port_is_taken_where_it_is_free():
    """Where somebody listens on it, another is given."""
    wanted = free_port()
    assert port_or_free(wanted) == wanted

    with socket.create_server(("127.0.0.1", wanted)):
        assert port_or_free(wanted) != wanted
