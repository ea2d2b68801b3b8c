"""`syncline deprecate`, `retire`, `withdraw` and `lock` by the console script, on the session's real Kafka."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from syncline.adapters.kafka.log import KafkaLog
from syncline.catalog.fold import Picture
from syncline.catalog.lifecycle_events import ViewVersionDeprecated
from syncline.catalog_client import CatalogClient
from syncline.clock import SystemClock
from syncline.contracts.model import Version
from syncline.errors import PublishError
from syncline.wire.topics import Topics
from syncline.wiring import Publisher
from tests.unit.definitions.test_plan import ADDED, V1
from tests.unit.definitions.texts import (
    BUNDLE,
    BUNDLE_FILE,
    CONTRACT,
    CONTRACT_FILE,
    SUBSCRIPTION_FILE,
    WHOLE,
    changed,
    write,
)

pytestmark = pytest.mark.real
WHY = ("--reason", "INC-7: nobody needs it", "--actor", "ada")
FIRST = ("airport_delay", Version(1, 0))


@pytest.fixture
def console(stack, prefix):
    """The installed console script on the real stack, under this test's prefix."""
    script = Path(sys.executable).with_name("syncline")
    places = ("--bootstrap-servers", stack.bootstrap_servers, "--registry", stack.registry_url)

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [script, *map(str, arguments), *places, "--prefix", prefix.rstrip("-")],
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    return call


@pytest.fixture
def picture(stack, prefix):
    """Folds the catalog anew."""

    def read() -> Picture:
        topics = Topics(prefix.rstrip("-"))
        catalog = CatalogClient(
            KafkaLog(stack.bootstrap_servers), topics.catalog, clock=SystemClock(), client_id="test"
        )
        try:
            return catalog.catch_up(30.0)
        finally:
            catalog.close()

    return read


def test_from_deprecated_to_retired_by_the_console(console, picture, stack, prefix, tmp_path):
    """Deprecated with dates; refused while it is needed; withdrawn, retired; then plan and publishers refuse it."""
    folder = write(tmp_path, WHOLE)
    assert console("apply", folder).returncode == 0

    deprecated = console(
        "deprecate", "airport_delay@1", "--until", "2099-06-30", "--since", "2026-01-01", *WHY
    )
    assert deprecated.returncode == 0, deprecated.stderr
    assert picture().deprecated[FIRST].payload == ViewVersionDeprecated(
        *FIRST, date(2026, 1, 1), date(2099, 6, 30)
    )
    assert "flight_inputs@1 names airport_delay@1.0" in console("plan", folder).stderr

    refused = console("retire", "airport_delay@1.0", *WHY)
    assert refused.returncode == 1
    assert (
        "delay-predictor (flight_inputs@1, policy: the newest with the MAJORs of release 1)" in refused.stderr
    )
    assert not picture().retired

    assert console("withdraw", "delay-predictor", *WHY).returncode == 0
    (folder / SUBSCRIPTION_FILE).unlink()
    retired = console("retire", "airport_delay@1.0", *WHY)
    assert retired.returncode == 0, retired.stderr
    assert "is to be supported until 2099-06-30, which is not over" in retired.stderr
    stands = picture().retired[FIRST].decision
    assert (stands.actor, stands.reason) == ("ada", "INC-7: nobody needs it")

    write(folder, {"bundles/other.yaml": changed(BUNDLE, ("name: flight_inputs", "name: other"))})
    planned = console("plan", folder)
    assert planned.returncode == 1
    assert "airport_delay@1.0 was retired" in planned.stderr
    settings = {
        "bootstrap_servers": stack.bootstrap_servers,
        "registry_url": stack.registry_url,
        "prefix": prefix.rstrip("-"),
    }
    with (
        Publisher.from_env(**settings) as publisher,
        pytest.raises(PublishError, match=r"airport_delay@1\.0 was retired"),
    ):
        publisher.view("airport_delay")


def test_of_many_who_decide_at_once_each_is_told_the_truth(console, picture, tmp_path):
    """Exit 0 means that the decision counts, exit 1 that it does not; the catalog has no other."""
    assert console("apply", write(tmp_path, WHOLE)).returncode == 0
    days = [f"2099-06-{number:02}" for number in range(1, 5)]

    with ThreadPoolExecutor(len(days)) as pool:
        codes = list(
            pool.map(
                lambda day: console("deprecate", "airport_delay@1.0", "--until", day, *WHY).returncode, days
            )
        )

    found = picture()
    void = [
        str(each.decision.payload.until)
        for each in found.void
        if each.decision is not None and isinstance(each.decision.payload, ViewVersionDeprecated)
    ]
    assert sorted(void) == [day for day, code in zip(days, codes, strict=True) if code == 1]
    assert codes.count(0) + len(void) == len(days)
    assert str(found.deprecated[FIRST].payload.until) not in void


def test_retired_at_once_it_is_retired_once(console, picture, tmp_path):
    """The others exit 1, or are told that it is so already; withdrawn likewise."""
    folder = write(tmp_path, WHOLE)
    assert console("apply", folder).returncode == 0

    with ThreadPoolExecutor(3) as pool:
        withdrawn = list(pool.map(lambda _: console("withdraw", "delay-predictor", *WHY), range(3)))
        retired = list(pool.map(lambda _: console("retire", "airport_delay@1", *WHY), range(3)))

    assert [each.returncode for each in withdrawn].count(0) == 1
    assert not picture().subscriptions
    decided = [each for each in retired if "Decided by ada" in each.stdout]
    assert len(decided) == 1
    for each in retired:
        assert each in decided or each.returncode == 1 or "retired already" in each.stdout
    assert set(picture().retired) == {FIRST}


def test_a_lock_is_the_same_for_whoever_asks(console, tmp_path):
    """Reproducible byte for byte; a new MINOR differs from what is live, and from what was saved."""
    folder = write(tmp_path, WHOLE)
    assert console("apply", folder).returncode == 0
    shown = [console("lock", "show", "delay-predictor", "--output", "json").stdout for _ in range(2)]
    assert shown[0] == shown[1]
    assert json.loads(shown[0])["live"]["differences"] == []
    saved = tmp_path / "saved.json"
    saved.write_text(shown[0], encoding="utf-8")

    write(folder, {CONTRACT_FILE: changed(CONTRACT, V1, ADDED), BUNDLE_FILE: BUNDLE})
    applied = console("apply", folder)
    assert applied.returncode == 0, applied.stderr
    assert "syncline rollout start flight_inputs@2" in applied.stdout + applied.stderr

    differs = console("lock", "diff", "delay-predictor", saved, "--detailed-exitcode")
    assert differs.returncode == 2
    assert "dest:taxi: added (a feature)" in differs.stdout
    assert console("lock", "diff", "delay-predictor", saved, "--to", 1, "--detailed-exitcode").returncode == 0
