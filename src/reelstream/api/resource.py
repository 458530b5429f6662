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


# Answers queries that belong together: all of them, or none. Raises like Handler.
WholeHandler: TypeAlias = Callable[[Service, Sequence[Q]], A]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A method of a path."""

    method: str
    """GET, DELETE: the query comes from path and URL; POST: from a JSON body."""
    path: str
    """As OpenAPI writes it: `/v1/items/{movieId}`; names in braces are fields of the query."""
    summary: str
    query: type[Query]
    answer: type[Answer]
    handle: Handler[Any, Any]
    handle_list: ListHandler[Any, Any] | None = None
    """Answers a list of queries, each by itself (POST only)."""
    handle_all: WholeHandler[Any, Any] | None = None
    """Takes one query or a list, as a whole (POST only)."""
    status: int = 200
    """Of the answer, when all is well."""
    writes: bool = False
    """Whether it changes something: then it takes an Idempotency-Key, else a token to wait for."""
    waits: bool = True
    """Whether it takes a token; only for what reads."""
    problems: tuple[int, ...] = ()
    """HTTP statuses of the problems it may answer with, besides those of every GET or POST."""
    other_answers: Mapping[int, type[Answer]] = field(default_factory=dict)
    """HTTP status -> shape of the answer, for statuses other than 200."""

    @property
    def takes_token(self) -> bool:
        """Whether it may be told to wait until the server has seen a write."""
        return self.waits and not self.writes

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
        waits: bool = True,
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
                    waits=waits,
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

    def post(
        self, path: str, query: type[Q], answer: type[A], *, problems: tuple[int, ...] = ()
    ) -> Callable[[Handler[Q, A]], Handler[Q, A]]:
        """Declare what answers one query that is POSTed to `path`, as it is too long for a URL."""

        def declare(handle: Handler[Q, A]) -> Handler[Q, A]:
            self.operations.append(
                Operation(
                    method="POST",
                    path=path,
                    summary=_summary(handle),
                    query=query,
                    answer=answer,
                    handle=handle,
                    problems=problems,
                )
            )
            return handle

        return declare

    def post_all(
        self,
        path: str,
        query: type[Q],
        answer: type[A],
        *,
        status: int = 200,
        problems: tuple[int, ...] = (),
    ) -> Callable[[WholeHandler[Q, A]], WholeHandler[Q, A]]:
        """Declare what writes one thing or a list of them, POSTed to `path`."""

        def declare(handle_all: WholeHandler[Q, A]) -> WholeHandler[Q, A]:
            self.operations.append(
                Operation(
                    method="POST",
                    path=path,
                    summary=_summary(handle_all),
                    query=query,
                    answer=answer,
                    handle=lambda service, one: handle_all(service, [one]),
                    handle_all=handle_all,
                    status=status,
                    writes=True,
                    problems=problems,
                )
            )
            return handle_all

        return declare

    def delete(
        self,
        path: str,
        query: type[Q],
        answer: type[A],
        *,
        status: int = 200,
        problems: tuple[int, ...] = (),
    ) -> Callable[[Handler[Q, A]], Handler[Q, A]]:
        """Declare what deletes what `path` names."""

        def declare(handle: Handler[Q, A]) -> Handler[Q, A]:
            self.operations.append(
                Operation(
                    method="DELETE",
                    path=path,
                    summary=_summary(handle),
                    query=query,
                    answer=answer,
                    handle=handle,
                    status=status,
                    writes=True,
                    problems=problems,
                )
            )
            return handle

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
