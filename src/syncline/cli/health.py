"""What doctor checks. Each check ends in a line, whatever happens; none changes anything."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from syncline import wiring
from syncline.catalog.fold import Picture
from syncline.catalog.serving import META_AGENT, META_SERVING, AgentCondition, Serving
from syncline.catalog_client import CatalogClient
from syncline.cli.checks import Check, Level
from syncline.cli.output import counted
from syncline.cli.snapshot_health import examine_snapshots
from syncline.clock import SystemClock
from syncline.definitions.topics import mismatches, own_topics
from syncline.errors import StoreMissing, SynclineError
from syncline.inspection.reading import read_to_end
from syncline.ports.log import Log, TopicSpec
from syncline.ports.registry import Registry
from syncline.settings import ConnectionSettings
from syncline.version import __version__
from syncline.wire.topics import DEAD_LETTER_CONFIG, Topics, dead_letters, feature_config

_NEEDED = ("confluent-kafka", "fastavro", "numpy", "xxhash", "pydantic")
_OF_AGENT = ("lmdb", "pyarrow", "pyruhvro")
_REPLICAS = 3
_COMPATIBLE = ("BACKWARD_TRANSITIVE", "FULL_TRANSITIVE")
_AHEAD_MS = 5_000
_FREE_BYTES = 1_000_000_000
_SILENT_S = 60
_YEAR_2025_S = 1_735_689_600


def examine(settings: ConnectionSettings, store: Path | None, snapshots: str) -> Iterator[Check]:
    """All checks, in the order in which one thing needs another; `snapshots` is where they are, empty for none."""
    yield from _environment()
    yield from _clock()
    log = wiring.open_log(settings)
    brokers = _brokers(log, settings)
    yield from brokers.checks
    picture = Picture()
    if brokers.up:
        picture, checks = _catalog(log, settings)
        yield from checks
        yield from _topics(log, picture, settings)
        yield from _broker_clock(log, picture)
        if snapshots:
            yield from examine_snapshots(log, wiring.open_snapshots(snapshots))
    try:
        registry = wiring.open_registry(settings)
        registry.ping()
    except SynclineError as error:
        yield Check(Level.FAIL, "registry", str(error), "Agents do without it; publishers and apply do not")
    else:
        yield Check(Level.OK, "registry", f"{settings.registry_url} answers")
        yield from _subjects(registry, picture)
    if store is not None:
        yield from _store(store)


def _environment() -> Iterator[Check]:
    version = platform.python_version()
    yield Check(
        Level.OK, "syncline", f"{__version__} on Python {version}, {platform.system()} {platform.machine()}"
    )
    for names, level, remedy in (
        (_NEEDED, Level.FAIL, "Install syncline again"),
        (_OF_AGENT, Level.WARN, "Agents and readers need it: install syncline[agent]"),
    ):
        found = {name: _version(name) for name in names}
        there = ", ".join(f"{name} {version}" for name, version in found.items() if version)
        if there:
            yield Check(Level.OK, "libraries", there)
        for name, version_found in found.items():
            if version_found is None:
                yield Check(level, "libraries", f"{name} is not installed", remedy)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _clock() -> Iterator[Check]:
    now_s = time.time()
    said = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s))
    if now_s < _YEAR_2025_S:
        yield Check(Level.FAIL, "clock", f"it is {said} here, which is long past", "Set the clock (NTP)")
    else:
        yield Check(Level.OK, "clock", said)


@dataclass(frozen=True, slots=True)
class _Brokers:
    up: bool
    checks: tuple[Check, ...]


def _brokers(log: Log, settings: ConnectionSettings) -> _Brokers:
    try:
        cluster, count = log.cluster_id(), log.broker_count()
    except SynclineError as error:
        remedy = "Check that it runs, and that SYNCLINE_BOOTSTRAP_SERVERS is right"
        return _Brokers(
            False, (Check(Level.FAIL, "brokers", f"{settings.bootstrap_servers}: {error}", remedy),)
        )
    reached = Check(Level.OK, "brokers", f"{settings.bootstrap_servers} is cluster {cluster}, {count} up")
    if count >= _REPLICAS:
        replicas = Check(
            Level.OK, "replication", "new topics get replication factor 3, min.insync.replicas 2"
        )
    else:
        replicas = Check(
            Level.WARN,
            "replication",
            f"with {count} broker{'s' if count > 1 else ''}, new topics get replication factor {count}: "
            "what is acknowledged can be lost with a disk",
            "Use three brokers or more for anything but development",
        )
    return _Brokers(True, (reached, replicas))


def _catalog(log: Log, settings: ConnectionSettings) -> tuple[Picture, list[Check]]:
    topic = Topics(settings.prefix).catalog
    catalog = CatalogClient(log, topic, clock=SystemClock(), client_id="syncline-doctor")
    try:
        if log.describe_topic(topic) is None:
            said = f"there is no topic {topic}: nothing has been applied here"
            return Picture(), [
                Check(Level.WARN, "catalog", said, "Run `syncline apply`, or check SYNCLINE_PREFIX")
            ]
        picture = catalog.catch_up(15.0)
    except SynclineError as error:
        return Picture(), [
            Check(Level.FAIL, "catalog", str(error), "Mend this first: the rest cannot be checked without it")
        ]
    finally:
        catalog.close()
    counts = ", ".join(
        counted(len(items), noun)
        for items, noun in (
            (picture.views, "view"),
            (picture.releases, "bundle"),
            (picture.subscriptions, "subscription"),
        )
    )
    checks = [Check(Level.OK, "catalog", f"{topic} read to offset {picture.next_offset}: {counts}")]
    strange = [void for void in picture.void if void.decision is None]
    if strange:
        said = f"{len(strange)} records are no decisions, the first at offset {strange[0].offset}"
        checks.append(
            Check(Level.WARN, "catalog", said, "Find out who writes there: only Syncline should (ACLs)")
        )
    return picture, checks


def _topics(log: Log, picture: Picture, settings: ConnectionSettings) -> Iterator[Check]:
    if not picture.next_offset:
        return
    specs = own_topics(Topics(settings.prefix))
    for versions in picture.views.values():
        for topic in dict.fromkeys(recorded.payload.topic for recorded in versions.values()):
            partitions = _partitions_said(picture, topic)
            specs.append(TopicSpec(topic, partitions, feature_config(1)))
            specs.append(TopicSpec(dead_letters(topic), 1, DEAD_LETTER_CONFIG))
    bad = False
    for spec in specs:
        for check in _guarded("topics", lambda spec=spec: _topic(log, spec)):  # type: ignore[misc]  # bound now
            bad = True
            yield check
    if not bad:
        yield Check(Level.OK, "topics", f"{len(specs)} topics exist, with the settings that they need")


def _topic(log: Log, spec: TopicSpec) -> Iterator[Check]:
    found = log.describe_topic(spec.name)
    if found is None:
        yield Check(
            Level.FAIL, "topics", f"{spec.name} does not exist", "Run `syncline apply`; it makes topics again"
        )
        return
    for reason in mismatches(spec, found):
        said, _, remedy = reason.rpartition(": ")
        yield Check(Level.FAIL, "topics", said, remedy[:1].upper() + remedy[1:])


def _partitions_said(picture: Picture, topic: str) -> int:
    from syncline.catalog.contracts import contract_of

    for registered in picture.registrations():
        if registered.topic == topic:
            return contract_of(registered).partitions
    raise AssertionError(f"{topic} is asked for without having been found")


def _broker_clock(log: Log, picture: Picture) -> Iterator[Check]:
    """A broker's timestamp that lies ahead of our time shows that one of the two clocks is wrong."""
    newest_ms = -1
    for versions in picture.views.values():
        for topic in {recorded.payload.topic for recorded in versions.values()}:
            try:
                stamps = [record.timestamp_ms for record in read_to_end(log, topic, last=1, timeout_s=5.0)]
            except SynclineError:
                continue
            newest_ms = max(newest_ms, *stamps) if stamps else newest_ms
    ahead_ms = newest_ms - time.time_ns() // 1_000_000
    if newest_ms >= 0 and ahead_ms > _AHEAD_MS:
        said = f"the brokers are {ahead_ms / 1_000:.0f} s ahead of this machine"
        yield Check(
            Level.WARN, "clock", said, "Ages would be understated here: keep all clocks in step (NTP)"
        )


def _subjects(registry: Registry, picture: Picture) -> Iterator[Check]:
    bad = False
    count = 0
    for versions in picture.views.values():
        for recorded in versions.values():
            count += 1
            found = recorded.payload
            subject = f"{found.topic}-value"

            def check(
                subject: str = subject, schema: str = found.avro_schema, schema_id: int = found.schema_id
            ) -> Iterator[Check]:
                level = registry.compatibility(subject)
                if level not in _COMPATIBLE:
                    said = f"{subject} has the compatibility {level or '(the default)'}"
                    yield Check(Level.WARN, "registry", said, "Set BACKWARD_TRANSITIVE on it")
                known = registry.lookup(subject, schema)
                if known != schema_id:
                    said = f"{subject}: the catalog's schema {schema_id} is {known or 'unknown'} here"
                    remedy = "This is another registry than apply used, or it lost its data: restore it"
                    yield Check(Level.FAIL, "registry", said, remedy)

            for found_bad in _guarded("registry", check):
                bad = True
                yield found_bad
    if count and not bad:
        yield Check(
            Level.OK,
            "registry",
            f"{count} schemas have the catalog's ids, their subjects BACKWARD_TRANSITIVE",
        )


def _guarded(name: str, check: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from check()
    except SynclineError as error:
        yield Check(Level.FAIL, name, str(error))


def _store(path: Path) -> Iterator[Check]:
    try:
        store = wiring.open_store(path, read_only=True)
    except StoreMissing as error:
        yield Check(Level.WARN, "store", str(error), "Start an agent with this --store")
        return
    except (SynclineError, ImportError) as error:
        yield Check(
            Level.FAIL, "store", str(error), "Stop the agent, keep the folder, and start it with an empty one"
        )
        return
    try:
        with store.snapshot() as snapshot:
            serving, condition = snapshot.meta(META_SERVING), snapshot.meta(META_AGENT)
            partitions = len(snapshot.partitions())
    finally:
        store.close()
    served = "serves nothing yet"
    if serving is not None:
        active = Serving.unpack(serving)
        served = f"serves {active.bundle}@{active.release} to {active.consumer}"
    yield Check(Level.OK, "store", f"{path}: {partitions} partitions, {served}")
    if condition is not None:
        agent = AgentCondition.unpack(condition)
        silent_s = time.time() - agent.reported_at_us / 1_000_000
        if silent_s > _SILENT_S:
            said = f"{agent.agent} ({agent.state}) has written nothing for {silent_s:.0f} s"
            yield Check(Level.WARN, "store", said, "Is the agent running?")
        else:
            yield Check(
                Level.OK, "store", f"{agent.agent} is {agent.state}{', ready' if agent.ready else ''}"
            )
    free = shutil.disk_usage(path).free
    if free < _FREE_BYTES:
        said = f"{free // 1_000_000} MB are free on its disk"
        yield Check(
            Level.WARN, "store", said, "Make room: a full disk stops the agent, though it loses nothing"
        )
