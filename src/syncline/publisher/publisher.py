"""The publisher: a library inside a streaming job that emits feature updates, checked before they leave."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from syncline.catalog.contracts import contract_of
from syncline.catalog.events import ViewVersionRegistered
from syncline.catalog.fold import Picture
from syncline.catalog.lifecycle import alternative_to, on_its_way_out
from syncline.catalog.references import ViewReference, parse_reference
from syncline.catalog_client import CatalogClient
from syncline.clock import Clock, to_us
from syncline.contracts.model import Version
from syncline.contracts.nearest import nearest
from syncline.errors import (
    CatalogError,
    LogUnavailable,
    PublishError,
    SynclineError,
    TopicMismatch,
    TopicMissing,
)
from syncline.ports.log import Log
from syncline.publisher.courier import PublishedTopic
from syncline.publisher.event_times import Timeline
from syncline.publisher.ledger import Ledger, PublisherStats
from syncline.publisher.lifetime import Lifetime
from syncline.publisher.outbox import Outbox
from syncline.publisher.view import ViewPublisher
from syncline.settings import PublisherSettings
from syncline.telemetry.no_step import NO_STEP
from syncline.telemetry.telemetry import Telemetry
from syncline.wire.topics import Topics

if TYPE_CHECKING:
    from syncline.telemetry.no_step import NoStep
    from syncline.telemetry.publisher_spans import SendSpans
    from syncline.telemetry.steps import Step

_SPANS_S_MAX = 2.0
"""How long closing waits for spans to be sent."""


class Publisher:
    """Publishes the updates of any number of views. A context manager; safe for use by several threads.

    Making one does nothing yet; the first `view` connects. Each update is acknowledged by all replicas, or told as
    failed or unknown (P1). `close` flushes. A publisher belongs to the process that made it.
    """

    def __init__(
        self, log: Log, *, settings: PublisherSettings, clock: Clock, topics: Topics, telemetry: Telemetry
    ) -> None:
        self._telemetry = telemetry
        self._spans: SendSpans | None = None
        self._asked_for_spans = False
        self._log = log
        self._settings = settings
        self._clock = clock
        self._topics = topics
        self._lifetime = Lifetime()
        self._lock = threading.Lock()
        self._outbox: Outbox | None = None
        self._catalog: CatalogClient | None = None
        self._published: dict[str, PublishedTopic] = {}
        self._views: dict[tuple[str, Version], ViewPublisher] = {}

    def view(self, reference: str, *, timeout_s: float = 10.0) -> ViewPublisher:
        """The view to publish: `airport_delay` (its newest version), `airport_delay@1` or `airport_delay@1.3`.

        Reads the catalog to its end, waiting for it `timeout_s` at most; the version stays what it is from then on.
        Of a deprecated version a warning is logged, at once and every hour while this publisher is open.

        Raises:
            PublishError: the version is retired: nobody publishes under it any more. The message says what to use.
            TopicMissing: there is no catalog yet, or the view's topic is gone.
            CatalogError: the catalog has no such view or version, and the message names the nearest; or its contract
                is none that this program can use.
            TopicMismatch: the topic has another partition count than its contract says.
            LogUnavailable: no broker answered in time.
            PublisherClosed: closed, or made before a fork.
        """
        self._lifetime.ask_usable()
        with self._lock:
            wanted = _parsed(reference)
            picture = self._read_catalog(timeout_s)
            registered = _find(picture, wanted)
            _refuse_retired(picture, registered)
            known = self._views.get((registered.view, registered.version))
            if known is not None:
                self._running().warn_of(known.contract.reference, _fate(picture, registered))
                return known
            contract = contract_of(registered)
            view = ViewPublisher(
                contract,
                registered.schema_id,
                topic=self._attend(registered.topic, contract.partitions, timeout_s),
                outbox=self._running(),
                settings=self._settings,
                clock=self._clock,
            )
            self._views[registered.view, registered.version] = view
            self._running().warn_of(contract.reference, _fate(picture, registered))
            return view

    def source(self, name: str, *, since: datetime | int | None = None) -> Step | NoStep:
        """A span, `source <name>`, around the reading of one event or batch, and all that is made of it.

        Args:
            name: what it is read from, as `kafka raw_flights`; never a value. Few names: they are searched for.
            since: when it happened or arrived there, an aware datetime or microseconds since 1970: the wait before this
                job had it shows as part of the span.

        A context manager; what is published inside it is below it in the trace. Which are traced is decided by the
        settings, unless a span of the application's is current: then as that says. Keep it short: one event or batch.
        """
        since_us = to_us(since) if isinstance(since, datetime) else since
        spans = self._sends()
        return NO_STEP if spans is None else spans.source(name, since_us=since_us)

    def transform(self, name: str) -> Step | NoStep:
        """A span, `transform <name>`, around one step of the job; see `source`. They nest."""
        spans = self._sends()
        return NO_STEP if spans is None else spans.transform(name)

    def flush(self, timeout_s: float | None = None) -> None:
        """Wait until every update so far has its outcome; `timeout_s` is the settings' unless given.

        Raises:
            NotAcknowledged: since the last flush some failed, are unknown, or have no outcome in time.
            PublisherClosed: closed, or made before a fork.
        """
        self._lifetime.ask_usable()
        if self._outbox is not None:
            self._outbox.flush(self._settings.flush_timeout_s if timeout_s is None else timeout_s)

    def close(self, timeout_s: float | None = None) -> None:
        """Flush, then release everything. Idempotent; in a forked child it does nothing.

        Raises:
            NotAcknowledged: as for `flush`; what had no outcome has one now (failed or unknown).
        """
        if self._lifetime.is_forked:
            return
        self._lifetime.ended = True
        try:
            if self._outbox is not None:
                self._outbox.close(self._settings.flush_timeout_s if timeout_s is None else timeout_s)
        finally:
            self._telemetry.close(_SPANS_S_MAX)

    def stats(self) -> PublisherStats:
        """What was queued, what became of it, and which rules were broken, since this publisher was made."""
        if self._outbox is None:
            return Ledger().stats()
        return replace(self._outbox.ledger.stats(), unreported=self._outbox.reports.trouble)

    def __enter__(self) -> Self:
        """This publisher."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close. An exception of the block is not hidden by what close finds: that becomes a note on it."""
        if error is None:
            self.close()
            return
        try:
            self.close()
        except SynclineError as found:
            error.add_note(f"and the publisher found when it was closed: {found}")

    def _sends(self) -> SendSpans | None:
        if not self._asked_for_spans:
            tracing = self._telemetry.tracing
            if tracing is not None:
                # Not before it is needed: a job without spans loads nothing for them.
                from syncline.telemetry.publisher_spans import SendSpans  # noqa: PLC0415  see above

                self._spans = SendSpans(tracing, client_id=f"syncline-publisher-{self._settings.publisher}")
            self._asked_for_spans = True
        return self._spans

    def _running(self) -> Outbox:
        if self._outbox is None:
            writer = self._log.writer(client_id=f"syncline-publisher-{self._settings.publisher}")
            self._outbox = Outbox(
                writer,
                settings=self._settings,
                clock=self._clock,
                reports_topic=self._topics.reports,
                telemetry=self._telemetry,
                spans=self._sends(),
            )
        self._outbox.attend(list(self._published.values()))
        return self._outbox

    def _read_catalog(self, timeout_s: float) -> Picture:
        if self._catalog is None:
            client_id = f"syncline-publisher-{self._settings.publisher}"
            self._catalog = CatalogClient(
                self._log, self._topics.catalog, clock=self._clock, client_id=client_id
            )
        try:
            return self._catalog.catch_up(timeout_s)
        except TopicMissing:
            raise TopicMissing(
                f"there is no catalog {self._topics.catalog} at {self._settings.bootstrap_servers}: run "
                "`syncline apply` first, or correct SYNCLINE_PREFIX or SYNCLINE_BOOTSTRAP_SERVERS"
            ) from None
        except LogUnavailable as error:
            raise LogUnavailable(
                f"the catalog could not be read from {self._settings.bootstrap_servers} in {timeout_s:g} s: {error}"
            ) from None
        finally:
            # The contract of a view is read once: no connection is kept for it.
            self._catalog.close()

    def _attend(self, topic: str, partitions: int, timeout_s: float) -> PublishedTopic:
        known = self._published.get(topic)
        if known is None:
            found = self._log.describe_topic(topic, timeout_s)
            if found is None:
                raise TopicMissing(f"there is no topic {topic}: run `syncline apply` again to make it")
            known = PublishedTopic(topic, found.partitions, Timeline(self._settings.tie_memory_keys))
        if known.partitions != partitions:
            raise TopicMismatch(
                f"{topic} has {known.partitions} partitions and its contract says {partitions}: keys would land "
                "in other partitions than consumers expect; restore the topic or register a new MAJOR"
            )
        self._published[topic] = known
        return known


def _parsed(reference: str) -> ViewReference:
    try:
        parsed = parse_reference(reference)
    except ValueError as error:
        raise CatalogError(str(error)) from None
    if parsed.feature is not None:
        raise CatalogError(f"{reference} names a feature; a view is published whole: write {parsed.view}")
    return parsed


def _find(picture: Picture, wanted: ViewReference) -> ViewVersionRegistered:
    if wanted.view not in picture.views:
        raise CatalogError(f"the catalog has no view {wanted.view}: {nearest(wanted.view, picture.views)}")
    if wanted.major is not None and wanted.minor is not None:
        found = picture.version(wanted.view, Version(wanted.major, wanted.minor))
    else:
        found = picture.newest(wanted.view, wanted.major)
    if found is None:
        versions = ", ".join(str(version) for version in picture.views[wanted.view])
        raise CatalogError(f"the catalog has no {wanted}; {wanted.view} has {versions}")
    return found


def _refuse_retired(picture: Picture, registered: ViewVersionRegistered) -> None:
    view, version = registered.view, registered.version.without_patch
    retired = picture.retired.get((view, version))
    if retired is None:
        return
    left = [f"{view}@{each}" for each in picture.views[view] if (view, each) not in picture.retired]
    instead = alternative_to(picture, view, version) or " or ".join(left)
    raise PublishError(
        f"{view}@{version} was retired at catalog offset {retired.offset} by {retired.decision.actor}, and nobody "
        f"publishes under it any more: {f'use {instead}' if instead else f'no version of {view} is left'}"
    )


def _fate(picture: Picture, registered: ViewVersionRegistered) -> str:
    return on_its_way_out(picture, registered.view, registered.version)
