"""The spans of an agent: each traced update from the broker's log to its store, and the batch that it came in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opentelemetry.trace import SpanContext, SpanKind

from syncline.state.traced import Traced
from syncline.telemetry import names
from syncline.telemetry.tracing import (
    LINKS_MAX,
    MadeSpan,
    Tracing,
    finish,
    finish_stage,
    mark_failed,
    span_context,
)
from syncline.wire.control import Marker, is_control, parse_control
from syncline.wire.trace_context import TraceContext, event_id, looks_sampled, trace_context

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from syncline.ports.log import Batch, Headers, TopicPartition
    from syncline.telemetry.attention import Attention


@dataclass(frozen=True, slots=True)
class TracedUpdate:
    """A traced record that was received; its `process` span is open."""

    offset: int
    sent: SpanContext
    span: MadeSpan
    appended_us: int
    received_us: int

    def kept(self, applied_us: int) -> bytes:
        """What its cell keeps, if it becomes one."""
        process = self.span.get_span_context()
        traced = Traced(
            trace_id=process.trace_id,
            send_span_id=self.sent.span_id,
            process_span_id=process.span_id,
            appended_us=self.appended_us,
            received_us=self.received_us,
            applied_us=applied_us,
        )
        return traced.pack()


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a traced update."""

    result: str
    """`passed`, `observed` or `dead_lettered`."""
    rule: str
    """The rule that it breaks first; empty where it breaks none."""
    view_version: str
    written: bool
    """It is its entity's value now."""


@dataclass(slots=True)
class TracedBatch:
    """The traced records of one poll, by place and offset. Empty for most."""

    by_place: dict[TopicPartition, dict[int, TracedUpdate]] = field(default_factory=dict)

    def at(self, place: TopicPartition) -> Mapping[int, TracedUpdate]:
        """Those of one partition, by offset."""
        return self.by_place.get(place, _NONE)


_CUTS_MAX = 64
_OPEN_MAX = 10_000
_NONE: Mapping[int, TracedUpdate] = {}
NOTHING_TRACED = TracedBatch()


class AgentSpans:
    """Follows traced updates through one agent. Belongs to the agent's thread."""

    def __init__(self, tracing: Tracing, *, group: str, client_id: str) -> None:
        self._tracing = tracing
        self._group = group
        self._client_id = client_id
        self._uncommitted: list[SpanContext] = []
        """The sends of what was applied since offsets were committed last."""
        self._open: dict[tuple[str, int, int], TracedUpdate] = {}
        """The updates that were received and neither applied nor rejected yet, by place and offset."""
        self._cuts: dict[int, SpanContext] = {}
        """Cut → the coordinator's span of it, of the markers that were met lately."""

    def received(self, batch: Batch, attention: Attention) -> TracedBatch:
        """The traced records of a batch that was just received; how each was delivered is told at once."""
        found = [row for row, headers in batch.headers.items() if looks_sampled(headers)]
        if not found:
            return NOTHING_TRACED
        rows, now_s = self._tracing.rows, self._tracing.clock.monotonic_s()
        traced = TracedBatch()
        sends: list[SpanContext] = []
        # Of what comes again, as it could not be committed: as a rule there is none.
        over, again = 0, bool(self._open)
        for row in found:
            if over and not again and batch.values[row] is not None:
                # A batch may be full of what is over the cap: none of it is even parsed.
                over += 1
                continue
            headers = batch.headers[row]
            if self._is_marker(batch.keys[row], batch.values[row], headers):
                continue
            context = trace_context(headers)
            if context is None or not context.is_sampled:
                continue
            cut = next(cut for cut in batch.slices if cut.start <= row < cut.start + cut.count)
            place, offset = (cut.topic, cut.partition), int(batch.offsets[row])
            update = self._open.get((*place, offset))
            if update is not None and update.sent.span_id == context.span_id:
                # It was received, and could not be committed then: it was delivered when it came first.
                traced.by_place.setdefault(place, {})[offset] = update
                continue
            if over or not rows.take(now_s, 1, tell=False):
                over += 1
                continue
            update = self._receive(batch, row, place, context, attention)
            if update is not None:
                traced.by_place.setdefault(place, {})[offset] = update
                sends.append(update.sent)
        rows.over_the_cap(over)
        self._tell_poll(batch, attention, sends)
        return traced

    def applied(
        self,
        place: TopicPartition,
        view: str,
        updates: Iterable[tuple[TracedUpdate, Judged]],
        *,
        judged_us: tuple[int, int],
        applied_us: int,
    ) -> None:
        """These were committed, or dead-lettered. `judged_us` is when their check began and ended."""
        tracing, (began_us, ended_us) = self._tracing, judged_us
        for update, judged in updates:
            self._open.pop((*place, update.offset), None)
            process = update.span.get_span_context()
            check = tracing.span(
                names.CHECK,
                start_us=began_us,
                parent=process,
                attributes={
                    names.CONTRACT_RESULT: judged.result,
                    names.VIEW_VERSION: judged.view_version,
                },
            )
            if judged.rule:
                mark_failed(check, judged.rule)
            finish_stage(check, start_us=began_us, end_us=ended_us)
            if judged.result == names.DEAD_LETTERED:
                mark_failed(update.span, judged.rule)
            else:
                outcome = names.WRITTEN if judged.written else names.SUPERSEDED
                apply = tracing.span(
                    names.apply(view),
                    start_us=ended_us,
                    parent=process,
                    attributes={
                        names.VIEW_VERSION: judged.view_version,
                        names.APPLY_RESULT: outcome,
                    },
                )
                finish_stage(apply, start_us=ended_us, end_us=applied_us)
            finish_stage(update.span, start_us=update.received_us, end_us=applied_us)
            if len(self._uncommitted) < LINKS_MAX:
                self._uncommitted.append(update.sent)

    def committed(self, began_us: int) -> None:
        """Offsets were published under the group id."""
        if not self._uncommitted:
            return
        links, self._uncommitted = self._uncommitted, []
        span = self._tracing.span(
            names.commit(self._group),
            start_us=began_us,
            kind=SpanKind.CLIENT,
            attributes={
                names.SYSTEM: names.KAFKA,
                names.OPERATION_NAME: "commit",
                names.OPERATION_TYPE: names.SETTLE,
                names.GROUP: self._group,
                names.CLIENT_ID: self._client_id,
                names.MESSAGE_COUNT: len(links),
            },
            links=links,
        )
        finish(span, start_us=began_us, end_us=self._tracing.clock.now_us())

    def rejected(self, place: TopicPartition, rejects: Sequence[tuple[int, str, Headers]]) -> dict[str, str]:
        """(offset, rule, headers) of rows that went to the dead letters: traced whether or not their updates are.

        Returns the span's ids, as all of these do.
        """
        contexts = [trace_context(headers) for _, _, headers in rejects]
        offset, rule, _ = rejects[0]
        return self._happened(
            names.dead_letter(place[0]),
            place,
            error=rule,
            attributes={names.OFFSET: offset, names.DEAD_LETTERS: len(rejects)},
            links=[span_context(found) for found in contexts if found is not None][:LINKS_MAX],
        )

    def held(self, place: TopicPartition, offset: int) -> dict[str, str]:
        """A partition does not go on from this offset."""
        return self._happened(
            names.hold(place[0]), place, error=names.HELD, attributes={names.OFFSET: offset}
        )

    def enacted(
        self, bundle: str, *, release: int, epoch: int, cut: int | None, aligned: bool, held_us: int
    ) -> dict[str, str]:
        """A cut or an Immediate took effect here, after partitions stood for it for `held_us` (-1: none did)."""
        now_us = self._tracing.clock.now_us()
        attributes: dict[str, AttributeValue] = {
            names.BUNDLE: bundle,
            names.RELEASE: release,
            names.EPOCH: epoch,
            names.AGENT: self._client_id,
        }
        if cut is not None:
            attributes |= {names.CUT: cut, names.ALIGNED: aligned}
        return self._tracing.happening(
            names.rollback(bundle) if cut is None else names.cut(bundle),
            start_us=now_us - max(0, held_us),
            end_us=now_us,
            attributes=attributes,
            parent=None if cut is None else self._cuts.get(cut),
        )

    def gave_up(self, bundle: str, cut: int, *, limit_us: int) -> dict[str, str]:
        """Partitions stood for a cut for too long."""
        now_us = self._tracing.clock.now_us()
        return self._tracing.happening(
            names.cut(bundle),
            start_us=now_us - limit_us,
            end_us=now_us,
            attributes={names.BUNDLE: bundle, names.CUT: cut, names.AGENT: self._client_id},
            parent=self._cuts.get(cut),
            error=names.GIVEN_UP,
        )

    def close(self, timeout_s: float) -> None:
        """Send what waits."""
        self._tracing.close(timeout_s)

    def _is_marker(self, key: bytes | None, value: bytes | None, headers: Headers) -> bool:
        """Whether it is a control record; the trace of a marker's cut is remembered."""
        if key is None or not is_control(key, value):
            return False
        marker, context = parse_control(key, headers), trace_context(headers)
        if isinstance(marker, Marker) and context is not None:
            if len(self._cuts) >= _CUTS_MAX:
                self._cuts.pop(next(iter(self._cuts)))
            self._cuts[marker.cut_id] = span_context(context)
        return True

    def _receive(
        self, batch: Batch, row: int, place: TopicPartition, context: TraceContext, attention: Attention
    ) -> TracedUpdate | None:
        headers = batch.headers[row]
        offset, received_us = int(batch.offsets[row]), attention.received_us
        topic, partition = place
        sent = span_context(context)
        timestamp_ms = int(batch.timestamps_ms[row])
        # Kafka says -1 of a record without a time.
        appended_us = timestamp_ms * 1_000 if timestamp_ms >= 0 else received_us
        where: dict[str, AttributeValue] = {
            names.DESTINATION: topic,
            names.PARTITION: str(partition),
            names.OFFSET: offset,
            names.CLIENT_ID: self._client_id,
        }
        broker_us, agent_us = attention.split(appended_us)
        # All else that is to be said of the record stands in `process`: here it would cost as much again.
        deliver = self._tracing.span(
            names.deliver(topic),
            start_us=appended_us,
            parent=sent,
            attributes={
                **where,
                names.LAG_AT: names.AT_AGENT if agent_us > broker_us else names.AT_BROKER,
            },
        )
        finish_stage(deliver, start_us=appended_us, end_us=received_us)
        where |= {
            names.SYSTEM: names.KAFKA,
            names.OPERATION_NAME: names.PROCESS,
            names.OPERATION_TYPE: names.PROCESS,
            names.GROUP: self._group,
        }
        event = event_id(headers)
        if event is not None:
            where[names.EVENT_ID] = event
        process = self._tracing.span(
            names.process(topic),
            start_us=received_us,
            parent=sent,
            kind=SpanKind.CONSUMER,
            attributes=where,
            links=[sent],
        )
        if not process.is_recording():
            return None
        update = TracedUpdate(offset, sent, process, appended_us, received_us)
        if len(self._open) >= _OPEN_MAX:
            self._open.pop(next(iter(self._open)))
        self._open[*place, offset] = update
        return update

    def _tell_poll(self, batch: Batch, attention: Attention, sends: Sequence[SpanContext]) -> None:
        if not sends:
            return
        topics = sorted({cut.topic for cut in batch.slices})
        attributes: dict[str, AttributeValue] = {
            names.SYSTEM: names.KAFKA,
            names.OPERATION_NAME: "poll",
            names.OPERATION_TYPE: names.RECEIVE,
            names.GROUP: self._group,
            names.CLIENT_ID: self._client_id,
            names.MESSAGE_COUNT: len(batch),
        }
        if len(topics) == 1:
            attributes[names.DESTINATION] = topics[0]
        span = self._tracing.span(
            names.poll(topics[0] if len(topics) == 1 else self._group),
            start_us=attention.polled_us,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            links=sends[:LINKS_MAX],
        )
        finish(span, start_us=attention.polled_us, end_us=attention.received_us)

    def _happened(
        self,
        name: str,
        place: TopicPartition,
        *,
        error: str,
        attributes: Mapping[str, AttributeValue],
        links: Sequence[SpanContext] = (),
    ) -> dict[str, str]:
        now_us = self._tracing.clock.now_us()
        topic, partition = place
        return self._tracing.happening(
            name,
            start_us=now_us,
            end_us=now_us,
            attributes={
                names.SYSTEM: names.KAFKA,
                names.DESTINATION: topic,
                names.PARTITION: str(partition),
                names.GROUP: self._group,
                names.CLIENT_ID: self._client_id,
                **attributes,
            },
            links=links,
            error=error,
        )
