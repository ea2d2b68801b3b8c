"""Where spans go: the application's provider, or what the `OTEL_…` variables say, or nowhere."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from syncline.telemetry.provider import Spans, find_spans
from syncline.telemetry.tracing import SHARE, settled_share
from syncline.version import __version__
from tests.stack.ports import free_port
from tests.unit.telemetry.otlp_sink import otlp_sink


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of OpenTelemetry's variables of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """An application that has set up a provider of its own."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield exporter
    provider.shutdown()


def found(
    monkeypatch: pytest.MonkeyPatch, *, service: str = "syncline-agent", **variables: str
) -> Spans | None:
    """The provider under these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return find_spans(service=service, instance="model/a", on_dropped=lambda *_: None)


def emit(spans: Spans, *names: str) -> None:
    """Spans of these names."""
    tracer = spans.provider.get_tracer("test")
    for name in names:
        tracer.start_span(name).end()


# Whether there are any.


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_TRACES_EXPORTER": "otlp,none"},
        {"OTEL_TRACES_EXPORTER": " , "},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_SDK_DISABLED": " TRUE ", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on"},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:1"},
    ],
)
def test_nobody_asked(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """No provider, no thread, nothing to pay."""
    before = {*threading.enumerate()}

    assert found(monkeypatch, **variables) is None

    assert not {*threading.enumerate()} - before


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_an_endpoint_is_enough(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As everywhere: no setting of ours is needed beside OpenTelemetry's."""
    with otlp_sink() as sink:
        path = "" if name == "OTEL_EXPORTER_OTLP_ENDPOINT" else "/v1/traces"
        spans = found(monkeypatch, **{name: sink.endpoint + path})
        assert spans is not None
        assert spans.is_ours
        emit(spans, "one", "two")
        spans.close(5.0)

        assert sorted(sink.names()) == ["one", "two"]


def test_the_resource_says_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The role, where nobody says otherwise."""
    with otlp_sink() as sink:
        spans = found(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
        assert spans is not None
        emit(spans, "one")
        spans.close(5.0)

        assert sink.resource()["service.name"] == "syncline-agent"
        assert sink.resource()["service.version"] == __version__


def test_the_resource_says_which_replica_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The instance by its name, as in logs and reports: a number of chance finds nobody."""
    with otlp_sink() as sink:
        spans = found(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
        assert spans is not None
        emit(spans, "one")
        spans.close(5.0)

        assert sink.resource()["service.instance.id"] == "model/a"


def test_the_variables_count_before_what_we_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, as everywhere."""
    with otlp_sink() as sink:
        spans = found(
            monkeypatch,
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
            OTEL_SERVICE_NAME="delays",
            OTEL_RESOURCE_ATTRIBUTES="service.instance.id=pod-7,deployment.environment.name=prod",
        )
        assert spans is not None
        emit(spans, "two")
        spans.close(5.0)
        theirs = sink.resource()

    assert (theirs["service.name"], theirs["service.instance.id"]) == ("delays", "pod-7")
    assert theirs["deployment.environment.name"] == "prod"


def test_the_applications_own_provider_counts_first_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, application: InMemorySpanExporter
) -> None:
    """Spans of a library belong where the application sends its own; closing a publisher does not end it."""
    spans = found(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert spans is not None
    assert not spans.is_ours
    emit(spans, "before")
    spans.flush(1.0)
    spans.close(1.0)
    emit(spans, "after")

    assert [span.name for span in application.get_finished_spans()] == ["before", "after"]


def test_what_is_made_is_kept_whatever_the_sampler_of_the_variables_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which updates are traced was decided before; a second decision would tear traces apart."""
    with otlp_sink() as sink:
        spans = found(
            monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, OTEL_TRACES_SAMPLER="always_off"
        )
        assert spans is not None
        emit(spans, "root")
        tracer = spans.provider.get_tracer("test")
        for flags, name in ((1, "under sampled"), (0, "under unsampled")):
            parent = NonRecordingSpan(SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(flags)))
            tracer.start_span(name, set_span_in_context(parent)).end()
        spans.close(5.0)

        assert sorted(sink.names()) == ["root", "under sampled", "under unsampled"]


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_TRACES_EXPORTER": "no-such-exporter"},
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "carrier-pigeon",
        },
    ],
)
def test_an_exporter_that_is_not_installed_is_told_and_does_not_stop_anything(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variables: dict[str, str]
) -> None:
    """A warning that says what to install: telemetry never keeps a job from running."""
    with caplog.at_level(logging.WARNING, "syncline.telemetry"):
        assert found(monkeypatch, **variables) is None

    assert "syncline[otel]" in caplog.text
    assert "is not installed" in caplog.text


WRONG = [
    {"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"},
    {"OTEL_EXPORTER_OTLP_COMPRESSION": "zipped"},
    {"OTEL_EXPORTER_OTLP_HEADERS": "no header at all"},
    {"OTEL_RESOURCE_ATTRIBUTES": "no attribute at all"},
    {"OTEL_BSP_SCHEDULE_DELAY": "often"},
    {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "many"},
    {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "100000"},
    {"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "no-such-detector"},
    {"OTEL_EXPORTER_OTLP_ENDPOINT": "no address at all"},
    {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "few"},
    {"OTEL_BSP_SCHEDULE_DELAY": "0"},
]


@pytest.mark.parametrize("variables", WRONG)
def test_a_variable_with_no_valid_value_does_not_stop_anything(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """OpenTelemetry's rule: telemetry does not break what it is of. It is met at the first `publisher.view`."""
    spans = found(monkeypatch, **{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", **variables})

    assert spans is None or spans.close(1.0) is None


# The end.


def test_closing_is_bounded_whatever_the_exporter_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink that takes half a minute for each answer holds nobody up."""
    with otlp_sink(delay_s=30) as sink:
        spans = found(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint)
        assert spans is not None
        emit(spans, *["x"] * 100)
        began_s = time.monotonic()
        spans.flush(0.3)
        spans.close(0.5)
        spans.close(0.5)
        took_s = time.monotonic() - began_s

    assert took_s < 1.2


def test_closing_towards_nobody_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead port: the exporter's own retries take a minute."""
    spans = found(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    assert spans is not None
    emit(spans, *["x"] * 100)
    began_s = time.monotonic()
    spans.close(0.5)

    assert time.monotonic() - began_s < 0.9


def test_a_process_ends_at_once_though_nobody_takes_its_spans() -> None:
    """No thread of an exporter keeps the interpreter, and no exit handler waits for it."""
    program = (
        "from syncline.telemetry.provider import find_spans\n"
        "spans = find_spans(service='s', instance='i', on_dropped=lambda *_: None)\n"
        "for _ in range(5_000): spans.provider.get_tracer('t').start_span('x').end()\n"
        "import time; time.sleep(0.3); spans.close(0.2); print(time.monotonic())\n"
    )
    with otlp_sink(delay_s=30) as sink:
        environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, timeout=60, check=True, capture_output=True
        )
        ended_s = time.monotonic()

    assert ended_s - float(done.stdout) < 1.0


# The share.


@pytest.mark.parametrize(
    ("setting", "variables", "share"),
    [
        (None, {}, SHARE),
        (None, {"OTEL_TRACES_SAMPLER": "always_on"}, 1.0),
        (None, {"OTEL_TRACES_SAMPLER": "parentbased_always_on"}, 1.0),
        (None, {"OTEL_TRACES_SAMPLER": "always_off"}, 0.0),
        (None, {"OTEL_TRACES_SAMPLER": "PARENTBASED_ALWAYS_OFF "}, 0.0),
        (None, {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}, 0.25),
        (None, {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}, 0.5),
        (None, {"OTEL_TRACES_SAMPLER": "traceidratio"}, 1.0),
        (None, {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "much"}, 1.0),
        (None, {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "7"}, 1.0),
        (None, {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "-7"}, 0.0),
        (None, {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "nan"}, 0.0),
        (None, {"OTEL_TRACES_SAMPLER": "jaeger_remote"}, SHARE),
        (0.5, {"OTEL_TRACES_SAMPLER": "always_on"}, 0.5),
        (0.0, {"OTEL_TRACES_SAMPLER": "always_on"}, 0.0),
    ],
)
def test_the_share_is_the_settings_else_the_variables_else_one_in_a_hundred(
    setting: float | None, variables: dict[str, str], share: float
) -> None:
    """Ours counts, as it is about updates; what everybody knows counts next."""
    assert settled_share(setting, variables) == share
