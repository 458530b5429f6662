"""Declares the operations of the API, a function for each. Its route, the validation of its query
and its part of the OpenAPI document are derived from the declaration.

    resource = Resource()

    @resource.get("/v1/items/{movieId}", FilmQuery, FilmAnswer, problems=(404,))
    def film(service: Service, query: FilmQuery) -> FilmAnswer:
        "One film."
        return FilmAnswer.model_validate(service.catalog.get(query.item_id))
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, TypeAlias, TypeVar

from reelstream.api.problems import ProblemError
from reelstream.api.service import Service
from reelstream.contract import Answer, Problem, Query

Q = TypeVar("Q", bound=Query)
A = TypeVar("A", bound=Answer)

# Answers one query, with the HTTP status if that is not 200. Raises ReelstreamError or
# ProblemError.
Handler: TypeAlias = Callable[[Service, Q], A | tuple[A, int]]
# Answers queries in their order; a Problem takes the place of an answer that cannot be given.
ListHandler: TypeAlias = Callable[[Service, Sequence[Q]], Sequence[A | Problem]]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A method of a path."""

    method: str
    """GET: the query comes from path and URL; POST: from a JSON body."""
    path: str
    """As OpenAPI writes it: `/v1/items/{movieId}`; names in braces are fields of the query."""
    summary: str
    query: type[Query]
    answer: type[Answer]
    handle: Handler[Any, Any]
    handle_list: ListHandler[Any, Any] | None = None
    """Answers a list of queries (POST only)."""
    problems: tuple[int, ...] = ()
    """HTTP statuses of the problems it may answer with, besides those of every GET or POST."""
    other_answers: Mapping[int, type[Answer]] = field(default_factory=dict)
    """HTTP status -> shape of the answer, for statuses other than 200."""

    @property
    def path_fields(self) -> tuple[str, ...]:
        """The fields of the query that are part of the path."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    @property
    def id(self) -> str:
        """Unique: `get_v1_items_movieId`."""
        return "_".join([self.method.lower(), *re.findall(r"\w+", self.path)])


class Resource:
    """Operations on one kind of thing; the first line of a function's docstring is its summary."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def get(
        self,
        path: str,
        query: type[Q],
        answer: type[A],
        *,
        problems: tuple[int, ...] = (),
        other_answers: Mapping[int, type[Answer]] | None = None,
    ) -> Callable[[Handler[Q, A]], Handler[Q, A]]:
        """Declare what answers a GET of `path`. See `Operation`."""

        def declare(handle: Handler[Q, A]) -> Handler[Q, A]:
            self.operations.append(
                Operation(
                    method="GET",
                    path=path,
                    summary=_summary(handle),
                    query=query,
                    answer=answer,
                    handle=handle,
                    problems=problems,
                    other_answers=other_answers or {},
                )
            )
            return handle

        return declare

    def get_and_post(
        self, path: str, query: type[Q], answer: type[A], *, problems: tuple[int, ...] = ()
    ) -> Callable[[ListHandler[Q, A]], ListHandler[Q, A]]:
        """Declare what answers a GET of `path` with one query, and a POST with one or a list."""

        def declare(handle_list: ListHandler[Q, A]) -> ListHandler[Q, A]:
            self.get(path, query, answer, problems=problems)(_single(handle_list))
            # A POST of one query is answered like the GET that was just declared.
            post = replace(self.operations[-1], method="POST", handle_list=handle_list)
            self.operations.append(post)
            return handle_list

        return declare


def _single(handle_list: ListHandler[Q, A]) -> Handler[Q, A]:
    """A handler of one query from a handler of many; a Problem is raised as ProblemError."""

    # The summary is read from the docstring, which `wraps` copies.
    @wraps(handle_list)
    def handle(service: Service, query: Q) -> A:
        (answer,) = handle_list(service, [query])
        if isinstance(answer, Problem):
            raise ProblemError(answer)
        return answer

    return handle


def _summary(function: Callable[..., Any]) -> str:
    # Before Python 3.13 a docstring keeps the indent of its second line.
    return (function.__doc__ or "").partition("\n\n")[0].replace("\n    ", " ").strip()
