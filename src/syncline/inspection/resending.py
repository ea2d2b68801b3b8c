"""Dead letters go to their topic again, each to its key's partition, and every acknowledgement is waited for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from syncline.errors import LogError
from syncline.inspection.replay import Prospect
from syncline.ports.log import LogWriter, Outcome, OutcomeKind

_NAMED_MAX = 1_000
_TURN_S = 0.5


@dataclass
class Resending:
    """Sends to one feature topic; `failed` names what was not acknowledged, and why."""

    writer: LogWriter
    topic: str
    timeout_s: float = 60.0
    sent: int = 0
    failed_count: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    """(name, reason), the first thousand of them."""

    def send(self, prospects: Iterable[Prospect]) -> None:
        """Publish these and wait for their outcomes. An unknown outcome counts as failed: sending again is harmless."""
        waiting: list[str] = []
        outcomes: dict[int, Outcome] = {}
        for number, prospect in enumerate(prospects):
            waiting.append(prospect.found.name)
            self._append(prospect, number, outcomes)
        self.writer.flush(self.timeout_s)
        for number, name in enumerate(waiting):
            outcome = outcomes.get(number)
            reason = "no answer" if outcome is None else outcome.trouble
            if reason is None:
                self.sent += 1
                continue
            self.failed_count += 1
            if len(self.failed) < _NAMED_MAX:
                self.failed.append((name, reason))

    def _append(self, prospect: Prospect, number: int, outcomes: dict[int, Outcome]) -> None:
        turns = self.timeout_s / _TURN_S
        while True:
            try:
                self.writer.append(
                    self.topic,
                    key=prospect.key,
                    value=prospect.value,
                    headers=prospect.headers,
                    partition=prospect.partition,
                    on_outcome=partial(outcomes.__setitem__, number),
                )
            except BufferError:
                turns = self.timeout_s / _TURN_S if self.writer.poll(_TURN_S) else turns - 1
                if turns > 0:
                    continue
                outcomes[number] = Outcome(OutcomeKind.FAILED, self.topic, reason="the queue stayed full")
            except LogError as error:
                outcomes[number] = Outcome(OutcomeKind.FAILED, self.topic, reason=str(error))
            return
