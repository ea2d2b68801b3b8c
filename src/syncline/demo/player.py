"""A streaming job in small: plays flights into a cluster at a steady rate, round after round."""

from __future__ import annotations

from collections.abc import Callable

from syncline.clock import Clock
from syncline.demo.flight_data import load_flights
from syncline.demo.flight_job import MINUTE_US
from syncline.demo.flights import DEMO, Replay
from syncline.demo.screen import Screen
from syncline.settings import ConnectionSettings
from syncline.wiring import Publisher

_ROWS = 200
"""Rows a chunk: small, so that the rate is steady."""


def play(
    settings: ConnectionSettings,
    *,
    screen: Screen,
    clock: Clock,
    rate: int,
    rounds: int,
    stopped: Callable[[], bool],
    wait: Callable[[float], object],
) -> None:
    """Publish the demo's flights `rounds` times (0: until stopped), `rate` updates a second.

    A round is a time-lapse: its five weeks happen while it is played, so that event times are about now, as a job's
    would be; what was heard of late is late still, by as much less. Each round is newer than the one before.
    """
    data = load_flights()
    number = 0
    with Publisher.from_env(
        publisher="flights", on_violation="deadLetter", **settings.model_dump()
    ) as publisher:
        while not stopped() and (rounds == 0 or number < rounds):
            number += 1
            replay = Replay(data, DEMO)
            total = sum(replay.counts.values())
            first_us, last_us = (minute * MINUTE_US for minute in DEMO.minutes())
            begun_us, speed = clock.now_us(), max(1.0, (last_us - first_us) * rate / (total * 1_000_000))
            views = {view: publisher.view(view) for view in replay.counts}
            started_s, sent = clock.monotonic_s(), 0
            for batch in replay.updates(chunk_rows=_ROWS):
                if stopped():
                    break
                for row in batch.rows:
                    row["event_time"] = begun_us + round((row["event_time"] - first_us) / speed)
                views[batch.view].publish_many(batch.rows)
                sent += len(batch.rows)
                ahead_s = sent / rate - (clock.monotonic_s() - started_s)
                if ahead_s > 0:
                    wait(ahead_s)
            screen.say(f"round {number}: {sent:,} updates published")
        publisher.flush()
