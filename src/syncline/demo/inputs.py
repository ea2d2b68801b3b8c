"""Model inputs of real departures: what the demo's model predicts from, and where each value came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from syncline.demo.examples import examples
from syncline.demo.flights import Departure, Replay
from syncline.demo.predictor import DelayPredictor
from syncline.demo.screen import Screen
from syncline.reader import ModelInput
from syncline.wiring import FeatureReader

BUNDLE = "flight_inputs"
_LEARN_EVERY = 5
_SHOWN = 6


def show_inputs(reader: FeatureReader, replay: Replay, screen: Screen) -> None:
    """Predict the delays of a few departures from what the reader's agent holds, and explain one of them."""
    learnt = examples(replay, every=_LEARN_EVERY)
    model = DelayPredictor.fit((example.values, example.departure.dep_delay) for example in learnt)
    departures = _shown(replay)
    inputs = [reader.get(BUNDLE, one.keys) for one in departures]
    screen.table(
        [
            ("flight", ""),
            ("from", ""),
            ("to", ""),
            ("aircraft", ""),
            ("predicted", "right"),
            ("left", "right"),
            ("inputs", ""),
        ],
        [
            (
                f"{one.carrier} {one.number}",
                one.origin,
                one.dest,
                one.tailnum,
                f"{model.predict(row.values):+.0f} min",
                f"{one.dep_delay:+d} min",
                _summary(row),
            )
            for one, row in zip(departures, inputs, strict=True)
        ],
    )
    _explain(departures[0], inputs[0], screen)


def _shown(replay: Replay) -> list[Departure]:
    """The departures after the replay's end, of which no update knows; at the year's end there are none: its last."""
    known = [one for one in replay.upcoming(within_min=60) if one.tailnum]
    return known[:_SHOWN] or [one for one in replay.departures() if one.tailnum][-_SHOWN:]


def _explain(departure: Departure, row: ModelInput, screen: Screen) -> None:
    screen.say(
        f"What {departure.carrier} {departure.number} was predicted from: release {row.release}, and the record "
        "behind each value (partition:offset)"
    )
    ages = row.ages
    lines = []
    for alias, source in row.sources.items():
        names = [name for name in row.values if name.startswith(f"{alias}__")]
        age = ages[names[0]]
        found = (
            "nothing" if source.offset is None else f"{source.reference} {source.partition}:{source.offset}"
        )
        old = "" if age is None else f"{str(age).split('.', maxsplit=1)[0]} old"
        lines.append((f"{alias}:", found, old))
        lines += [
            (f"  {name.removeprefix(f'{alias}__')}", _text(row.values[name]), str(row.statuses[name]))
            for name in names
        ]
    screen.table([("feature", ""), ("value", "right"), ("status", "")], lines)


def _summary(row: ModelInput) -> str:
    return _counted(str(status) for status in row.statuses.values())


def _counted(words: Iterable[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in Counter(words).most_common())


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
