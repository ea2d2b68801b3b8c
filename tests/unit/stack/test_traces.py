"""Spans in Jaeger's answers, as plain values."""

from __future__ import annotations

from tests.stack.traces import Kind, Link, Status, spans_of


def answer(*spans):
    """An answer of the API v3 with these spans of one service."""
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "agent"}}]}
    scopes = [{"scope": {"name": "syncline"}, "spans": [span]} for span in spans]
    return {"result": {"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]}}


def span(span_id, **more):
    """The least that a span has."""
    return {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": span_id, "name": "deliver", **more}


def test_nothing_is_no_spans():
    """No answer, and one without spans."""
    assert spans_of(None) == spans_of({"result": {}}) == []


def test_spans_are_in_order_of_their_start():
    """However they are grouped."""
    told = answer(span("b", startTimeUnixNano="20"), span("a", startTimeUnixNano="3"))

    assert [each.span_id for each in spans_of(told)] == ["a", "b"]


def test_what_is_left_out_is_empty():
    """A root of no kind, without status, values, links and events."""
    [found] = spans_of(answer(span("a")))

    assert (found.parent_span_id, found.kind, found.status) == (None, Kind.UNSPECIFIED, Status.UNSET)
    assert (found.attributes, found.links, found.events) == ({}, (), ())
    assert (found.service, found.scope) == ("agent", "syncline")


def test_values_are_those_of_python():
    """64-bit numbers, which are text in JSON, are numbers; lists and maps are what they are."""
    values = {
        "number": {"intValue": "9007199254740993"},
        "share": {"doubleValue": 2},
        "list": {"arrayValue": {"values": [{"stringValue": "x"}, {"boolValue": False}]}},
        "empty": {"arrayValue": {}},
        "map": {"kvlistValue": {"values": [{"key": "depth", "value": {"intValue": "3"}}]}},
        "nothing": {},
    }
    attributes = [{"key": key, "value": value} for key, value in values.items()]

    [found] = spans_of(answer(span("a", attributes=attributes, links=[{"traceId": "c", "spanId": "d"}])))

    assert found.attributes == {
        "number": 9007199254740993,
        "share": 2.0,
        "list": ["x", False],
        "empty": [],
        "map": {"depth": 3},
        "nothing": None,
    }
    assert found.links == (Link("c", "d", {}),)


def test_remarks_of_jaeger_are_left_out():
    """What nobody sent is not among the attributes."""
    remark = {"key": "@jaeger@warnings", "value": {"arrayValue": {"values": [{"stringValue": "clock skew"}]}}}

    assert spans_of(answer(span("a", attributes=[remark])))[0].attributes == {}
