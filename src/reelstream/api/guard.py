"""The first thing that happens to a request: whoever sent it is let in, or not."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flask import Flask, Response, g, has_request_context, request

from reelstream.api.access import Caller, Visit
from reelstream.api.problems import ProblemError
from reelstream.api.service import Service
from reelstream.storage.api_keys import Scope

_TRACEPARENT = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


def guard(app: Flask, service: Service, scopes: Mapping[str, Scope]) -> None:
    """Let nobody reach a view of `app` who may not; scopes: of each view by its endpoint."""

    @app.before_request
    def _admit() -> None:
        # A browser asks what a page of another origin may send, and sends no key with this.
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return
        visit = Visit(
            host=request.headers.get("Host", ""),
            authorization=request.headers.get("Authorization"),
            address=request.remote_addr or "",
        )
        # Without an endpoint it is a 404 or 405: a stranger learns not even which paths there are.
        scope = Scope.READ if request.endpoint is None else scopes[request.endpoint]
        access = service.access
        try:
            g.caller = access.admit(visit, scope)
        except ProblemError:
            # Whoever tries keys is counted too.
            access.count(visit.address)
            raise
        g.quota = access.count(g.caller.name)

    @app.after_request
    def _tell_quota(response: Response) -> Response:
        if (quota := g.get("quota")) is not None:
            response.headers.update(quota.headers)
        return response


def check_scopes(app: Flask, scopes: Mapping[str, Scope]) -> None:
    """Raises RuntimeError for a route that says not what a key must allow."""
    missing = [rule.rule for rule in app.url_map.iter_rules() if rule.endpoint not in scopes]
    if missing:
        raise RuntimeError(f"declare the scope of {', '.join(sorted(missing))}")


def caller() -> Caller:
    """Who sent the request that is being answered."""
    found: Caller = g.caller
    return found


def trace_headers() -> list[tuple[str, bytes]]:
    """What the records that a request writes carry on of its trace (W3C Trace Context)."""
    given = request.headers.get("traceparent", "") if has_request_context() else ""
    return [("traceparent", given.encode())] if _TRACEPARENT.fullmatch(given) else []
