"""Flights are loaded, and the demo's rows computed, once for all tests of the demo."""

from __future__ import annotations

import pytest

from syncline.demo.flight_data import load_flights
from syncline.demo.flights import DEMO, Replay


@pytest.fixture(scope="session")
def data():
    """The whole year."""
    return load_flights()


@pytest.fixture(scope="session")
def demo(data):
    """The five weeks of the demo."""
    return Replay(data, DEMO)


@pytest.fixture(scope="session")
def demo_heard(demo):
    """Every row of the demo, as heard."""
    return list(demo.heard())
