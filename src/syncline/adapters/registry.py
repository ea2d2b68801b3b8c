"""A schema registry that speaks Confluent's HTTP API: Confluent's own, Apicurio, the embedded one."""

from __future__ import annotations

import base64
import http.client
import json
import random
import ssl
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from syncline.errors import (
    RegistryError,
    RegistryUnavailable,
    SchemaIncompatible,
    SchemaNotFound,
    SettingsError,
)

LEVELS = frozenset(
    {
        "NONE",
        "BACKWARD",
        "BACKWARD_TRANSITIVE",
        "FORWARD",
        "FORWARD_TRANSITIVE",
        "FULL",
        "FULL_TRANSITIVE",
    }
)
_T = TypeVar("_T")
_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
_ATTEMPTS = 3
_BACKOFF_S = 0.1
_ANSWER_BYTES_MAX = 8 * 1024 * 1024
_SCHEMA_ID_MAX = (1 << 31) - 1
_REASON_CHARACTERS_MAX = 1_000
_SUBJECT_NOT_FOUND = 40401
_SCHEMA_NOT_FOUND = 40403
_LEVEL_NOT_SET = 40408
_NOT_FOUND_CODES = frozenset({_SUBJECT_NOT_FOUND, _SCHEMA_NOT_FOUND, _LEVEL_NOT_SET})
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    document: Any
    """The body's JSON; None where it is none."""

    @property
    def error_code(self) -> int | None:
        return self.document.get("error_code") if isinstance(self.document, dict) else None

    @property
    def reason(self) -> str:
        """The registry's own words, in one line."""
        said = self.document.get("message") if isinstance(self.document, dict) else None
        return " ".join(str(said or f"HTTP {self.status}").split())[:_REASON_CHARACTERS_MAX]

    @property
    def is_not_found(self) -> bool:
        """Whether the registry says that it has no such thing, and not that there is no such page."""
        return self.status == HTTPStatus.NOT_FOUND and self.error_code in _NOT_FOUND_CODES


class ConfluentRegistry:
    """The Registry port over HTTP. Every call ends within `timeout_s`, retries included.

    It follows no redirect, asks no proxy, caches nothing, and registers only when told to. `url` is the root
    of the API (Apicurio: `http://…/apis/ccompat/v7`), `basic_auth` is (user, password).

    Raises:
        SettingsError: the URL is not http or https, or has credentials in it, or would send them unencrypted.
    """

    def __init__(
        self, url: str, *, timeout_s: float = 2.0, basic_auth: tuple[str, str] | None = None
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise SettingsError("the registry's URL must begin with http:// or https:// and name a host")
        if "@" in parts.netloc:
            raise SettingsError(
                "the registry's URL has credentials in it; give them as basic_auth, never in the URL"
            )
        if basic_auth is not None and parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise SettingsError(f"{parts.netloc} would get the password unencrypted; use https://")
        self._host, self._port = parts.hostname, parts.port
        self._root = parts.path.rstrip("/")
        self._name = f"{parts.scheme}://{parts.netloc}{self._root}"
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._timeout_s = timeout_s
        self._headers = {"Accept": f"{_CONTENT_TYPE}, application/json", "Connection": "close"}
        if basic_auth is not None:
            token = base64.b64encode(":".join(basic_auth).encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"

    def ping(self) -> None:
        """See `Registry.ping`."""
        self._expect(self._ask("GET", "/subjects"), "list its subjects")

    def set_compatibility(self, subject: str, level: str) -> None:
        """See `Registry.set_compatibility`.

        Raises:
            RegistryError: there is no such level, or the registry does not have it.
        """
        if level not in LEVELS:
            raise RegistryError(f"{level!r} is no compatibility level; there are {', '.join(sorted(LEVELS))}")
        answer = self._ask("PUT", f"/config/{_quoted(subject)}", {"compatibility": level})
        self._expect(answer, f"set the compatibility of {subject!r} to {level}")

    def compatibility(self, subject: str) -> str | None:
        """See `Registry.compatibility`."""
        answer = self._ask("GET", f"/config/{_quoted(subject)}")
        if answer.is_not_found:
            return None
        return self._field(answer, "compatibilityLevel", str, f"tell the compatibility of {subject!r}")

    def register(self, subject: str, schema: str) -> int:
        """See `Registry.register`."""
        answer = self._ask("POST", f"/subjects/{_quoted(subject)}/versions", _body(schema))
        return self._id(answer, f"register the schema under {subject!r}")

    def lookup(self, subject: str, schema: str) -> int | None:
        """See `Registry.lookup`."""
        answer = self._ask("POST", f"/subjects/{_quoted(subject)}", _body(schema))
        if answer.is_not_found:
            return None
        return self._id(answer, f"look the schema up under {subject!r}")

    def check(self, subject: str, schema: str) -> list[str]:
        """See `Registry.check`. A subject without a schema accepts every one."""
        path = f"/compatibility/subjects/{_quoted(subject)}/versions?verbose=true"
        answer = self._ask("POST", path, _body(schema))
        if answer.is_not_found:
            return []
        doing = f"check the schema against {subject!r}"
        if self._field(answer, "is_compatible", bool, doing):
            return []
        messages = answer.document.get("messages") or ["the registry gives no reason"]
        return [f"incompatible with what {subject!r} has: {message}" for message in messages]

    def schema(self, schema_id: int) -> str:
        """See `Registry.schema`."""
        answer = self._ask("GET", f"/schemas/ids/{schema_id}")
        if answer.is_not_found:
            raise SchemaNotFound(f"the registry at {self._name} has no schema with id {schema_id}")
        return self._field(answer, "schema", str, f"give the schema with id {schema_id}")

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> _Answer:
        """One question; asked again, while there is time, where the answer was a passing failure.

        Raises:
            RegistryUnavailable: no answer, or only passing failures, in time.
        """
        deadline = time.monotonic() + self._timeout_s
        failure = "no answer in time"
        for attempt in range(_ATTEMPTS):
            wait_s = _BACKOFF_S * attempt * (0.5 + random.random())  # noqa: S311 - spreads retries, guards nothing
            if time.monotonic() + wait_s >= deadline:
                break
            time.sleep(wait_s)
            try:
                answer = self._exchange(method, path, body, deadline=deadline)
            except (OSError, http.client.HTTPException) as error:
                failure = str(error) or type(error).__name__
                continue
            if answer.status not in _TRANSIENT:
                return answer
            failure = answer.reason
        raise RegistryUnavailable(
            f"the registry at {self._name} did not answer within {self._timeout_s:g} s ({failure}); "
            "see that it runs and that the URL is right, then try again"
        )

    def _exchange(self, method: str, path: str, body: dict[str, str] | None, *, deadline: float) -> _Answer:
        connection = self._connection(_left_s(deadline))
        try:
            headers = self._headers if body is None else {**self._headers, "Content-Type": _CONTENT_TYPE}
            payload = None if body is None else json.dumps(body).encode()
            connection.request(method, self._root + path, body=payload, headers=headers)
            answer = connection.getresponse()
            return _Answer(answer.status, _json(_read(answer, deadline=deadline)))
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._tls is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=timeout_s, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)

    def _field(self, answer: _Answer, name: str, kind: type[_T], doing: str) -> _T:
        self._expect(answer, doing)
        value = answer.document.get(name) if isinstance(answer.document, dict) else None
        if not isinstance(value, kind):
            raise RegistryError(f"the registry at {self._name} did not {doing}: its answer has no {name!r}")
        return value

    def _id(self, answer: _Answer, doing: str) -> int:
        """An id that framing can carry: what the catalog once names, it names for ever."""
        schema_id = self._field(answer, "id", int, doing)
        if isinstance(schema_id, bool) or not 0 <= schema_id <= _SCHEMA_ID_MAX:
            raise RegistryError(f"the registry at {self._name} did not {doing}: {schema_id} is no schema id")
        return schema_id

    def _expect(self, answer: _Answer, doing: str) -> None:
        """The one place where an answer becomes an error."""
        status = answer.status
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES and answer.document is not None:
            return
        refused = f"the registry at {self._name} did not {doing}: {answer.reason}"
        if status == HTTPStatus.CONFLICT:
            raise SchemaIncompatible(refused)
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise RegistryError(f"{refused}. It redirects, which is not followed: set its final URL")
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise RegistryError(f"{refused}. Check the user, the password and what they may do")
        if answer.document is None:
            raise RegistryError(f"{refused}. Check that the URL is the root of a Confluent-compatible API")
        raise RegistryError(refused)


def _read(answer: http.client.HTTPResponse, *, deadline: float) -> bytes:
    """The body, read while there is time: a server that sends a byte a second is no server."""
    body = b""
    while chunk := answer.read1(65_536):
        body += chunk
        if len(body) > _ANSWER_BYTES_MAX:
            raise http.client.HTTPException(f"the answer is larger than {_ANSWER_BYTES_MAX} bytes")
        _left_s(deadline)
    return body


def _left_s(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("no answer in time")
    return left_s


def _json(body: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    try:
        return json.loads(body)
    except ValueError:
        return None


def _body(schema: str) -> dict[str, str]:
    return {"schema": schema, "schemaType": "AVRO"}


def _quoted(subject: str) -> str:
    return quote(subject, safe="")


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")
