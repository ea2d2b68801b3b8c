"""Publishing a version on its way out: deprecated, it is warned of every hour; retired, it is refused."""

from __future__ import annotations

import logging
from datetime import date

import pytest

from syncline.catalog.lifecycle_events import ViewVersionDeprecated, ViewVersionRetired
from syncline.catalog_client import Author, CatalogClient
from syncline.contracts.model import Version
from syncline.errors import PublishError
from tests.unit.publisher.airport import airport_contract, register

REFERENCE = "airport_delay@1.0"
TEXT = "deprecated since 2026-01-01, supported until 2026-06-30"


def decide(log, clock, *payloads) -> None:
    """Append decisions to the catalog."""
    catalog = CatalogClient(log, "syncline.catalog", clock=clock, client_id="tests")
    try:
        catalog.catch_up(5)
        catalog.propose(payloads, Author("ada", "because"))
    finally:
        catalog.close()


def deprecated(alternative: str = "") -> ViewVersionDeprecated:
    """A deprecation of what the tests publish."""
    return ViewVersionDeprecated(
        "airport_delay", Version(1, 0), date(2026, 1, 1), date(2026, 6, 30), alternative
    )


def warnings(caplog) -> list[str]:
    """What was logged as a warning."""
    return [found.getMessage() for found in caplog.records if found.levelno == logging.WARNING]


def test_a_deprecated_version_is_published_with_a_warning_every_hour(log, clock, publisher, caplog):
    """At once; asked for again it is not news; and by the publisher's own thread once the hour is over."""
    decide(log, clock, deprecated())

    view = publisher.view(REFERENCE)
    publisher.view(REFERENCE)

    assert view.contract.reference == REFERENCE
    assert warnings(caplog) == [f"{REFERENCE}, which is published here, is {TEXT}"]
    publisher._outbox._on_turn()
    assert len(warnings(caplog)) == 1
    clock.advance(seconds=3_600)
    publisher._outbox._on_turn()
    assert len(warnings(caplog)) == 2


def test_a_version_in_good_standing_is_not_warned_of(log, clock, publisher, caplog):
    """Nor is one whose neighbour is deprecated."""
    register(log, airport_contract("syncline", version="1.1"), prefix="syncline", schema_id=8)
    decide(log, clock, deprecated())

    publisher.view("airport_delay@1.1")

    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("alternative", "said"),
    [("", "use airport_delay@1.1"), ("airport_delay@1", "use airport_delay@1$")],
)
def test_a_retired_version_is_refused_with_what_to_use(log, clock, publisher, alternative, said):
    """Nobody publishes under it any more; the newest version is published as ever."""
    register(log, airport_contract("syncline", version="1.1"), prefix="syncline", schema_id=8)
    decide(log, clock, deprecated(alternative), ViewVersionRetired("airport_delay", Version(1, 0)))

    with pytest.raises(PublishError, match=f"{REFERENCE} was retired at catalog offset 3 by ada.*{said}"):
        publisher.view(REFERENCE)

    assert publisher.view("airport_delay").contract.reference == "airport_delay@1.1"


def test_where_no_version_is_left_it_says_so(log, clock, publisher):
    """And a view that was got before goes on: its version stays what it is."""
    before = publisher.view("airport_delay")
    decide(log, clock, ViewVersionRetired("airport_delay", Version(1, 0)))

    with pytest.raises(PublishError, match="no version of airport_delay is left"):
        publisher.view("airport_delay")
    assert before.delete({"airport": "EWR"}, event_time=clock.now_us()).queued == 1
