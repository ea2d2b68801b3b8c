"""The real servers of a run, and what is put there before anything is measured."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from benchmarks.flights import AGENT_VIEW, HOT_KEYS, definition_files, flights, record_keys
from syncline.catalog.fold import Picture
from syncline.catalog_client import Author, CatalogClient
from syncline.clock import SystemClock
from syncline.contracts.codec.encode_columns import ColumnEncoder
from syncline.contracts.model import Version
from syncline.contracts.odcs.document import contract_from_document
from syncline.definitions.apply import Ports, apply
from syncline.definitions.folder import read_folder
from syncline.definitions.observe import observe
from syncline.definitions.plan import plan
from syncline.ports.log import OutcomeKind
from syncline.settings import ConnectionSettings
from syncline.wire.framing import prefix
from syncline.wire.topics import Topics
from syncline.wiring import open_log, open_registry
from tests.stack.stack import Stack, StackError, choose_kind

_CHUNK_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run's servers are, and the prefix of its topics. Goes to the contenders' processes as JSON."""

    bootstrap_servers: str
    registry_url: str
    prefix: str

    def settings(self) -> dict[str, str]:
        """As the settings of any role take it."""
        return asdict(self)


@contextmanager
def servers(bootstrap_servers: str | None, registry_url: str | None) -> Iterator[Place]:
    """The servers at these addresses, or a real stack of this run's own; topics under a prefix of this run's own.

    Raises:
        StackError: no real stack can be had here. Figures from an embedded broker would mean nothing.
    """
    name = f"bench-{uuid4().hex[:8]}"
    if bootstrap_servers is not None and registry_url is not None:
        yield Place(bootstrap_servers, registry_url, name)
        return
    stack = Stack(*choose_kind())
    if not stack.is_real:
        raise StackError(f"benchmarks need a real Kafka, and here is none: {stack.reason}")
    with stack:
        yield Place(stack.bootstrap_servers, stack.registry_url, name)


def apply_definitions(place: Place, files: Mapping[str, str] | None = None) -> None:
    """Topics, schemas and decisions of these files, the way an operator makes them; those of flights by default."""
    settings = ConnectionSettings.load(**place.settings())
    log, registry, clock, topics = (
        open_log(settings),
        open_registry(settings),
        SystemClock(),
        Topics(place.prefix),
    )
    with tempfile.TemporaryDirectory() as folder:
        for path, text in (definition_files() if files is None else files).items():
            file = Path(folder, path)
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        definitions = read_folder(Path(folder), prefix=place.prefix)
    catalog = CatalogClient(log, topics.catalog, clock=clock, client_id="benchmarks")
    try:
        seen = observe(definitions, log=log, registry=registry, catalog=catalog, topics=topics)
        planned = plan(
            definitions, seen.picture, topics=seen.topics, refusals=seen.refusals, prefix=place.prefix
        )
        apply(planned, Ports(log, registry, catalog, clock), Author("benchmarks", "a run"))
    finally:
        catalog.close()


def picture_of(place: Place) -> Picture:
    """What the catalog says."""
    log = open_log(ConnectionSettings.load(**place.settings()))
    catalog = CatalogClient(log, Topics(place.prefix).catalog, clock=SystemClock(), client_id="benchmarks")
    try:
        return catalog.catch_up(15.0)
    finally:
        catalog.close()


def produce_flights(place: Place, rows: int, *, keys: int = HOT_KEYS) -> int:
    """Put `rows` flights into the agent's topic, which both readers will read; returns how many keys they have."""
    registered = picture_of(place).version(AGENT_VIEW, Version(1, 0))
    if registered is None:
        raise AssertionError("the definitions were applied")
    contract = contract_from_document(json.loads(registered.contract), file="catalog", prefix=place.prefix)
    batch = flights(rows, last_event_us=SystemClock().now_us(), keys=keys)
    encoder, head = ColumnEncoder(contract), prefix(registered.schema_id)
    writer = open_log(ConnectionSettings.load(**place.settings())).writer(client_id="benchmarks")
    acknowledged: list[bool] = []
    try:
        for start in range(0, rows, _CHUNK_ROWS):
            part = batch.slice(start, _CHUNK_ROWS)
            names, values = record_keys(part), encoder.encode(part, head)
            sent = 0
            while sent < len(names):
                sent = writer.append_many(
                    contract.topic,
                    names,
                    values,
                    start=sent,
                    on_outcome=lambda outcome: acknowledged.append(outcome.kind is OutcomeKind.ACKNOWLEDGED),
                )
                writer.poll(0.0 if sent == len(names) else 0.1)
        while writer.flush(1.0):
            pass
    finally:
        writer.close(5.0)
    if acknowledged.count(True) != rows:
        raise RuntimeError(f"{acknowledged.count(True)} of {rows} flights were acknowledged; run again")
    return len(set(record_keys(batch)))
