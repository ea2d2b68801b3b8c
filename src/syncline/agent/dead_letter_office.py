"""Dead letters: a source offset is committed only after its dead letter is acknowledged (log.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from syncline.errors import LogError
from syncline.ports.log import LogWriter, Outcome, OutcomeKind
from syncline.wire.dead_letters import DeadLetter
from syncline.wire.topics import dead_letters


class DeadLetterOffice:
    """Sends dead letters and waits until each is in the log, however long that takes."""

    def __init__(
        self, writer: LogWriter, *, stopped: Callable[[], bool], wait: Callable[[float], object]
    ) -> None:
        self._writer = writer
        self._stopped = stopped
        self._wait = wait

    def deliver(self, letters: Sequence[DeadLetter], on_trouble: Callable[[str], None]) -> bool:
        """True once every letter is acknowledged; False if the agent was stopped first: commit nothing then.

        A letter that was not acknowledged is sent again, as the next attempt; `on_trouble` hears why. Replicas and
        attempts write the same letter more than once: whoever reads them folds by topic, partition and offset.
        """
        waiting = list(letters)
        attempt = 1
        while waiting:
            outcomes: dict[int, Outcome] = {}
            for number, letter in enumerate(waiting):
                self._send(letter, attempt, partial(outcomes.__setitem__, number))
            turns = 0
            # Not until the writer is empty: a status report that nobody takes must not hold up dead letters.
            while self._writer.flush(_TURN_S) and len(outcomes) < len(waiting):
                if self._stopped():
                    return False
                turns += 1
                if turns >= _SLOW_TURNS:
                    left = len(waiting) - len(outcomes)
                    on_trouble(f"{_topics(waiting)} did not acknowledge {left} dead letters yet")
            failed = [
                number
                for number in range(len(waiting))
                if number not in outcomes or outcomes[number].kind is not OutcomeKind.ACKNOWLEDGED
            ]
            if failed:
                reason = outcomes[failed[0]].reason if failed[0] in outcomes else "no answer"
                on_trouble(f"{dead_letters(waiting[failed[0]].topic)} does not take dead letters: {reason}")
                if self._stopped():
                    return False
                self._wait(_RETRY_S)
            waiting = [waiting[number] for number in failed]
            attempt += 1
        return True

    def _send(self, letter: DeadLetter, attempt: int, on_outcome: Callable[[Outcome], None]) -> None:
        headers = letter.record_headers(attempt=attempt)
        while True:
            try:
                self._writer.append(
                    dead_letters(letter.topic),
                    key=letter.key,
                    value=letter.value,
                    headers=headers,
                    on_outcome=on_outcome,
                )
            except BufferError:
                self._writer.poll(0.1)
                if self._stopped():
                    return
            except LogError as error:
                # Too large, say: it is not skipped, and may be taken once the topic's settings allow it.
                topic = dead_letters(letter.topic)
                on_outcome(Outcome(OutcomeKind.FAILED, topic, reason=str(error)))
                return
            else:
                return


def _topics(letters: Sequence[DeadLetter]) -> str:
    return ", ".join(sorted({dead_letters(letter.topic) for letter in letters}))


_TURN_S = 0.2
_SLOW_TURNS = 10
_RETRY_S = 1.0
