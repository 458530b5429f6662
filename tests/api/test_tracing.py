"""Requests as spans of OpenTelemetry, from whoever asked to what they wrote."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id
from test_entrance import JSON, send

from reelstream.api.app import create_app, create_entrance
from reelstream.api.tracing import trace_requests

TRACE, SENDER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
RATING = {"userId": 5, "movieId": 31, "rating": 4.5}


@pytest.fixture
def traced(api: SimpleNamespace) -> SimpleNamespace:
    """The API with `spans()`, what was recorded of the requests so far."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = create_app(api.service)
    trace_requests(app, api.service, provider)
    return SimpleNamespace(app=app, client=app.test_client(), spans=exporter.get_finished_spans)


def one(traced: SimpleNamespace) -> ReadableSpan:
    (span,) = traced.spans()
    assert isinstance(span, ReadableSpan)
    return span


def test_a_request_is_a_span_that_says_what_it_was(traced: SimpleNamespace) -> None:
    """By OpenTelemetry's names; the route is a template."""
    traced.client.get("/v1/items/31")
    span = one(traced)
    assert (span.name, span.kind) == ("GET /v1/items/{movieId}", SpanKind.SERVER)
    wanted = {
        "http.request.method": "GET",
        "http.route": "/v1/items/{movieId}",
        "http.response.status_code": 200,
        "url.path": "/v1/items/31",
        "url.scheme": "http",
        "client.address": "127.0.0.1",
        "reelstream.model_set": 2,
    }
    assert dict(span.attributes or {}) == wanted


def test_a_trace_goes_from_its_sender_into_the_log(
    traced: SimpleNamespace, api: SimpleNamespace
) -> None:
    """The record names the request's span, which names the sender's."""
    headers = {"traceparent": f"00-{TRACE}-{SENDER}-01"}
    assert traced.client.post("/v1/ratings", json=RATING, headers=headers).status_code == 202
    span = one(traced)
    assert span.parent is not None and span.context is not None
    assert format_trace_id(span.context.trace_id) == TRACE
    assert format_span_id(span.parent.span_id) == SENDER
    with api.broker.consumer("ratings") as consumer:
        consumer.seek({0: 0})
        (record,) = consumer.poll(10, 60.0)
    assert dict(record.headers) == {
        "traceparent": f"00-{TRACE}-{format_span_id(span.context.span_id)}-01".encode()
    }


def test_what_fails_is_marked(
    traced: SimpleNamespace, api: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client's mistake is none of the server's."""
    traced.client.get("/nothing")
    api.registry.sets[2].knows = None
    traced.client.get("/predict_regression?userId=1&movieId=31")
    missing, failed = traced.spans()
    assert missing.name == "GET" and missing.status.is_unset
    assert failed.attributes["http.response.status_code"] == 500
    assert not failed.status.is_ok and not failed.status.is_unset


def test_no_request_is_answered_without_a_span(traced: SimpleNamespace) -> None:
    """Neither one that would need no Flask."""
    entrance = create_entrance(traced.app)
    body = b'{"userId":1,"movieId":31}'
    for _ in range(2):
        answer = asyncio.run(send(entrance, "POST", "/predict_regression", [body], JSON))
        assert answer.status == 200
    entrance.close()
    assert len(traced.spans()) == 2
