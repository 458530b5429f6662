"""Gives operations their Flask views: read and validate the query, write the answer."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from hashlib import sha256
from typing import Any, TypeAlias, cast

import msgspec
import structlog
from flask import Flask, Response, request
from pydantic import ValidationError
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import generate_etag

from reelstream.api.guard import caller
from reelstream.api.idempotency import HEADER
from reelstream.api.problems import MAX_ERRORS, ProblemError, problem_of_validation, refusal
from reelstream.api.resource import ListHandler, Operation
from reelstream.api.service import Service
from reelstream.api.tokens import await_token
from reelstream.contract import (
    MAX_QUERIES,
    Answer,
    FailedEntry,
    FieldError,
    Problem,
    ProblemType,
    Query,
    Wait,
    WaitAndSet,
)
from reelstream.contract.ids import is_id
from reelstream.errors import SettingError, StorageError
from reelstream.ratings.ids import Ids
from reelstream.storage.api_keys import Scope

log = structlog.get_logger()

View: TypeAlias = Callable[..., Response]


def add_operation(app: Flask, service: Service, operation: Operation) -> None:
    """Give `app` the route of `operation`, answered from `service`."""
    # OpenAPI's {movieId} is Flask's <movieId>; names stay those of the query's fields in JSON. A
    # text may have slashes: encoded as %2F or not, Flask sees a slash.
    rule = re.sub(
        r"{(\w+)}",
        lambda name: f"<path:{name[1]}>" if _is_text(service.ids, name[1]) else f"<{name[1]}>",
        operation.path,
    )
    answer = _view_of_body(operation) if operation.has_body else _view_of_url(operation)
    view: View = partial(answer, service)
    if operation.writes:
        view = _once_a_key(service, _noted(service, operation, view))
    elif operation.read_options is not None:
        view = _with_options(service, operation.read_options, answer)
    if operation.has_tag:
        view = _tagged(view)
    app.add_url_rule(rule, operation.id, view, methods=[operation.method])


def _is_text(ids: Ids, name: str) -> bool:
    """Whether a field of a path holds ids that are texts."""
    return any(each.name == name and each.kind == "text" for each in (ids.user, ids.item))


def _view_of_url(operation: Operation) -> View:
    def view(service: Service, **path: str) -> Response:
        values = _values_of_url(operation.query, path, operation.read_options)
        query = _validate(operation.query, values, service.ids)
        return _respond(operation.handle(service, query), operation.status, service.ids)

    return view


def _view_of_body(operation: Operation) -> View:
    def view(service: Service, **path: str) -> Response:
        body = _read_body()
        if path:
            body = _with_path(operation.query, body, path)
        if not isinstance(body, list):
            query = _validate(operation.query, body, service.ids)
            return _respond(operation.handle(service, query), operation.status, service.ids)
        if len(body) > MAX_QUERIES:
            detail = f"the list holds {len(body)} queries: send at most {MAX_QUERIES} at once"
            raise refusal(ProblemType.INVALID_QUERY, detail)
        if operation.handle_all is not None:
            queries = _validate_all(operation.query, body, service.ids)
            return _respond(operation.handle_all(service, queries), operation.status, service.ids)
        if operation.handle_list is not None:
            answers = _answer_list(service, operation.query, operation.handle_list, body)
            return _respond_list(answers, service.ids)
        raise refusal(ProblemType.INVALID_QUERY, "one query is taken here, not a list")

    return view


def _with_options(service: Service, options: type[Wait], answer: View) -> View:
    """The view, answered once the server has seen the token that the URL may name, and from the
    model set that it may name.
    """

    def wait_and_answer(**path: str) -> Response:
        # Nearly no request names any: the rest should not pay for validating that.
        if not any(name in request.args for name in options.model_fields):
            return answer(service, **path)
        values = {
            name: given
            for name, given in _values_of_url(options, {}).items()
            if name in options.model_fields
        }
        wanted = cast(Wait, _validate(options, values, service.ids))
        if wanted.after is not None:
            await_token(service, wanted.after, wanted.timeout)
        if not isinstance(wanted, WaitAndSet) or wanted.model_set is None:
            return answer(service, **path)
        try:
            as_of = service.as_of(wanted.model_set)
        except SettingError as error:
            raise refusal(ProblemType.UNKNOWN_MODEL_SET, str(error)) from error
        return answer(as_of, **path)

    return wait_and_answer


def _tagged(view: View) -> View:
    """The view, whose answer may be kept if it is asked for anew each time: whoever has it already
    gets a 304 without it.
    """

    def view_or_unchanged(**path: str) -> Response:
        response = view(**path)
        # Of the bytes: right whatever the answer depends on, set, ratings or time.
        tag = generate_etag(response.get_data())
        if request.if_none_match.contains_weak(tag):
            response = Response(status=304)
        response.set_etag(tag)
        response.headers["Cache-Control"] = "private, no-cache"
        return response

    return view_or_unchanged


def _once_a_key(service: Service, view: View) -> View:
    """The view, called once for each Idempotency-Key."""

    def view_once(**path: str) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return view(**path)
        request_line = f"{request.method} {request.full_path}".encode()
        fingerprint = sha256(request_line + b"\n" + request.get_data()).digest()
        sender = caller().key or ""
        return service.idempotency.once(key, fingerprint, lambda: view(**path), sender)

    return view_once


def _noted(service: Service, operation: Operation, view: View) -> View:
    """The view; what it does is noted in the audit log."""

    def view_and_note(**path: str) -> Response:
        response = view(**path)
        who = caller()
        try:
            service.audit_log.note(
                f"{operation.method} {operation.path}",
                who.name,
                is_durable=operation.scope is Scope.ADMIN,
                address=who.address,
                status=response.status_code,
                answer=msgspec.Raw(response.get_data()),
            )
        except StorageError as error:
            # It is done: an answer that says otherwise would be wrong.
            log.error("audit_log_failed", error=str(error))
        return response

    return view_and_note


def _validate_all(kind: type[Query], body: list[Any], ids: Ids) -> list[Query]:
    """Every entry as a query. Raises ProblemError that names all wrong ones, up to MAX_ERRORS."""
    if not body:
        raise refusal(ProblemType.INVALID_QUERY, "the list is empty")
    queries, errors = [], list[FieldError]()
    for position, entry in enumerate(body):
        try:
            queries.append(_validate(kind, entry, ids))
        except ProblemError as error:
            errors += _at_position(error.problem, position).errors
    if errors:
        detail = f"nothing was written: {errors[0].where}: {errors[0].message}"
        more = f"; and {len(errors) - 1} more" if len(errors) > 1 else ""
        raise refusal(ProblemType.INVALID_QUERY, detail + more, errors[:MAX_ERRORS])
    return queries


def _answer_list(
    service: Service, kind: type[Query], handle_list: ListHandler[Any, Any], body: list[Any]
) -> list[Answer]:
    """The answers in the order of `body`; entries that are no valid query never reach the
    handler.
    """
    queries: list[Query] = []
    answers: list[Answer | None] = []
    for position, entry in enumerate(body):
        try:
            queries.append(_validate(kind, entry, service.ids))
            answers.append(None)
        except ProblemError as error:
            answers.append(FailedEntry(error=_at_position(error.problem, position)))
    # All valid queries at once, so that one model set answers them; an error that concerns every
    # query, such as no set in service, ends the request.
    given = iter(handle_list(service, queries))
    return [_entry(next(given)) if answer is None else answer for answer in answers]


def _validate(kind: type[Query], values: Any, ids: Ids) -> Query:
    try:
        # By alias only: over HTTP a field has one name, `userId`, not `user_id` too.
        return kind.model_validate(values, by_alias=True, by_name=False, context=ids)
    except ValidationError as error:
        raise ProblemError(problem_of_validation(error)) from error


def _with_path(kind: type[Query], body: Any, path: dict[str, str]) -> Any:
    """The fields of a body and of the path, which may not name the same."""
    if not isinstance(body, dict):
        raise refusal(ProblemType.INVALID_QUERY, "one query is taken here, as an object")
    if twice := sorted(path.keys() & body.keys()):
        raise refusal(ProblemType.INVALID_QUERY, f"{twice[0]} is given more than once")
    return {**body, **_values_of_text(kind, dict(path))}


def _values_of_url(
    kind: type[Query], path: dict[str, str], without: type[Query] | None = None
) -> dict[str, Any]:
    """The fields of path and URL, except those of `without`: see `_values_of_text`."""
    values: dict[str, Any] = dict(path)
    # A field given twice is refused: to pick one would answer a query that nobody meant.
    for name, given in request.args.lists():
        if without is not None and name in without.model_fields:
            continue
        if name in values or len(given) > 1:
            raise refusal(ProblemType.INVALID_QUERY, f"{name} is given more than once")
        values[name] = given[0]
    return _values_of_text(kind, values)


def _values_of_text(kind: type[Query], values: dict[str, Any]) -> dict[str, Any]:
    """The same values; what JSON reads as a number or a truth value is one."""
    # A title such as 1984 stays a text, and an id such as 007 too.
    for name in values.keys() - _text_fields(kind):
        # JSON's reader allows spaces around a number; a URL's ` 1` is no number.
        if values[name] == values[name].strip():
            with suppress(msgspec.MsgspecError):
                values[name] = msgspec.json.decode(values[name], type=int | float | bool)
    return values


@cache
def _text_fields(kind: type[Query]) -> frozenset[str]:
    """The URL's names of the fields that are read as text: text itself, and ids."""
    return frozenset(
        known.alias or name
        for name, known in kind.model_fields.items()
        if known.annotation in (str, str | None) or is_id(known)
    )


def _read_body() -> Any:
    if not request.is_json:
        raise refusal(
            ProblemType.NOT_SAID_TO_BE_JSON,
            "send JSON, and say so: Content-Type: application/json",
        )
    body = request.get_data()
    # Of a body in chunks nobody announces the length, and what is too long is cut.
    limit = request.max_content_length
    if request.content_length is None and limit is not None and len(body) >= limit:
        raise RequestEntityTooLarge
    try:
        return msgspec.json.decode(body.removeprefix(BOM_UTF8))
    # RecursionError: a body of many thousand opening brackets.
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise refusal(ProblemType.MALFORMED_REQUEST, f"the body is not JSON: {error}") from error


def _at_position(problem: Problem, position: int) -> Problem:
    """The same problem, its fields named with their query's position in the list."""
    errors = [
        wrong.model_copy(update={"where": f"{position}.{wrong.where}".rstrip(".")})
        for wrong in problem.errors
    ]
    return problem.model_copy(update={"errors": errors})


def _entry(given: Answer | Problem) -> Answer:
    return FailedEntry(error=given) if isinstance(given, Problem) else given


def _respond(reply: Answer | tuple[Answer, int], usual_status: int, ids: Ids) -> Response:
    answer, status = reply if isinstance(reply, tuple) else (reply, usual_status)
    return Response(answer.model_dump_json(context=ids), status, mimetype="application/json")


def _respond_list(answers: Sequence[Answer], ids: Ids) -> Response:
    body = ",".join(answer.model_dump_json(context=ids) for answer in answers)
    return Response(f"[{body}]", mimetype="application/json")
