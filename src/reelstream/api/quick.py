"""Predictions for one pair, answered without Flask: the same operations, and the same bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from reelstream.api.access import Visit
from reelstream.api.entrance import Headers, Quick, Reply, client_address
from reelstream.api.metrics import RequestMetrics
from reelstream.api.resource import Operation
from reelstream.api.service import Service
from reelstream.contract import Answer

_decode = msgspec.json.decode
# What such a body has at most: with a long list, a thread is better.
MAX_QUICK_BYTES = 300


def quick_operations(
    service: Service, operations: Sequence[Operation], metrics: RequestMetrics, always: Headers
) -> Mapping[str, Quick]:
    """Path -> what answers a POST of one query of one user whose state is ready.

    always: the headers of every answer, besides its type and length.
    """
    return {
        operation.path: _quick(service, operation, metrics, always)
        for operation in operations
        if operation.handle_list is not None and "userId" in _names(operation)
    }


def _quick(
    service: Service, operation: Operation, metrics: RequestMetrics, always: Headers
) -> Callable[[Any, bytes], Reply | None]:
    def answer(scope: Any, body: bytes) -> Reply | None:
        began = time.perf_counter()
        serving = service.predictor.in_service
        if serving is None or len(body) > MAX_QUICK_BYTES or not _is_plain(scope, service):
            return None
        try:
            # As in `views`: by alias only.
            caller = service.access.admit(_visit(scope), operation.scope)
            query = operation.query.model_validate(
                _decode(body), by_alias=True, by_name=False, context=service.ids
            )
            ready = serving.states.is_ready(query.user_id)  # type: ignore[attr-defined]
            # Nothing may wait here: neither for a user nor for a recommendation that is made.
            if not ready or serving.items.is_busy:
                return None
            reply = operation.handle(service, query)
            assert isinstance(reply, Answer)  # of a prediction: never with a status of its own
            content = reply.model_dump_json(context=service.ids).encode()
            quota = service.access.count(caller.name)
        # Flask answers what goes wrong; here it is not worth a second way to say it.
        except Exception:
            return None
        metrics.note(operation.path, "POST", 200, time.perf_counter() - began)
        length = ("Content-Length", str(len(content)))
        counted = [] if quota is None else [*quota.headers.items()]
        return Reply(
            status=200,
            headers=[("Content-Type", "application/json"), length, *counted, *always],
            body=content,
        )

    return answer


def _is_plain(scope: Any, service: Service) -> bool:
    """Whether the answer has no headers of its own."""
    headers = scope.headers
    # A page of another origin gets some, and everybody while the log is away.
    is_usual = "origin" not in headers and service.live_updates.stale_seconds is None
    return is_usual and headers.get("content-type") == "application/json"


def _visit(scope: Any) -> Visit:
    headers = scope.headers
    return Visit(
        host=headers.get("host") or scope.authority or "",
        authorization=headers.get("authorization"),
        address=client_address(scope),
    )


def _names(operation: Operation) -> set[str | None]:
    return {field.alias for field in operation.query.model_fields.values()}
