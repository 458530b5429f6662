"""Whatever goes wrong is answered as a problem (RFC 9457): JSON with status, title and detail,
never HTML or a trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

import structlog
from flask import Flask, Response
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from reelstream.contract import FieldError, Problem
from reelstream.errors import InputError, NoModelSetError, ReelstreamError, UnknownItemError

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1

log = structlog.get_logger()

_DETAILS = {
    404: "there is nothing under this path: see /docs",
    405: "this path does not take this method: the Allow header says which it takes",
    413: "the body is too large: send several smaller lists",
}

HOW_TO_FIND = "find films with /v1/items?query="
MAX_ERRORS = 20
"""Things wrong with one query that are listed: a person corrects a few at a time."""


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def problem(status: int, detail: str, errors: Sequence[FieldError] = ()) -> Problem:
    """A problem whose title is the status in words."""
    return Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, errors=list(errors)
    )


def problem_of_validation(error: ValidationError) -> Problem:
    """All that is wrong with a query, and where."""
    errors = [
        FieldError(where=".".join(str(part) for part in wrong["loc"]), message=wrong["msg"])
        for wrong in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    errors, more = errors[:MAX_ERRORS], len(errors) - MAX_ERRORS
    listed = "; ".join(f"{wrong.where or 'the query'}: {wrong.message}" for wrong in errors)
    rest = f"; and {more} more" if more > 0 else ""
    return problem(422, f"the query is not understood: {listed}{rest}", errors)


def problem_of_error(error: ReelstreamError) -> Problem:
    """Which HTTP status each of our own errors is."""
    if isinstance(error, UnknownItemError):
        return problem(404, f"{error}: {HOW_TO_FIND}")
    if isinstance(error, NoModelSetError):
        return problem(503, str(error))
    if isinstance(error, InputError):
        return problem(422, str(error))
    return problem(500, str(error))


def respond(the_problem: Problem) -> Response:
    """The HTTP response that carries a problem."""
    response = Response(the_problem.model_dump_json(), the_problem.status, mimetype=MEDIA_TYPE)
    if the_problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def handle_problems(app: Flask) -> None:
    """Make `app` answer every error so."""

    @app.errorhandler(ProblemError)
    def _problem(error: ProblemError) -> Response:
        return respond(error.problem)

    @app.errorhandler(ReelstreamError)
    def _own(error: ReelstreamError) -> Response:
        the_problem = problem_of_error(error)
        if the_problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request_failed", error=str(error))
        return respond(the_problem)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        response = respond(problem(status, _DETAILS.get(status, error.description or error.name)))
        for name, value in error.get_headers():
            if name == "Allow":
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        log.error("request_failed", error=repr(error), exc_info=error)
        return respond(problem(500, "something failed that should not: the server's log says what"))
