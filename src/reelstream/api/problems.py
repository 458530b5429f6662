"""Whatever goes wrong is answered as a problem (RFC 9457): JSON with status, title and detail,
never HTML or a trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
import structlog
from flask import Flask, Response, has_request_context, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from reelstream.contract import FieldError, Problem, ProblemType
from reelstream.errors import (
    BrokerError,
    InputError,
    MissingFamilyError,
    NoModelSetError,
    ReelstreamError,
    UnknownItemError,
)
from reelstream.ratings.ids import Ids

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1

log = structlog.get_logger()

# What Flask itself finds wrong with a request.
_OF_HTTP = {
    400: (ProblemType.MALFORMED_REQUEST, None),
    404: (ProblemType.UNKNOWN_PATH, "there is nothing under this path: see /docs"),
    405: (
        ProblemType.METHOD_NOT_ALLOWED,
        "this path does not take this method: the Allow header says which it takes",
    ),
    413: (ProblemType.LARGE_BODY, "the body is too large: send several smaller lists"),
}

# The first that an error is an instance of decides.
_OF_ERRORS: tuple[tuple[type[ReelstreamError], ProblemType], ...] = (
    # Before InputError, of which it is one.
    (UnknownItemError, ProblemType.UNKNOWN_FILM),
    (InputError, ProblemType.INVALID_QUERY),
    # Before NoModelSetError, of which it is one.
    (MissingFamilyError, ProblemType.MODEL_SET_TOO_OLD),
    (NoModelSetError, ProblemType.NO_MODEL_SET),
    # Reads go on from what was followed so far; only who needs the log itself is told.
    (BrokerError, ProblemType.LOG_UNAVAILABLE),
    (ReelstreamError, ProblemType.INTERNAL_ERROR),
)

HOW_TO_FIND = "find films with /v1/items?query="
# Things wrong with one query that are listed: a person corrects a few at a time.
MAX_ERRORS = 20


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem, self.headers = problem, headers or {}


def make_problem(kind: ProblemType, detail: str, errors: Sequence[FieldError] = ()) -> Problem:
    """A problem of this kind; its title is the HTTP status in words."""
    return Problem(
        type=kind.uri,
        title=HTTPStatus(kind.status).phrase,
        status=kind.status,
        detail=detail,
        errors=list(errors),
    )


def refusal(kind: ProblemType, detail: str, errors: Sequence[FieldError] = ()) -> ProblemError:
    """What ends a request with a problem of this kind."""
    return ProblemError(make_problem(kind, detail, errors))


def problem_of_validation(error: ValidationError) -> Problem:
    """All that is wrong with a query, and where."""
    errors = [
        FieldError(where=".".join(str(part) for part in wrong["loc"]), message=wrong["msg"])
        for wrong in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    errors, more = errors[:MAX_ERRORS], len(errors) - MAX_ERRORS
    listed = "; ".join(f"{wrong.where or 'the query'}: {wrong.message}" for wrong in errors)
    rest = f"; and {more} more" if more > 0 else ""
    return make_problem(
        ProblemType.INVALID_QUERY, f"the query is not understood: {listed}{rest}", errors
    )


def problem_of_error(error: ReelstreamError, ids: Ids) -> Problem:
    """The problem that says what `error` says."""
    problem_type = next(found for kind, found in _OF_ERRORS if isinstance(error, kind))
    if isinstance(error, UnknownItemError) and isinstance(error.item_id, int):
        shown = UnknownItemError(ids.item.show(error.item_id))
        return make_problem(problem_type, f"{shown}: {HOW_TO_FIND}")
    return make_problem(problem_type, str(error))


def respond(problem: Problem) -> Response:
    """The HTTP response that carries a problem."""
    content = problem.model_dump()
    if has_request_context() and request.path.startswith("/v2/"):
        # What the Open Inference Protocol calls it.
        content["error"] = problem.detail
    response = Response(msgspec.json.encode(content), problem.status, mimetype=MEDIA_TYPE)
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="reelstream"'
    return response


def handle_problems(app: Flask, ids: Ids) -> None:
    """Make `app` answer every error so."""

    @app.errorhandler(ProblemError)
    def _problem(error: ProblemError) -> Response:
        response = respond(error.problem)
        response.headers.update(error.headers)
        return response

    @app.errorhandler(ReelstreamError)
    def _own(error: ReelstreamError) -> Response:
        problem = problem_of_error(error, ids)
        if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request_failed", error=str(error))
        return respond(problem)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        response = respond(_of_http(error))
        # Only this one: the others describe werkzeug's HTML page.
        for name, value in error.get_headers():
            if name == "Allow":
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        log.error("request_failed", error=repr(error), exc_info=error)
        # Nothing of the error itself: its text may name files or values that are not the client's.
        detail = "something failed that should not: the server's log says what"
        return respond(make_problem(ProblemType.INTERNAL_ERROR, detail))


def _of_http(error: HTTPException) -> Problem:
    """The problem that says what Flask says."""
    status, said = error.code or 500, error.description or error.name
    if status in _OF_HTTP:
        problem_type, detail = _OF_HTTP[status]
        return make_problem(problem_type, detail or said)
    return Problem(title=HTTPStatus(status).phrase, status=status, detail=said)
