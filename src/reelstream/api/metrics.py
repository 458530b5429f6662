"""/metrics, for Prometheus: the server and its requests."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from flask import Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from reelstream.api.service import Service
from reelstream.api.stream_metrics import StreamMetrics
from reelstream.serving.live_scores import MAX_SCORED, LiveScore
from reelstream.serving.predictor import Predictor
from reelstream.serving.shown_lists import ListCounts
from reelstream.serving.user_states import UserStates

# Model sets whose requests are told apart: the one in service, and the one before.
MAX_LABELLED_SETS = 2
_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


class _Serving(Collector):
    """Predictor and live updates, read at each scrape."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """The present values."""
        # A value of None gives no sample: before the first set there is no number, rather than 0.
        predictor, report = self._service.predictor, self._service.live_updates.report()
        serving = predictor.in_service
        age = None if serving is None else time.time() - serving.release.created_at
        yield GaugeMetricFamily(
            "reelstream_model_set_number", "Number of the set in service.", predictor.number
        )
        yield GaugeMetricFamily(
            "reelstream_model_set_age_seconds", "Since the set was published.", age
        )
        yield CounterMetricFamily("reelstream_swaps", "Sets put into service.", predictor.swaps)
        yield CounterMetricFamily(
            "reelstream_live_ratings", "Ratings taken from the log.", report.live
        )
        updates = CounterMetricFamily(
            "reelstream_film_updates",
            "Ratings from the log, by whether films learned them.",
            labels=["outcome"],
        )
        updates.add_metric(["learned"], predictor.item_updates)
        updates.add_metric(["shed"], predictor.item_updates_shed)
        yield updates
        yield GaugeMetricFamily(
            "reelstream_learning_waiting", "Events that films have yet to learn.", predictor.waiting
        )
        yield _user_states(None if serving is None else serving.states)
        yield from _live_scores(predictor.scores.score())
        yield from _list_metrics(predictor.lists.counts)
        freshness = self._service.live_updates.progress.freshness
        yield HistogramMetricFamily(
            "reelstream_freshness_seconds",
            "From the log's acknowledgement of a write to its being in answers.",
            buckets=freshness.buckets(),
            sum_value=freshness.total,
        )
        yield GaugeMetricFamily(
            "reelstream_writes_waiting",
            "Events that wait for the log.",
            self._service.writer.waiting,
        )
        errors = CounterMetricFamily(
            "reelstream_follow_errors", "Failures while following.", labels=["what"]
        )
        for what, count in report.errors.items():
            errors.add_metric([what], count)
        yield errors


def _live_scores(score: LiveScore) -> Iterator[Metric]:
    values = {"rmse": score.rmse, "log_loss": score.log_loss, "auc": score.auc}
    scores = GaugeMetricFamily(
        "reelstream_live_score",
        f"Of the newest {MAX_SCORED:,} live ratings, as expected before they were known.",
        labels=["score"],
    )
    for name, value in values.items():
        if value is not None:
            scores.add_metric([name], value)
    yield scores


def _user_states(states: UserStates | None) -> Metric:
    queries = CounterMetricFamily(
        "reelstream_user_state_queries",
        "Queries under the set in service, by whether the user's state was at hand.",
        labels=["state"],
    )
    if states is not None:
        queries.add_metric(["ready"], states.hits)
        queries.add_metric(["folded_in"], states.misses)
    return queries


def _list_metrics(counts: ListCounts) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "reelstream_recommended_lists", "Lists of films that users were shown.", counts.shown
    )
    yield CounterMetricFamily(
        "reelstream_recommended_lists_hit", "Those with a film that was rated since.", counts.hit
    )
    ratings = CounterMetricFamily(
        "reelstream_ratings_after_list",
        "Ratings by users who had been shown a list, by whether the film was on it.",
        labels=["listed"],
    )
    ratings.add_metric(["yes"], counts.listed)
    ratings.add_metric(["no"], counts.ratings - counts.listed)
    yield ratings


class RequestMetrics:
    """How many requests were answered, and how long each took in seconds; under OpenTelemetry's
    names.
    """

    def __init__(self, registry: CollectorRegistry, predictor: Predictor) -> None:
        self._seconds = Histogram(
            "http_server_request_duration_seconds",
            "Time to answer.",
            [
                "http_request_method",
                "http_route",
                "http_response_status_code",
                "model_set",
            ],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._predictor = predictor
        # The newest last. A series for each set that ever was would be series without end.
        self._of_sets: dict[int | str, set[tuple[str, str, int]]] = {}
        self._lock = threading.Lock()
        self._active = Gauge(
            "http_server_active_requests",
            "Requests that are being answered, or wait for it.",
            registry=registry,
        )

    def watch(self, active: Callable[[], int]) -> None:
        """Report how many requests have no answer yet."""
        self._active.set_function(active)

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request; route: its template `/v1/items/{movieId}`, not its path."""
        number = self._predictor.number
        model_set, request = "" if number is None else number, (method, route, status)
        # Nearly always it is there: no lock is needed to look.
        if request not in self._of_sets.get(model_set, ()):
            self._begin(model_set, request)
        self._seconds.labels(*request, model_set).observe(seconds)

    def _begin(self, model_set: int | str, request: tuple[str, str, int]) -> None:
        """Note a series, and end those of the sets before the last two."""
        with self._lock:
            self._of_sets.setdefault(model_set, set()).add(request)
            for old in list(self._of_sets)[:-MAX_LABELLED_SETS]:
                for each in self._of_sets.pop(old):
                    with suppress(KeyError):
                        self._seconds.remove(*each, old)


def route_template(rule: str) -> str:
    """Flask's rule as OpenAPI writes it: `/v1/items/{movieId}`."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


def measure(app: Flask, service: Service) -> RequestMetrics:
    """Count and time every request of `app`, and give it /metrics; returns what counts."""
    # Not the library's global registry: two applications in one process, as in tests, would
    # register the same names twice.
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Serving(service))
    registry.register(StreamMetrics(service))
    metrics = RequestMetrics(registry, service.predictor)

    @app.before_request
    def _begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def _end(response: Response) -> Response:
        # The rule, not the path, which would make a time series of each user and film. Without a
        # rule the method is dropped too: a client may send any word as a method.
        rule = request.url_rule
        route, method = (
            (route_template(rule.rule), request.method) if rule is not None else ("none", "none")
        )
        metrics.note(route, method, response.status_code, time.perf_counter() - g.began)
        return response

    @app.get("/metrics")
    def _metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return metrics
