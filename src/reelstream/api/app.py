"""The API as a Flask application."""

from __future__ import annotations

from flask import Flask, Response, request

from reelstream.api import items, model_sets, predictions, ratings, segments, status, users
from reelstream.api.docs import add_docs
from reelstream.api.metrics import measure
from reelstream.api.problems import handle_problems
from reelstream.api.service import Service
from reelstream.api.views import add_operation

# A list of `MAX_QUERIES` queries fits in several times over.
MAX_BODY_BYTES = 2 * 1024**2

# The answers are JSON and one page without scripts: a browser need load nothing else.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

_RESOURCES = (
    predictions.resource,
    items.resource,
    users.resource,
    ratings.resource,
    segments.resource,
    model_sets.resource,
    status.resource,
)


def create_app(service: Service) -> Flask:
    """The application that answers from `service`."""
    app = Flask(__name__, static_url_path="/docs/static")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    # A slash at the end changes nothing: with strict slashes `/v1/items/` would be a 404.
    app.url_map.strict_slashes = False
    # The OpenAPI document reads in the order in which the operations are declared.
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    # First, so that it sees everything: Flask calls before-request hooks in the order in which
    # they are registered, and after-request hooks in reverse.
    measure(app, service)
    handle_problems(app)
    operations = [operation for resource in _RESOURCES for operation in resource.operations]
    for operation in operations:
        add_operation(app, service, operation)
    add_docs(app, operations)
    app.after_request(_secure)
    return app


def _secure(response: Response) -> Response:
    """Forbid browsers to guess content types, to show an answer in a frame, to load anything but
    the style sheet of /docs, and to cache answers.
    """
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    # The style sheet may be cached; an answer is old with the next rating.
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response
