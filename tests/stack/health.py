"""The question that a server with a page for its health is asked."""

from __future__ import annotations

import http.client

from tests.stack.ports import LOOPBACK


def answers_ok(port: int, path: str) -> bool:
    """Whether a server says 200 there.

    Raises:
        OSError: nothing answers.
    """
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except http.client.HTTPException:
        return False
    finally:
        connection.close()
