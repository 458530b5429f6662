"""The API as a Flask application."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response
from flask_cors import CORS

from reelstream.api import (
    audience,
    because,
    dismissed,
    events,
    groups,
    inference,
    items,
    model_sets,
    predictions,
    ratings,
    recommendations,
    segments,
    status,
    surprises,
    users,
)
from reelstream.api.docs import add_docs
from reelstream.api.entrance import Entrance
from reelstream.api.guard import check_scopes, guard
from reelstream.api.metrics import measure
from reelstream.api.problems import handle_problems
from reelstream.api.quick import quick_operations
from reelstream.api.resource import Operation
from reelstream.api.service import Service
from reelstream.api.views import add_operation
from reelstream.storage.api_keys import Scope

# A list of `MAX_QUERIES` queries fits in several times over.
MAX_BODY_BYTES = 2 * 1024**2

# The answers are JSON and one page without scripts: a browser need load nothing else.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# They forbid browsers to guess content types, to show an answer in a frame, and to load anything
# but the style sheet of /docs.
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
}
_NOT_CACHED = ("Cache-Control", "no-store")

# What a page of another origin may read beside the body, and how long a browser remembers this.
_EXPOSED_HEADERS = [
    "ETag",
    "Retry-After",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
]
_CORS_SECONDS = 600

# Where an application keeps the scope of each view, and what is answered without it.
SCOPES = "reelstream-scopes"
QUICK = "reelstream-quick"
# Where it counts its requests.
REQUESTS = "reelstream-requests"

# Of the routes that are no operations, by their view's name.
_OTHER_SCOPES = {
    "static": Scope.READ,
    "_root": Scope.READ,
    "_docs": Scope.READ,
    "_problems": Scope.READ,
    "_openapi": Scope.READ,
    "_metrics": Scope.READ,
}

_RESOURCES = (
    predictions.resource,
    because.resource,
    items.resource,
    users.resource,
    surprises.resource,
    audience.resource,
    ratings.resource,
    dismissed.resource,
    recommendations.resource,
    groups.resource,
    segments.resource,
    model_sets.resource,
    events.resource,
    status.resource,
    inference.resource,
)


def declared_operations() -> list[Operation]:
    """Every operation of the API, in the order in which they are declared."""
    return [operation for resource in _RESOURCES for operation in resource.operations]


def create_app(service: Service, origins: Sequence[str] = ()) -> Flask:
    """The application that answers from `service`; origins: of web pages that may use it too."""
    app = Flask(__name__, static_url_path="/docs/static")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    # A slash at the end changes nothing: with strict slashes `/v1/items/` would be a 404.
    app.url_map.strict_slashes = False
    # The OpenAPI document reads in the order in which the operations are declared.
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    # First, so that it sees everything: Flask calls before-request hooks in the order in which
    # they are registered, and after-request hooks in reverse.
    metrics = app.extensions[REQUESTS] = measure(app, service)
    handle_problems(app, service.ids)
    operations = declared_operations()
    scopes = _OTHER_SCOPES | {operation.id: operation.scope for operation in operations}
    app.extensions[SCOPES] = scopes
    guard(app, service, scopes)
    for operation in operations:
        add_operation(app, service, operation)
    add_docs(app, operations, service.ids)
    check_scopes(app, scopes)
    app.after_request(_secure)
    if origins:
        CORS(app, origins=list(origins), expose_headers=_EXPOSED_HEADERS, max_age=_CORS_SECONDS)

    @app.after_request
    def _tell_stale(response: Response) -> Response:
        age = service.live_updates.stale_seconds
        if age is not None:
            response.headers["X-Stream-Stale"] = f"{age:.0f}"
        return response

    always = [*_SECURITY_HEADERS.items(), _NOT_CACHED]
    app.extensions[QUICK] = quick_operations(service, operations, metrics, always)
    return app


def create_entrance(app: Flask) -> Entrance:
    """What the network speaks to: the application, and what is answered without it; any other
    Flask application will do as well.
    """
    entrance = Entrance(app, app.extensions.get(QUICK, {}))
    if REQUESTS in app.extensions:
        app.extensions[REQUESTS].watch(lambda: entrance.active)
    return entrance


def _secure(response: Response) -> Response:
    response.headers.update(_SECURITY_HEADERS)
    # What may be kept says so itself.
    response.headers.setdefault(*_NOT_CACHED)
    return response
