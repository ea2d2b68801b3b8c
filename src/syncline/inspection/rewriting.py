"""Rows of dead letters, written anew under another version of their MAJOR."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from syncline.catalog.contracts import contract_of
from syncline.catalog.events import ViewVersionRegistered
from syncline.catalog.fold import Picture
from syncline.contracts.checks.rows import compile_rows
from syncline.contracts.codec.decode_row import RowDecoder
from syncline.contracts.codec.encode import Encoder
from syncline.contracts.model import FeatureType, Version
from syncline.contracts.moments import parse_moment
from syncline.contracts.nearest import nearest
from syncline.errors import ContractViolation, UnknownBundle, WireError
from syncline.ports.log import Headers
from syncline.wire.framing import prefix, unframe
from syncline.wire.headers import last

_JSON = b"application/json"
_OF_THE_OLD_VALUE = frozenset(("content-type", "ce_dataschema"))


class Rewriter:
    """Decodes a row under its own schema, completes and checks it under the target version, and encodes it."""

    def __init__(self, picture: Picture, topic: str, target: ViewVersionRegistered) -> None:
        """`topic` is the feature topic; the target is one of its versions."""
        self._schemas = {
            registered.schema_id: registered
            for registered in picture.registrations()
            if registered.topic == topic
        }
        self._decoders: dict[int, RowDecoder] = {}
        self._contract = contract_of(target)
        self._check = compile_rows(self._contract)
        self._encoder = Encoder(self._contract)
        self._prefix = prefix(target.schema_id)

    @staticmethod
    def is_json(headers: Headers) -> bool:
        """Whether a publisher kept the row as JSON, as it had no Avro form."""
        return last(headers, "content-type") == _JSON

    def rewrite(self, value: bytes, headers: Headers) -> tuple[bytes, Headers]:
        """The value under the target version, and the headers without what spoke of the old value.

        Raises:
            WireError: the value cannot be read as a row.
            ContractViolation: the row breaks the target's contract.
        """
        row = self._from_json(value) if self.is_json(headers) else self._from_avro(value)
        row = self._check.complete(row)
        violations = self._check(row)
        if violations:
            raise ContractViolation(self._contract.reference, [(0, violation) for violation in violations])
        kept = [(name, content) for name, content in headers if name not in _OF_THE_OLD_VALUE]
        return self._encoder.encode(row, self._prefix), kept

    def _from_avro(self, value: bytes) -> dict[str, Any]:
        schema_id, payload = unframe(value)
        if schema_id not in self._decoders:
            schema = self._schemas.get(schema_id)
            if schema is None:
                raise WireError(f"schema id {schema_id} is none of {self._contract.view}'s in this MAJOR")
            self._decoders[schema_id] = RowDecoder(schema.avro_schema)
        return self._decoders[schema_id](payload)

    def _from_json(self, value: bytes) -> dict[str, Any]:
        try:
            row = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise WireError(f"the row is no JSON: {error}") from None
        if not isinstance(row, Mapping):
            raise WireError("the row is no JSON object")
        kinds = {feature.name: feature.item or feature for feature in self._contract.features}
        plain = {
            name: _canonical(value, kinds[name].type) if name in kinds else value
            for name, value in row.items()
        }
        time = _canonical(row.get(self._contract.event_time), FeatureType.TIMESTAMP)
        if time is None:
            # The check takes a row without one for a row of its own.
            raise WireError("the row has no event time")
        return {**plain, self._contract.event_time: time}


def target_version(picture: Picture, topic: str, wanted: str) -> ViewVersionRegistered:
    """The registered version that `1.4` (or `view@1.4`) means for this topic.

    Raises:
        UnknownBundle: there is none; the message names those that there are.
    """
    registered = {
        str(registered.version): registered
        for registered in picture.registrations()
        if registered.topic == topic
    }
    view = next(iter(registered.values())).view
    match = _VERSION.fullmatch(wanted)
    if match is None:
        raise UnknownBundle(f"{wanted!r} is no version; write MAJOR.MINOR, as {max(registered)}")
    version = str(Version(int(match["major"]), int(match["minor"])))
    if match["view"] not in (None, view) or version not in registered:
        raise UnknownBundle(
            f"{topic} has no version {wanted}; a row can be written anew only under a version of its own MAJOR. "
            f"{nearest(version, registered)}"
        )
    return registered[version]


def _canonical(value: Any, kind: FeatureType) -> Any:  # noqa: ANN401  a row of JSON may hold anything
    """The value as checked rows hold it, where JSON has another form for it; else the value itself, for the check."""
    if isinstance(value, list):
        return [_canonical(each, kind) for each in value]
    if isinstance(value, dict):
        return {name: _canonical(each, kind) for name, each in value.items()}
    if not isinstance(value, str):
        return value
    if kind.is_floating and value in _NOT_FINITE:
        return float(value)
    if kind.is_moment:
        with suppress(ValueError):
            return parse_moment(value, kind)
    return value


_NOT_FINITE = frozenset(("nan", "inf", "-inf"))
_VERSION = re.compile(
    r"(?:(?P<view>[a-z][a-z0-9_]*)@)?(?P<major>\d{1,6})\.(?P<minor>\d{1,6})(?:\.\d{1,6})?", re.ASCII
)
