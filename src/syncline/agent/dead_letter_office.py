"""Dead letters: a source offset is committed only after its dead letter is acknowledged (log.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from syncline.errors import LogError
from syncline.ports.log import LogWriter, Outcome, OutcomeKind
from syncline.wire.dead_letters import DeadLetter
from syncline.wire.topics import dead_letters

Place = tuple[str, int, int]
"""(topic, partition, offset) of the record that a letter keeps."""

PATIENCE_S = 3.0
"""For so long the agent waits at a time: in between it follows the catalog, as a rollback cannot wait."""


@dataclass(slots=True)
class _Sent:
    """What became of a letter so far."""

    letter: DeadLetter
    attempts: int = 0
    outcome: Outcome | None = None
    """None while it is on its way."""

    @property
    def is_there(self) -> bool:
        return self.outcome is not None and self.outcome.kind is OutcomeKind.ACKNOWLEDGED


class DeadLetterOffice:
    """Sends dead letters and waits for a while until each is in the log; the agent has more to do meanwhile."""

    def __init__(
        self, writer: LogWriter, *, stopped: Callable[[], bool], wait: Callable[[float], object]
    ) -> None:
        self._writer = writer
        self._stopped = stopped
        self._wait = wait
        self._sent: dict[Place, _Sent] = {}
        """The letters that were sent and whose offsets are not committed yet."""

    def deliver(self, letters: Sequence[DeadLetter], on_trouble: Callable[[str], None]) -> bool:
        """True once every letter is acknowledged; False if it took too long, or the agent was stopped: commit nothing.

        A letter that was not acknowledged is sent again, as the next attempt, by this call or the next one that has
        it; `on_trouble` hears why. Replicas and attempts write the same letter more than once: whoever reads them
        folds by topic, partition and offset.
        """
        left_s = PATIENCE_S
        while waiting := [letter for letter in letters if not self._of(letter).is_there]:
            self._send_all(waiting)
            # Not until the writer is empty: a status report that nobody takes must not hold up dead letters.
            while self._writer.flush(_TURN_S) and any(self._of(letter).outcome is None for letter in waiting):
                left_s -= _TURN_S
                if left_s <= 0 or self._stopped():
                    break
            missing = next((letter for letter in waiting if not self._of(letter).is_there), None)
            if missing is None:
                continue
            outcome = self._of(missing).outcome
            reason = "no answer" if outcome is None else outcome.reason
            on_trouble(f"{dead_letters(missing.topic)} does not take dead letters: {reason}")
            if left_s <= 0 or self._stopped():
                return False
            self._wait(_RETRY_S)
            left_s -= _RETRY_S
        return True

    def has_delivered(self, letters: Sequence[DeadLetter]) -> bool:
        """Whether each of these is acknowledged."""
        return all(self._of(letter).is_there for letter in letters)

    def committed(self, letters: Sequence[DeadLetter]) -> None:
        """The offsets of these are committed: nothing of them comes again."""
        for letter in letters:
            self._sent.pop((letter.topic, letter.partition, letter.offset), None)

    def _of(self, letter: DeadLetter) -> _Sent:
        place = (letter.topic, letter.partition, letter.offset)
        sent = self._sent.get(place)
        if sent is None or sent.letter != letter:
            # Of a topic that was made again, another record may stand there.
            sent = self._sent[place] = _Sent(letter)
        return sent

    def _send_all(self, letters: Sequence[DeadLetter]) -> None:
        """Send those that are not on their way, as far as the queue takes them."""
        for letter in letters:
            sent = self._of(letter)
            if sent.outcome is None and sent.attempts:
                continue
            sent.attempts, sent.outcome = sent.attempts + 1, None
            try:
                self._writer.append(
                    dead_letters(letter.topic),
                    key=letter.key,
                    value=letter.value,
                    headers=letter.record_headers(attempt=sent.attempts),
                    on_outcome=partial(setattr, sent, "outcome"),
                )
            except BufferError:
                sent.attempts -= 1
                return
            except LogError as error:
                # Too large, say: it is not skipped, and may be taken once the topic's settings allow it.
                sent.outcome = Outcome(OutcomeKind.FAILED, dead_letters(letter.topic), reason=str(error))


_TURN_S = 0.2
_RETRY_S = 1.0
