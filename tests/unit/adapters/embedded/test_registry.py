"""What the Registry port does not show of the embedded registry: routes, codes and limits."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from urllib.parse import urlsplit

import pytest

from syncline.adapters.embedded.registry import EmbeddedRegistry

LONG = '{"type": "record", "name": "r", "fields": [{"name": "a", "type": "long"}]}'
WIDER = (
    '{"type": "record", "name": "r", "fields": [{"name": "a", "type": "long"},'
    ' {"name": "b", "type": ["null", "long"], "default": null}]}'
)
OTHER = '{"type": "record", "name": "r", "fields": [{"name": "c", "type": "long"}]}'


@pytest.fixture
def ask():
    """Sends one request to a fresh registry; gives (status, document)."""
    with EmbeddedRegistry.start() as registry:
        yield lambda method, path, body=None, **headers: asked(registry.url, method, path, body, **headers)


def asked(url, method, path, body=None, **headers):
    """(status, document) of one request."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        payload = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        # A body that is too large is refused before all of it was sent.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request(method, path, body=payload, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_versions(ask):
    """Versions count from 1 for each subject, and `latest` is the last."""
    for text in (LONG, WIDER):
        ask("POST", "/subjects/s/versions", {"schema": text})

    assert ask("GET", "/subjects") == (200, ["s"])
    assert ask("GET", "/subjects/s/versions") == (200, [1, 2])
    assert ask("GET", "/subjects/s/versions/1")[1]["schema"] == LONG
    latest = ask("GET", "/subjects/s/versions/latest")[1]
    assert (latest["subject"], latest["version"], latest["id"]) == ("s", 2, 2)
    assert ask("POST", "/subjects/s", {"schema": LONG})[1]["version"] == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/subjects/none/versions", 404, 40401),
        ("GET", "/subjects/none/versions/latest", 404, 40401),
        ("GET", "/subjects/s/versions/2", 404, 40402),
        ("GET", "/subjects/s/versions/first", 422, 42202),
        ("GET", "/schemas/ids/99", 404, 40403),
        ("GET", "/config/s", 404, 40408),
        ("GET", "/associations", 404, 404),
        ("PUT", "/subjects", 404, 404),
    ],
)
def test_codes(ask, method, path, status, code):
    """Each thing that is not there has the code that Confluent's registry gives it."""
    ask("POST", "/subjects/s/versions", {"schema": LONG})

    answer = ask(method, path, {} if method == "PUT" else None)

    assert (answer[0], answer[1]["error_code"]) == (status, code)


def test_lookup_codes(ask):
    """A look-up tells a missing subject from a missing schema."""
    assert ask("POST", "/subjects/s", {"schema": LONG})[1]["error_code"] == 40401
    ask("POST", "/subjects/s/versions", {"schema": LONG})
    assert ask("POST", "/subjects/s", {"schema": OTHER})[1]["error_code"] == 40403


def test_levels(ask):
    """The global level is BACKWARD until set; a subject falls back to it only where asked to."""
    assert ask("GET", "/config") == (200, {"compatibilityLevel": "BACKWARD"})
    assert ask("GET", "/config/s?defaultToGlobal=true") == (200, {"compatibilityLevel": "BACKWARD"})
    assert ask("PUT", "/config", {"compatibility": "NONE"}) == (200, {"compatibility": "NONE"})
    assert ask("GET", "/config/s?defaultToGlobal=true") == (200, {"compatibilityLevel": "NONE"})


@pytest.mark.parametrize("level", ["FORWARD", "FULL_TRANSITIVE", "nonsense", None])
def test_refuses_other_levels(ask, level):
    """A level that is not checked here is refused, not accepted and ignored."""
    status, document = ask("PUT", "/config/s", {"compatibility": level})

    assert (status, document["error_code"]) == (422, 42203)
    assert "BACKWARD_TRANSITIVE" in document["message"]


def test_backward_compares_with_the_latest_only(ask):
    """Under BACKWARD a schema that cannot read version 1 passes where it reads version 2."""
    ask("PUT", "/config/s", {"compatibility": "BACKWARD"})
    for text in (LONG, WIDER):
        ask("POST", "/subjects/s/versions", {"schema": text})
    required = WIDER.replace(', "default": null', "")

    assert ask("POST", "/compatibility/subjects/s/versions/latest", {"schema": required})[1] == {
        "is_compatible": True
    }
    assert ask("POST", "/compatibility/subjects/s/versions/1", {"schema": required})[1] == {
        "is_compatible": False
    }
    assert ask("POST", "/subjects/s/versions", {"schema": required})[0] == 200


def test_incompatible_schema_is_409_with_the_place(ask):
    """A conflict says which field of which version is in the way, and leaves the subject as it was."""
    ask("POST", "/subjects/s/versions", {"schema": LONG})

    status, document = ask("POST", "/subjects/s/versions", {"schema": OTHER})

    assert (status, document["error_code"]) == (409, 409)
    assert "version 1" in document["message"]
    assert ask("GET", "/subjects/s/versions") == (200, [1])
    verdict = ask("POST", "/compatibility/subjects/s/versions?verbose=true", {"schema": OTHER})[1]
    assert not verdict["is_compatible"]
    assert verdict["messages"]


def test_spaces_do_not_make_another_schema(ask):
    """The same schema, written otherwise, has the same id and no new version."""
    first = ask("POST", "/subjects/s/versions", {"schema": LONG})
    again = ask("POST", "/subjects/s/versions", {"schema": json.dumps(json.loads(LONG), indent=2)})

    assert first == again == (200, {"id": 1})
    assert ask("GET", "/subjects/s/versions") == (200, [1])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{not json", 400),
        (b"[]", 400),
        (b"[" * 100_000, 400),
        ({}, 422),
        ({"schema": 7}, 422),
        ({"schema": LONG, "schemaType": "PROTOBUF"}, 422),
        ({"schema": "[" * 100_000}, 422),
        (b" " * (1024 * 1024 + 1), 413),
    ],
)
def test_bad_bodies(ask, body, status):
    """A body that cannot be is refused with a reason, and the registry goes on."""
    answer = ask("POST", "/subjects/s/versions", body)

    assert answer[0] == status
    assert answer[1]["message"]
    assert ask("GET", "/subjects") == (200, [])


def test_connection_is_kept(ask):
    """A client may send one request after another over one connection."""
    with EmbeddedRegistry.start() as registry:
        connection = http.client.HTTPConnection(urlsplit(registry.url).netloc, timeout=30)
        for _ in range(3):
            connection.request("POST", "/subjects/s/versions", body=json.dumps({"schema": LONG}))
            assert json.loads(connection.getresponse().read()) == {"id": 1}
        connection.close()


def test_many_at_once(ask):
    """Registering from many threads gives one schema one id, and different ones different ids."""
    ask("PUT", "/config", {"compatibility": "NONE"})
    ids = []

    def register(number):
        text = LONG.replace('"a"', f'"a{number % 5}"')
        ids.append((number % 5, ask("POST", "/subjects/s/versions", {"schema": text})[1]["id"]))

    threads = [threading.Thread(target=register, args=(number,)) for number in range(25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ids) == 25
    assert len(set(ids)) == 5
    assert {schema_id for _, schema_id in ids} == {1, 2, 3, 4, 5}
