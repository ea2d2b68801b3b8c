from __future__ import annotations

import numpy as np
import pytest

from syncline.demo.examples import examples
from syncline.demo.predictor import INPUTS, DelayPredictor


@pytest.fixture(scope="module")
def learnt(demo):
    """Every fifth departure with what was known before it."""
    return list(examples(demo, every=5))


def test_an_example_knows_nothing_of_its_own_flight(demo, demo_heard):
    """The values of each example are the newest rows heard of before the flight left, by a plain search."""
    heard = [(heard_us, row) for heard_us, view, row in demo_heard if view == "airport_delay"]
    sample = list(examples(demo, every=4_000))

    assert len(sample) > 5
    for example in sample:
        departure = example.departure
        asked_us = min(departure.scheduled_us, departure.left_us)
        known = [row for at, row in heard if at < asked_us and row["airport"] == departure.origin]
        if known:
            # Of one event time, the last one wins.
            newest = max(enumerate(known), key=lambda pair: (pair[1]["event_time"], pair[0]))[1]
            assert example.values["origin_delay__departures_1h"] == newest["departures_1h"]
        else:
            assert "origin_delay__departures_1h" not in example.values


def test_the_model_tells_late_flights_from_punctual_ones(learnt):
    """Fitted on the first part, it beats the mean on the rest, and its top tenth is late twice as often."""
    cut = len(learnt) * 7 // 10
    delays = np.array([example.departure.dep_delay for example in learnt])
    model = DelayPredictor.fit((example.values, example.departure.dep_delay) for example in learnt[:cut])
    nothing = dict.fromkeys(INPUTS)

    predicted = np.array([model.predict(nothing | example.values) for example in learnt[cut:]])
    actual = np.minimum(delays[cut:], 180)
    late = actual > 30
    assert np.mean((actual - predicted) ** 2) < np.mean((actual - np.minimum(delays[:cut], 180).mean()) ** 2)
    assert late[predicted >= np.quantile(predicted, 0.9)].mean() > 2 * late.mean()


def test_the_same_rows_give_the_same_model(learnt):
    """Fitting twice gives the same weights, to the bit."""
    pairs = [(example.values, example.departure.dep_delay) for example in learnt[:500]]

    first, second = DelayPredictor.fit(pairs), DelayPredictor.fit(pairs)

    assert np.array_equal(first.weights, second.weights)


def test_a_missing_value_is_no_error_and_a_missing_name_is(learnt):
    """None gives a finite prediction; a name that the row lacks, as after a renaming, is a KeyError."""
    model = DelayPredictor.fit((example.values, example.departure.dep_delay) for example in learnt[:500])

    assert np.isfinite(model.predict(dict.fromkeys(INPUTS)))
    with pytest.raises(KeyError, match=INPUTS[0]):
        model.predict(dict.fromkeys(INPUTS[1:], 0.0))


def test_a_model_of_nothing_is_refused():
    """Fitting no rows is an error, not a model that predicts nonsense."""
    with pytest.raises(ValueError, match="at least one row"):
        DelayPredictor.fit([])
