"""A cluster in memory, any of whose calls can be made to fail once: before it took effect, or after."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from syncline.adapters.memory.log import MemoryLog
from syncline.catalog.fold import Picture
from syncline.catalog_client import Author, CatalogClient
from syncline.clock import ManualClock, SystemClock, to_us
from syncline.definitions.actions import Plan
from syncline.definitions.apply import Ports, apply
from syncline.definitions.folder import read_folder
from syncline.definitions.model import Definitions
from syncline.definitions.observe import observe
from syncline.definitions.plan import plan
from syncline.errors import LogUnavailable, RegistryUnavailable
from syncline.wire.topics import Topics

NOW = ManualClock(to_us(datetime(2026, 11, 22, tzinfo=UTC)))
AUTHOR = Author("ada@example.org", "a test")


@dataclass
class MemoryRegistry:
    """A registry that gives out ids and refuses what it is told to refuse."""

    levels: dict[str, str] = field(default_factory=dict)
    schemas: list[str] = field(default_factory=list)
    subjects: dict[str, list[int]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)

    def ping(self) -> None:
        """See `Registry.ping`."""

    def set_compatibility(self, subject: str, level: str) -> None:
        """See `Registry.set_compatibility`."""
        self.log.append(("set_compatibility", subject))
        self.levels[subject] = level

    def compatibility(self, subject: str) -> str | None:
        """See `Registry.compatibility`."""
        return self.levels.get(subject)

    def register(self, subject: str, schema: str) -> int:
        """See `Registry.register`."""
        self.log.append(("register", subject))
        if schema not in self.schemas:
            self.schemas.append(schema)
        schema_id = self.schemas.index(schema) + 1
        ids = self.subjects.setdefault(subject, [])
        if schema_id not in ids:
            ids.append(schema_id)
        return schema_id

    def lookup(self, subject: str, schema: str) -> int | None:
        """See `Registry.lookup`."""
        schema_id = self.schemas.index(schema) + 1 if schema in self.schemas else None
        return schema_id if schema_id in self.subjects.get(subject, []) else None

    def check(self, subject: str, schema: str) -> list[str]:
        """See `Registry.check`."""
        return list(self.refused)

    def schema(self, schema_id: int) -> str:
        """See `Registry.schema`."""
        return self.schemas[schema_id - 1]


class Fault:
    """Lets the n-th call fail, once. `after`: its effect has taken place all the same."""

    def __init__(self, number: int | None = None, *, after: bool = False) -> None:
        self._number = number
        self._after = after
        self.calls: list[str] = []

    def call(self, name: str, error: type[Exception], act: Any) -> Any:
        """Do `act`, or fail, or both."""
        self.calls.append(name)
        if len(self.calls) != self._number:
            return act()
        if self._after:
            act()
        raise error(f"call {self._number}, {name}, failed as the test asked")


class Interloper(Fault):
    """Lets somebody else act just before the n-th call."""

    def __init__(self, number: int, act: Any) -> None:
        super().__init__()
        self._at = number
        self._act = act

    def call(self, name: str, error: type[Exception], act: Any) -> Any:
        """Do `act`, the other one's first where it is time."""
        self.calls.append(name)
        if len(self.calls) == self._at:
            self._act()
        return act()


class Faulty:
    """A port each of whose calls may fail."""

    def __init__(self, port: Any, fault: Fault, error: type[Exception], names: tuple[str, ...]) -> None:
        self._port = port
        self._fault = fault
        self._error = error
        self._names = names

    def __getattr__(self, name: str) -> Any:
        """The port's own attribute, with the fault before or behind it."""
        attribute = getattr(self._port, name)
        if name == "writer":
            return lambda **kwargs: Faulty(attribute(**kwargs), self._fault, self._error, ("append",))
        if name not in self._names:
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            def act() -> Any:
                result = attribute(*args, **kwargs)
                if name == "append":
                    self._port.flush(1.0)
                return result

            return self._fault.call(name, self._error, act)

        return call


@dataclass
class Cluster:
    """Brokers and a registry, and what an apply run against them would do."""

    log: MemoryLog = field(default_factory=MemoryLog)
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    prefix: str = "syncline"

    def catalog(self, log: Any = None) -> CatalogClient:
        """A new client of the catalog."""
        topic = Topics(self.prefix).catalog
        return CatalogClient(log or self.log, topic, clock=SystemClock(), client_id="test")

    def plan(
        self,
        folder: Any,
        catalog: CatalogClient | None = None,
        log: Any = None,
        registry: Any = None,
        *,
        allow_widening: bool = False,
    ) -> Plan:
        """What apply would do."""
        log, registry = log or self.log, registry or self.registry
        catalog = catalog or self.catalog(log)
        definitions = folder if isinstance(folder, Definitions) else read_folder(folder, prefix=self.prefix)
        seen = observe(definitions, log=log, registry=registry, catalog=catalog, topics=Topics(self.prefix))
        return plan(
            definitions,
            seen.picture,
            topics=seen.topics,
            refusals=seen.refusals,
            prefix=self.prefix,
            allow_widening=allow_widening,
        )

    def apply(self, folder: Any, fault: Fault | None = None, *, allow_widening: bool = False) -> list[int]:
        """Plan and apply a folder, or definitions that were read before, in one go, with a fault somewhere."""
        fault = fault or Fault()
        log = Faulty(self.log, fault, LogUnavailable, ("cluster_id", "describe_topic", "create_topic"))
        registry = Faulty(
            self.registry,
            fault,
            RegistryUnavailable,
            ("ping", "set_compatibility", "compatibility", "register"),
        )
        catalog = self.catalog(log)

        def planned() -> Plan:
            return self.plan(folder, catalog, log, registry, allow_widening=allow_widening)

        return apply(planned(), Ports(log, registry, catalog, NOW), AUTHOR, plan_again=planned)

    def picture(self) -> Picture:
        """The catalog, folded anew."""
        return self.catalog().catch_up(5.0)

    def state(self) -> dict[str, Any]:
        """All that an apply leaves behind, but for offsets and event ids."""
        picture = self.picture()
        return {
            "topics": {
                name: (len(topic.partitions), dict(topic.config)) for name, topic in self.log._topics.items()
            },
            "levels": dict(self.registry.levels),
            "subjects": dict(self.registry.subjects),
            "views": {
                (view, str(version)): recorded.payload
                for view, versions in picture.views.items()
                for version, recorded in versions.items()
            },
            "releases": {
                bundle: [release.payload for release in releases]
                for bundle, releases in picture.releases.items()
            },
            "subscriptions": {name: recorded.payload for name, recorded in picture.subscriptions.items()},
            "void": [void.reason for void in picture.void],
        }
