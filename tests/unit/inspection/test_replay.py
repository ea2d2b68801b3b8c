"""What a replay foretells is what agents do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.catalog_client import CatalogClient
from syncline.inspection.dead_letters import DeadLetters
from syncline.inspection.replay import Replay
from syncline.wire.control import is_control
from tests.unit.agent.world import CATALOG, Cluster, Host, registration
from tests.unit.cli.cluster import letter
from tests.unit.state.reference import Played, histories
from tests.unit.state.world import NOW_MS, Record, Version

LATER_MS = NOW_MS + 5 * 60_000
VIEWS = {
    action: (
        Version.make(7, on_violation=action, late_arrival="10 min"),
        Version.make(9, version="1.1.0", on_violation=action, late_arrival="10 min", extra=True),
    )
    for action in ("deadLetter", "halt", "observe")
}


@settings(max_examples=25)
@given(
    action=st.sampled_from(sorted(VIEWS)),
    history=histories(VIEWS["deadLetter"], ["EWR", "JFK"], most=25),
)
def test_what_is_foretold_comes_true(action: str, history: list[Played]) -> None:
    """Each letter, published at that moment, is folded where that was foretold, and rejected by the same rule else."""
    versions = VIEWS[action]
    cluster = Cluster.ready(*versions[:1])
    cluster.decide(registration(versions[1]))
    topic = versions[0].contract.topic
    records = [each.record for each in history if not is_control(each.record.key, each.record.value)]
    cluster.put(f"{topic}.dlq", [letter(versions[0], each, offset=n) for n, each in enumerate(records)])
    client = CatalogClient(cluster.log, CATALOG, clock=cluster.clock, client_id="tests")
    picture = client.catch_up(5)

    letters = list(DeadLetters(cluster.log, [topic]))
    foretold = list(Replay(picture, topic).judge(letters, now_ms=LATER_MS))

    for prospect in foretold:
        # One partition of its own for each, so that a record that holds hides no other.
        alone = Cluster.ready(*versions[:1])
        alone.decide(registration(versions[1]))
        alone.put(topic, [Record(prospect.key, prospect.value, LATER_MS, tuple(prospect.headers))])
        host = Host(alone)
        state = host.settle().state
        rejected = [each.reason.rule for each in alone.letters(versions[0])]
        if prospect.fault is None:
            assert (state, rejected) == ("LIVE", [])
        elif prospect.fault.holds:
            assert (state, rejected) == ("HOLDING", [])
        else:
            assert (state, rejected) == ("LIVE", [prospect.fault.rule])


@pytest.mark.parametrize("action", VIEWS)
def test_each_letter_has_its_own_verdict_in_their_order(action: str) -> None:
    """One that would hold does not keep the next from being judged."""
    version = VIEWS[action][0]
    cluster = Cluster.ready(version)
    topic = version.contract.topic
    rows = [version.record(at_us=NOW_MS * 1_000, mean=mean) for mean in (500.0, 1.0, 600.0, 2.0)]
    cluster.put(f"{topic}.dlq", [letter(version, each, offset=n) for n, each in enumerate(rows)])
    picture = CatalogClient(cluster.log, CATALOG, clock=cluster.clock, client_id="tests").catch_up(5)

    judged = Replay(picture, topic).judge(list(DeadLetters(cluster.log, [topic])), now_ms=NOW_MS)

    faults = [(each.fault.rule, each.fault.holds) if each.fault else None for each in judged]
    broken = None if action == "observe" else ("maximum", action == "halt")
    assert faults == [broken, None, broken, None]
