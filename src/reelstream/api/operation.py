"""One operation of the API: from it come its route, the reading of its question, and its page in
the OpenAPI document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from flask import Flask, Response, request
from pydantic import ValidationError

from reelstream.api.problems import ProblemError, problem, problem_of_validation
from reelstream.api.schemas import MAX_LIST, Answer, FailedEntry, NoQuestion, Problem, Question

Reply = Answer | tuple[Answer, int]
"""An answer, with its status when that is not 200."""


@dataclass(frozen=True)
class Operation:
    """A method of a path. Its question comes from path and query (GET), or from a JSON body
    (POST).
    """

    method: str
    path: str
    """As OpenAPI writes it: `/v1/items/{movieId}`; names in braces are fields of the question."""
    summary: str
    answer: type[Answer]
    handle: Callable[[Any], Reply]
    """Takes a `question`. Raises ReelstreamError or ProblemError."""
    question: type[Question] = NoQuestion
    handle_list: Callable[[Sequence[Any]], Sequence[Answer | Problem]] | None = None
    """Takes many questions at once (POST only); a problem stands in the place of an answer that
    cannot be given.
    """
    problems: tuple[int, ...] = ()
    """Statuses of the problems that it may end with, beside those that its method brings."""
    other_answers: dict[int, type[Answer]] = field(default_factory=dict)
    """Status -> what else it may answer."""

    @property
    def path_fields(self) -> tuple[str, ...]:
        """The fields of the question that are part of the path."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    def add_to(self, app: Flask) -> None:
        """Give `app` the route."""
        rule = re.sub(r"{(\w+)}", r"<\1>", self.path)
        view = self._view_body if self.method == "POST" else self._view_query
        app.add_url_rule(rule, f"{self.method} {self.path}", view, methods=[self.method])

    def _view_query(self, **path: str) -> Response:
        return _json(self.handle(self._validate(_from_text(self.question, path))))

    def _view_body(self) -> Response:
        body = _read_body()
        if not isinstance(body, list):
            return _json(self.handle(self._validate(body)))
        if self.handle_list is None:
            raise ProblemError(problem(422, "one question is taken here, not a list"))
        if len(body) > MAX_LIST:
            raise ProblemError(
                problem(
                    422, f"the list holds {len(body)} questions: ask at most {MAX_LIST} at once"
                )
            )
        return _json_list(self._answer_list(self.handle_list, body))

    def _answer_list(
        self, handle_list: Callable[[Sequence[Any]], Sequence[Answer | Problem]], body: list[Any]
    ) -> list[Answer]:
        """The answers in the order of the questions; those that are not understood never reach the
        handler.
        """
        questions: list[Question] = []
        answers: list[Answer | None] = []
        for place, entry in enumerate(body):
            try:
                questions.append(self._validate(entry))
                answers.append(None)
            except ProblemError as error:
                answers.append(FailedEntry(error=_in_list(error.problem, place)))
        given = iter(handle_list(questions))
        return [_entry(next(given)) if answer is None else answer for answer in answers]

    def _validate(self, values: Any) -> Question:
        try:
            return self.question.model_validate(values)
        except ValidationError as error:
            raise ProblemError(problem_of_validation(error)) from error


def _from_text(question: type[Question], path: dict[str, str]) -> dict[str, Any]:
    """Path and query as the question's fields: what JSON reads as a number or a truth becomes one,
    unless text is wanted.
    """
    values: dict[str, Any] = dict(path)
    for name, given in request.args.lists():
        if name in values or len(given) > 1:
            raise ProblemError(problem(422, f"{name} is given more than once"))
        values[name] = given[0]
    for name, text in values.items():
        known = question.model_fields.get(name)
        if known is not None and known.annotation is not str and text == text.strip():
            with suppress(msgspec.MsgspecError):
                values[name] = msgspec.json.decode(text, type=int | float | bool)
    return values


def _read_body() -> Any:
    if not request.is_json:
        raise ProblemError(problem(415, "send JSON, and say so: Content-Type: application/json"))
    try:
        return msgspec.json.decode(request.get_data())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(problem(400, f"the body is not JSON: {error}")) from error


def _in_list(the_problem: Problem, place: int) -> Problem:
    """The same problem, its fields named with their place in the list."""
    errors = [
        wrong.model_copy(update={"where": f"{place}.{wrong.where}".rstrip(".")})
        for wrong in the_problem.errors
    ]
    return the_problem.model_copy(update={"errors": errors})


def _entry(given: Answer | Problem) -> Answer:
    return FailedEntry(error=given) if isinstance(given, Problem) else given


def _json(reply: Reply) -> Response:
    answer, status = reply if isinstance(reply, tuple) else (reply, 200)
    return Response(answer.model_dump_json(), status, mimetype="application/json")


def _json_list(answers: Sequence[Answer]) -> Response:
    return Response(
        f"[{','.join(answer.model_dump_json() for answer in answers)}]", mimetype="application/json"
    )
