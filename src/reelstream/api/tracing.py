"""Traces of requests, under OpenTelemetry's names: a span for each, which goes on in the log.

Needs the extra `otel`; nothing else imports this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from reelstream import __version__
from reelstream.api.app import QUICK
from reelstream.api.metrics import route_template
from reelstream.api.service import Service

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_trace_context = TraceContextTextMapPropagator()


def exporting_provider() -> TracerProvider:
    """What sends spans to a collector, as the variables OTEL_… of OpenTelemetry say: to
    OTEL_EXPORTER_OTLP_ENDPOINT, by default this machine's.
    """
    resource = Resource.create({"service.name": "reelstream", "service.version": __version__})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def trace_requests(app: Flask, service: Service, provider: TracerProvider) -> None:
    """Make a span for each request of `app`: the child of the trace that its sender names, and the
    parent of what the request writes.
    """
    tracer = provider.get_tracer("reelstream", __version__)
    inner = app.wsgi_app

    def traced(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        sent = {
            name: environ[f"HTTP_{name.upper()}"]
            for name in ("traceparent", "tracestate")
            if f"HTTP_{name.upper()}" in environ
        }
        with tracer.start_as_current_span(
            method,
            context=_trace_context.extract(sent),
            kind=SpanKind.SERVER,
            attributes=_asked(environ),
        ) as span:
            # What the request writes carries its header on: now that of its own span. There is none
            # where OTEL_SDK_DISABLED says so.
            _trace_context.inject(sent)
            environ |= {f"HTTP_{name.upper()}": value for name, value in sent.items()}
            return inner(environ, _noting_status(span, start_response))

    @app.after_request
    def _describe(response: Response) -> Response:
        span, rule, number = get_current_span(), request.url_rule, service.predictor.number
        if rule is not None:
            route = route_template(rule.rule)
            span.update_name(f"{request.method} {route}")
            span.set_attribute("http.route", route)
        if number is not None:
            span.set_attribute("reelstream.model_set", number)
        return response

    app.wsgi_app = traced  # type: ignore[method-assign]  # as Flask documents it
    # What is answered without Flask would have no span.
    app.extensions[QUICK] = {}


def _asked(environ: WSGIEnvironment) -> dict[str, Any]:
    return {
        "http.request.method": environ["REQUEST_METHOD"],
        "url.path": environ["PATH_INFO"],
        "url.scheme": environ["wsgi.url_scheme"],
        "client.address": environ.get("REMOTE_ADDR", ""),
    }


def _noting_status(span: Span, start_response: StartResponse) -> Callable[..., Any]:
    """`start_response`, after the span was told the status."""

    def start(status: str, *rest: Any) -> Any:
        code = int(status[:3])
        span.set_attribute("http.response.status_code", code)
        if code >= 500:
            span.set_status(StatusCode.ERROR)
        return start_response(status, *rest)

    return start
