"""The real servers of the test run: that a fault is one, what survives it, and that they tell what they were told."""

from __future__ import annotations

import http.server
import json
import os
import threading
import time
import urllib.error
import urllib.request
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.stack.eventually import eventually
from tests.stack.jaeger import Jaeger, why_no_jaeger
from tests.stack.prometheus import Prometheus, why_no_prometheus
from tests.stack.traces import Kind, Status

pytestmark = pytest.mark.real


@pytest.fixture
def topic(kafka, prefix):
    """A topic of one partition."""
    name = f"{prefix}records"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    return name


def write(kafka, topic, value, *, timeout_s=60.0):
    """How many records are left unacknowledged of one."""
    settings = {"acks": "all", "log_level": 0, "error_cb": lambda _error: None}
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, **settings})
    producer.produce(topic, value)
    left = producer.flush(timeout_s)
    producer.purge()
    return left


def read(kafka, topic):
    """All values of the topic."""
    reader = Consumer(
        {"bootstrap.servers": kafka.bootstrap_servers, "group.id": topic, "enable.partition.eof": True}
    )
    reader.assign([TopicPartition(topic, 0, 0)])
    values = []
    while (message := reader.poll(30)) is not None and not message.error():
        values.append(message.value())
    reader.close()
    assert message is not None, "the end of the topic was not reached"
    return values


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_kafka_comes_back_with_its_data(kafka, topic, end):
    """After a stop or a crash it answers on the same port, with what it had acknowledged."""
    assert write(kafka, topic, b"before") == 0

    getattr(kafka, end)()
    kafka.start()

    assert write(kafka, topic, b"after") == 0
    assert read(kafka, topic) == [b"before", b"after"]


def test_paused_kafka_acknowledges_nothing(kafka, topic):
    """While it is frozen nothing is acknowledged; resumed it serves on."""
    kafka.pause()
    assert write(kafka, topic, b"lost", timeout_s=0.5) == 1

    kafka.resume()
    assert write(kafka, topic, b"kept") == 0


def test_registry_comes_back_with_its_schemas(stack, registry_url, prefix):
    """After a restart an id still gives its schema."""
    from syncline.adapters.registry import ConfluentRegistry

    registry = ConfluentRegistry(registry_url, timeout_s=20.0)
    schema_id = registry.register(f"{prefix}value", '"string"')

    stack.registry.stop()
    stack.registry.start()

    assert registry.schema(schema_id) == '"string"'


def need(missing):
    """Skip the test where a part cannot be had; under CI that is a failure."""
    if missing is not None:
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)


@pytest.fixture(scope="module")
def jaeger(tmp_path_factory):
    """A Jaeger that the tests of this file share."""
    need(why_no_jaeger())
    started = Jaeger(tmp_path_factory.mktemp("jaeger"))
    started.start()
    yield started
    started.stop()


@pytest.fixture
def service(prefix):
    """A service name that is this test's alone."""
    return prefix.rstrip("-")


def pairs(values):
    """Attributes of OTLP as JSON."""
    kinds = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}
    return [{"key": key, "value": {kinds[type(value)]: value}} for key, value in values.items()]


def send(jaeger, service, *spans, host="here"):
    """Send spans by OTLP over HTTP, as JSON: what an exporter sends, in words."""
    resource = {"attributes": pairs({"service.name": service, "host.name": host})}
    scope = {"scope": {"name": "by hand"}, "spans": list(spans)}
    body = json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}).encode()
    request = urllib.request.Request(
        f"{jaeger.otlp_endpoint}/v1/traces", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200


def span(trace_id, span_id, name, *, start_ns, end_ns, **more):
    """One span of OTLP as JSON."""
    times = {"startTimeUnixNano": str(start_ns), "endTimeUnixNano": str(end_ns)}
    return {"traceId": trace_id, "spanId": span_id, "name": name, **times, **more}


def test_jaeger_tells_a_span_as_it_was_sent(jaeger, service):
    """Found by its service and by its trace, with ids, times to the nanosecond, kind, values, links and status."""
    trace_id, other = uuid4().hex, uuid4().hex
    now = time.time_ns()
    values = {"text": "x", "number": 7, "share": 0.5, "yes": True, "no": False, "nothing": ""}
    sent = span(
        trace_id,
        "00f067aa0ba902b7",
        "send delays",
        start_ns=now - 2_000_000_001,
        end_ns=now,
        kind=4,
        parentSpanId="00f067aa0ba902b8",
        attributes=pairs(values),
        links=[{"traceId": other, "spanId": "00f067aa0ba902b9", "attributes": pairs({"why": "batch"})}],
        events=[{"name": "queued", "timeUnixNano": str(now - 5), "attributes": pairs({"depth": 3})}],
        status={"code": 2, "message": "late"},
    )

    send(jaeger, service, sent)

    [found] = jaeger.traces.wait(service)
    assert jaeger.traces.trace(trace_id) == [found]
    assert (found.trace_id, found.span_id, found.parent_span_id) == (
        trace_id,
        "00f067aa0ba902b7",
        "00f067aa0ba902b8",
    )
    assert (found.service, found.scope, found.name, found.kind) == (
        service,
        "by hand",
        "send delays",
        Kind.PRODUCER,
    )
    assert (found.start_ns, found.end_ns, found.duration_s) == (now - 2_000_000_001, now, 2.000000001)
    assert found.attributes == values
    assert [(link.trace_id, link.span_id, link.attributes) for link in found.links] == [
        (other, "00f067aa0ba902b9", {"why": "batch"})
    ]
    assert [(event.name, event.at_ns, event.attributes) for event in found.events] == [
        ("queued", now - 5, {"depth": 3})
    ]
    assert (found.status, found.status_message) == (Status.ERROR, "late")
    assert service in jaeger.traces.services()


def test_jaeger_finds_by_name_and_by_tag(jaeger, service):
    """A name finds whole traces that have it, a tag what has exactly this value; what is not there is not found."""
    slow, quick = uuid4().hex, uuid4().hex
    now = time.time_ns()
    for trace_id, bucket in ((slow, "gt_10s"), (quick, "le_100ms")):
        attributes = pairs({"syncline.lag.bucket": bucket})
        deliver = span(trace_id, uuid4().hex[:16], f"deliver {bucket}", start_ns=now - 1, end_ns=now)
        send(jaeger, service, deliver | {"attributes": attributes})

    jaeger.traces.wait(service, lambda spans: len(spans) == 2)

    assert [each.trace_id for each in jaeger.traces.find(service, operation="deliver gt_10s")] == [slow]
    assert jaeger.traces.tagged(service, {"syncline.lag.bucket": "gt_10s"}) == {slow}
    assert jaeger.traces.tagged(service, {"syncline.lag.bucket": "gt_1"}) == set()
    assert jaeger.traces.find("nobody") == jaeger.traces.trace(uuid4().hex) == []
    with pytest.raises(TimeoutError, match="deliver"):
        jaeger.traces.wait(service, lambda spans: len(spans) == 3, timeout_s=0.1)


def test_jaeger_moves_no_span_in_time(jaeger, service):
    """A child from another machine that began before its parent keeps its times: its duration is the lag."""
    trace_id, parent = uuid4().hex, uuid4().hex[:16]
    now = time.time_ns()
    send(jaeger, service, span(trace_id, parent, "send", start_ns=now - 10_000_000, end_ns=now))
    child = span(trace_id, uuid4().hex[:16], "deliver", start_ns=now - 5_000_000_000, end_ns=now - 1)

    send(jaeger, service, child | {"parentSpanId": parent}, host="elsewhere")

    jaeger.traces.wait_trace(trace_id, lambda spans: len(spans) == 2)
    shown = jaeger.traces.trace(trace_id, as_shown=True)
    assert [(each.name, each.start_ns, each.end_ns) for each in shown] == [
        ("deliver", now - 5_000_000_000, now - 1),
        ("send", now - 10_000_000, now),
    ]


def test_paused_jaeger_takes_nothing(jaeger, service):
    """While it is frozen a sender waits in vain; resumed it takes spans, and stopped it refuses them."""
    now = time.time_ns()
    sent = span(uuid4().hex, uuid4().hex[:16], "send", start_ns=now - 1, end_ns=now)
    request = urllib.request.Request(f"{jaeger.otlp_endpoint}/v1/traces", b"{}")
    jaeger.pause()
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(request, timeout=0.3)

    jaeger.resume()
    send(jaeger, service, sent)
    assert jaeger.traces.wait(service)

    jaeger.stop()
    with pytest.raises(urllib.error.URLError, match="refused"):
        send(jaeger, service, sent)
    jaeger.start()
    send(jaeger, service, sent)
    assert jaeger.traces.wait(service)


EXPOSITION = """# TYPE updates counter
updates_total{topic="delays"} 3.0 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 1.0 {at:.3f}
# EOF
"""


@pytest.fixture(scope="module")
def exporter():
    """An address that serves /metrics as OpenMetrics, and the list of what it was asked for by."""
    accepted = []

    class Metrics(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            accepted.append(self.headers["Accept"])
            body = EXPOSITION.replace("{at:.3f}", f"{time.time():.3f}").encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metrics) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", accepted
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory, exporter):
    """A Prometheus with the deployed configuration and rules that scrapes the exporter."""
    need(why_no_prometheus())
    started = Prometheus(tmp_path_factory.mktemp("prometheus"), {"syncline-agent": [exporter[0]]})
    started.start()
    yield started
    started.stop()


def test_prometheus_scrapes_and_answers(prometheus, exporter):
    """A target's series have its job; exemplars lead to a trace, as it asks for OpenMetrics; what is wrong is said."""
    [sample] = prometheus.wait("updates_total == 3")

    assert sample.labels == {
        "__name__": "updates_total",
        "instance": exporter[0],
        "job": "syncline-agent",
        "topic": "delays",
    }
    assert prometheus.query("updates_total", at=sample.at_s - 3600) == []
    assert prometheus.query("1 + 1")[0].value == 2
    assert [(each.job, each.address, each.health) for each in prometheus.targets()] == [
        ("syncline-agent", exporter[0], "up")
    ]
    assert "application/openmetrics-text" in exporter[1][0]
    exemplars = eventually(lambda: prometheus.exemplars("updates_total"))
    assert exemplars[0].labels == {"trace_id": "0af7651916cd43dd8448eb211c80319c"}
    with pytest.raises(RuntimeError, match="parse error"):
        prometheus.query("updates_total{")


def test_prometheus_keeps_its_data_and_takes_other_targets(prometheus, exporter):
    """After a restart it still has what it scraped; it scrapes what it was told since, and what is away is down."""
    [before] = prometheus.wait("updates_total")

    prometheus.stop()
    prometheus.scrape({"syncline-publisher": ["127.0.0.1:9"], "syncline-coordinator": [exporter[0]]})
    prometheus.start()

    assert prometheus.query("updates_total", at=before.at_s)
    assert prometheus.wait('up{job="syncline-publisher"} == 0')
    assert prometheus.wait('updates_total{job="syncline-coordinator"}')
    assert {target.job for target in prometheus.targets()} == {"syncline-coordinator", "syncline-publisher"}
