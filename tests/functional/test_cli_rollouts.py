"""`syncline rollout` and the history beside a real coordinator, on the embedded broker."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from syncline import wiring
from syncline.adapters.embedded.log import EmbeddedLog
from syncline.adapters.registry import ConfluentRegistry
from syncline.cli.main import run
from syncline.settings import CoordinatorSettings
from tests.unit.definitions.texts import BUNDLE, BUNDLE_FILE, WHOLE, changed, write

if TYPE_CHECKING:
    from tests.conftest import Embedded

Call = Callable[..., tuple[int, str, str]]
WHY = ("--reason", "INC-7")


@pytest.fixture
def cli(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Call:
    """The command line in this process, on a cluster whose bundle has a second release."""
    log = EmbeddedLog(embedded.broker)
    monkeypatch.setattr(wiring, "open_log", lambda settings: log)
    monkeypatch.setattr(wiring, "open_registry", lambda settings: ConfluentRegistry(embedded.registry_url))
    monkeypatch.setenv("SYNCLINE_ACTOR", "ada")

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    assert call("apply", write(tmp_path, WHOLE), "--yes")[0] == 0
    second = changed(
        BUNDLE,
        ("as: origin, keys: {airport: origin}, features: [delay]", "as: origin, keys: {airport: origin}"),
    )
    assert call("apply", write(tmp_path, {**WHOLE, BUNDLE_FILE: second}), "--yes")[0] == 0
    return call


@contextmanager
def coordinating(name: str) -> Iterator[None]:
    """A coordinator of this name is running, beside the command line: the embedded broker knows no other admin."""
    stop = threading.Event()
    settings = CoordinatorSettings.load(coordinator=name, report_interval_s=0.2)
    # Its log must not stand among the results of the commands.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    try:
        worker = wiring.make_coordinator(settings, stopped=stop.is_set, wait=stop.wait)
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(30)
        assert not thread.is_alive()
    finally:
        structlog.reset_defaults()


def awaited(condition: Callable[[], bool], *, timeout_s: float = 60.0) -> None:
    """Wait until it is so."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.1)


def document(cli: Call, *arguments: object) -> dict[str, Any]:
    """The JSON that a command prints, whatever its exit code."""
    _, out, err = cli(*arguments, "--output", "json")
    assert out, err
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def test_a_release_goes_live_and_back_and_the_history_says_who_and_why(cli: Call) -> None:
    """P11: asked for, enacted at a cut, rolled back at once; every record has an actor and a reason."""
    with coordinating("c1"):
        live = document(cli, "rollout", "start", "flight_inputs@2", *WHY, "--wait", "--timeout", "60 s")
        assert (live["done"], live["answer"]) == (True, "flight_inputs@2 is live for everyone")
        assert "committed at offset" in live["steps"][1]

        state = document(cli, "rollout", "status")
        (coordinator,) = state["coordinators"]
        assert (coordinator["coordinator"], coordinator["is_live"]) == ("c1", True)
        assert (state["bundles"][0]["live_release"], state["bundles"][0]["standing_release"]) == (2, 1)

        back = document(cli, "rollout", "rollback", "flight_inputs", *WHY, "--wait", "--timeout", "60 s")
        assert (back["done"], back["answer"]) == (True, "rolled back: flight_inputs@1 is live")

    decisions = document(cli, "catalog", "log", "--about", "flight_inputs@2")["decisions"]
    assert [each["kind"] for each in decisions] == [
        "BundleReleased",
        "RolloutRequested",
        "CutPrepared",
        "CutCommitted",
    ]
    assert {each["actor"] for each in decisions} == {"ada", "c1"}
    everything = document(cli, "catalog", "log")["decisions"]
    assert all(each["actor"] and each["reason"] and each["counts"] for each in everything)


def test_whoever_asks_before_a_coordinator_runs_is_served_by_the_first_one(
    cli: Call, embedded: Embedded
) -> None:
    """The request stands: it warns, exits 1 in time with --wait, and is enacted later."""
    code, out, err = cli("rollout", "start", "flight_inputs@2", *WHY, "--wait", "--timeout", "100 ms")
    assert code == 1
    assert "no coordinator was heard of lately" in out
    assert "syncline rollout status flight_inputs" in err

    with coordinating("c1"):
        final = ("rollout", "promote", "flight_inputs", *WHY, "--wait", "--timeout", "60 s")
        # Not only committed: what a coordinator says of a rollout makes void what was asked just before.
        awaited(lambda: document(cli, "rollout", "status")["bundles"][0]["rollout"]["step"] == "live")
        assert document(cli, *final)["answer"] == "flight_inputs@2 is final"

    state = document(cli, "rollout", "status", "flight_inputs")["bundles"][0]
    assert (state["standing_release"], state["rollout"], state["last_rollout"]["outcome"]) == (
        2,
        None,
        "final",
    )
