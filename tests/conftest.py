"""Fixtures that every test may ask for. The real stack starts once, when the first test asks for it."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import settings

from syncline.adapters.embedded.broker import EmbeddedBroker
from syncline.adapters.embedded.registry import EmbeddedRegistry
from tests.stack.jaeger import Jaeger, jaeger_binary, why_no_jaeger
from tests.stack.prometheus import Prometheus, why_no_prometheus
from tests.stack.stack import Stack, StackError, choose_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.stack.stack import KafkaServer

# No test is timed: a slow machine is not a failure. In CI the examples are the same in every run.
settings.register_profile("syncline", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("syncline")

_STACK = pytest.StashKey[Stack]()
_NOT_RUN = pytest.StashKey[list[str]]()
_NEEDS_REAL = "needs the real Kafka and registry"
# Fixtures that need more than those; where one cannot be had, why not.
_MORE = {"_jaeger": why_no_jaeger, "prometheus": why_no_prometheus, "watched": why_no_prometheus}


@dataclass(frozen=True, slots=True)
class Embedded:
    """An embedded broker with an embedded registry."""

    broker: EmbeddedBroker
    registry: EmbeddedRegistry

    @property
    def bootstrap_servers(self) -> str:
        """Host and port for clients."""
        return self.broker.bootstrap_servers

    @property
    def registry_url(self) -> str:
        """The root of the registry's API."""
        return self.registry.url


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    config.addinivalue_line("markers", "real: needs the real Kafka and registry, not the embedded ones")
    config.addinivalue_line("markers", "untraced: runs long, and what it covers is covered by others")
    config.stash[_NOT_RUN] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Without the tracer of coverage a property test over thousands of examples takes a third of the time."""
    tracer = sys.gettrace() if item.get_closest_marker("untraced") else None
    if tracer is None:
        return (yield)
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)


def _chosen(config: pytest.Config) -> Stack:
    """The session's stack, chosen once and not started."""
    if _STACK not in config.stash:
        config.stash[_STACK] = Stack(*choose_kind())
    return config.stash[_STACK]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch what the real stack needs before the first test, as a test's time limit is not for downloads."""
    if session.config.option.collectonly:
        return
    if any(item.get_closest_marker("real") or "stack" in item.fixturenames for item in session.items):
        try:
            _chosen(session.config).fetch()
        except StackError as error:
            raise pytest.UsageError(str(error)) from error
    if any("jaeger" in item.fixturenames and _why_not(item) is None for item in session.items):
        jaeger_binary()


def _why_not(item: pytest.Item) -> str | None:
    """None where a test finds the servers that it needs; else what is missing."""
    if item.get_closest_marker("real") is None:
        return None
    stack = _chosen(item.config)
    if not stack.is_real:
        return f"{_NEEDS_REAL}, and here is only the {stack.description}"
    missing = [why() for fixture, why in _MORE.items() if fixture in item.fixturenames]
    return "; ".join(filter(None, missing)) or None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a `real` test where a server that it needs is missing; under CI that is a failure."""
    missing = _why_not(item)
    if missing is None:
        return
    if os.environ.get("CI"):
        pytest.fail(missing, pytrace=False)
    item.config.stash[_NOT_RUN].append(item.nodeid)
    pytest.skip(missing)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which stack was used, and what could not be tested."""
    if _STACK not in config.stash:
        return
    terminalreporter.section("stack")
    terminalreporter.line(config.stash[_STACK].description)
    not_run = config.stash[_NOT_RUN]
    if not_run:
        terminalreporter.line(
            f"NOT TESTED, as it needs real servers ({len(not_run)} tests):", red=True, bold=True
        )
        for nodeid in not_run:
            terminalreporter.line(f"  {nodeid}", red=True)
        terminalreporter.line(
            "To run them: Java 17 and Maven, or a container engine; for traces and metrics Go and prometheus."
        )


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The broker and registry of this session, started on first use; real ones wherever they can be had."""
    with _chosen(request.config) as started:
        yield started


@pytest.fixture
def kafka(stack: Stack) -> Iterator[KafkaServer]:
    """The real broker, to stop, kill and freeze; it is up again for the next test. Only for `real` tests."""
    assert stack.kafka is not None, "mark the test with `real`"
    yield stack.kafka
    stack.kafka.resume()
    stack.kafka.start()


@pytest.fixture
def registry_url(stack: Stack) -> str:
    """The root of the session's registry."""
    return stack.registry_url


@pytest.fixture(scope="session")
def _jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    started = Jaeger(tmp_path_factory.mktemp("jaeger"))
    yield started
    started.stop()


@pytest.fixture
def jaeger(_jaeger: Jaeger) -> Jaeger:
    """The session's Jaeger, up at the start of each test, to stop, kill and freeze. Only for `real` tests.

    Tests share it, so each asks for a service or a trace of its own.
    """
    _jaeger.resume()
    _jaeger.start()
    return _jaeger


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[[Mapping[str, Sequence[str]]], Prometheus]]:
    """Starts a Prometheus that scrapes these addresses for these jobs. Only for `real` tests."""
    with contextlib.ExitStack() as running:

        def start(targets: Mapping[str, Sequence[str]]) -> Prometheus:
            made = Prometheus(tmp_path / "prometheus", targets)
            running.callback(made.stop)
            made.start()
            return made

        yield start


@pytest.fixture
def embedded() -> Iterator[Embedded]:
    """A fresh embedded broker and registry, for this test alone."""
    with EmbeddedBroker.start() as broker, EmbeddedRegistry.start() as registry:
        yield Embedded(broker, registry)


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """Begins names of topics and subjects that belong to this test alone, as tests share one broker."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"{name[:40]}-{uuid4().hex[:8]}-"
