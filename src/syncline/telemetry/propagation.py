"""How long the updates of a topic took, from one stage to the next; slices wait, and are counted together."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from syncline.telemetry.column_histogram import COLUMNS_MAX, WAITING_MAX, taken

if TYPE_CHECKING:
    from syncline.telemetry.column_histogram import ColumnHistograms

    Column = npt.NDArray[np.int64]

STAGES = ("event_to_publish", "publish_to_receive", "receive_to_apply", "event_to_apply")


class Propagation:
    """Of one topic. `add` belongs to the agent's thread, `count` to any."""

    def __init__(self, histograms: ColumnHistograms, topic: str) -> None:
        """The histograms have the labels topic and stage."""
        self._publish, self._receive, self._apply, self._whole = (
            histograms.labels(topic, stage) for stage in STAGES
        )
        self._waiting: deque[tuple[Column, Column, int, int]] = deque()
        self._rows = 0

    def add(
        self,
        events_us: Column,
        appended_ms: Column,
        *,
        received_us: int,
        applied_us: int,
        traces: Iterable[tuple[int, int]],
    ) -> None:
        """Updates of a slice, which nobody changes afterwards; `traces` gives (row, trace id) of traced ones."""
        self._waiting.append((events_us, appended_ms, received_us, applied_us))
        self._rows += len(events_us)
        for row, trace_id in traces:
            event_us, appended_us = int(events_us[row]), int(appended_ms[row]) * 1_000
            self._publish.remember(appended_us - event_us, trace_id)
            self._receive.remember(received_us - appended_us, trace_id)
            self._apply.remember(applied_us - received_us, trace_id)
            self._whole.remember(applied_us - event_us, trace_id)
        if self._rows >= WAITING_MAX or len(self._waiting) >= COLUMNS_MAX:
            self.count()

    def count(self) -> None:
        """Count what waits."""
        self._rows = 0
        slices = taken(self._waiting)
        if not slices:
            return
        rows = [len(events_us) for events_us, *_ in slices]
        events_us = np.concatenate([each[0] for each in slices])
        appended_us = np.concatenate([each[1] for each in slices]) * 1_000
        self._publish.add_many(appended_us - events_us)
        self._receive.add_many(np.repeat([each[2] for each in slices], rows) - appended_us)
        self._whole.add_many(np.repeat([each[3] for each in slices], rows) - events_us)
        for (_, _, received_us, applied_us), count in zip(slices, rows, strict=True):
            self._apply.add_same(applied_us - received_us, count)
