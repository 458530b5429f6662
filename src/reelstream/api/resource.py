"""Declares the operations of the API, a function for each. Its route, the validation of its query
and its part of the OpenAPI document are derived from the declaration.

    resource = Resource()

    @resource.get(
        "/v1/items/{movieId}", FilmQuery, FilmAnswer, scope=Scope.READ, problems=(404,)
    )
    def film(service: Service, query: FilmQuery) -> FilmAnswer:
        "One film."
        return FilmAnswer.model_validate(service.catalog.get(query.item_id))
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from http import HTTPStatus
from typing import Any, Required, TypeAlias, TypedDict, TypeVar, Unpack

from reelstream.api.problems import ProblemError
from reelstream.api.service import Service
from reelstream.contract import Answer, Problem, Query, Wait, WaitAndSet
from reelstream.storage.api_keys import Scope

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
    """GET, PUT, DELETE: the query comes from path and URL; POST: from a JSON body."""
    path: str
    """As OpenAPI writes it: `/v1/items/{movieId}`; names in braces are fields of the query."""
    summary: str
    query: type[Query]
    answer: type[Answer]
    scope: Scope
    """What a key must allow."""
    handle: Handler[Any, Any]
    handle_list: ListHandler[Any, Any] | None = None
    """Answers a list of queries, each by itself (POST only)."""
    handle_all: WholeHandler[Any, Any] | None = None
    """Takes one query or a list, as a whole (POST only)."""
    status: int = 200
    """Of the answer, when all is well."""
    waits: bool = True
    """Whether it takes a token; only for what reads."""
    problems: tuple[int, ...] = ()
    """HTTP statuses of the problems it may answer with, besides those of every GET or POST."""
    other_answers: Mapping[int, type[Answer]] = field(default_factory=dict)
    """HTTP status -> shape of the answer, for statuses other than 200."""

    @property
    def writes(self) -> bool:
        """Whether it changes something: then it takes an Idempotency-Key, else a token to wait
        for.
        """
        return self.scope is not Scope.READ

    @property
    def takes_token(self) -> bool:
        """Whether it may be told to wait until the server has seen a write."""
        return self.waits and not self.writes

    @property
    def has_tag(self) -> bool:
        """Whether its answers have an ETag: what is read, except what is new each time."""
        return self.method == "GET" and self.takes_token

    @property
    def has_body(self) -> bool:
        """Whether its query is a JSON body; one that the path says whole is none."""
        named = {known.alias or name for name, known in self.query.model_fields.items()}
        return self.method == "POST" and not named <= set(self.path_fields)

    @property
    def read_options(self) -> type[Wait] | None:
        """What its URL may say besides the query."""
        if not self.takes_token:
            return None
        # Whatever is answered from a set may have to say that there is none yet.
        return WaitAndSet if HTTPStatus.SERVICE_UNAVAILABLE in self.problems else Wait

    @property
    def path_fields(self) -> tuple[str, ...]:
        """The fields of the query that are part of the path."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    @property
    def id(self) -> str:
        """Unique: `get_v1_items_movieId`."""
        return "_".join([self.method.lower(), *re.findall(r"\w+", self.path)])


class Options(TypedDict, total=False):
    """What a declaration says besides: fields of `Operation`."""

    scope: Required[Scope]
    status: int
    waits: bool
    problems: tuple[int, ...]
    other_answers: Mapping[int, type[Answer]]


class Resource:
    """Operations on one kind of thing; the first line of a function's docstring is its summary."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def get(
        self, path: str, query: type[Q], answer: type[A], **options: Unpack[Options]
    ) -> Callable[[Handler[Q, A]], Handler[Q, A]]:
        """Declare what answers a GET of `path`."""
        return self._declare("GET", path, query, answer, **options)

    def post(
        self, path: str, query: type[Q], answer: type[A], **options: Unpack[Options]
    ) -> Callable[[Handler[Q, A]], Handler[Q, A]]:
        """Declare what answers one query that is POSTed to `path`, as it is too long for a URL."""
        return self._declare("POST", path, query, answer, **options)

    def post_each(
        self, path: str, query: type[Q], answer: type[A], **options: Unpack[Options]
    ) -> Callable[[ListHandler[Q, A]], ListHandler[Q, A]]:
        """Declare what answers one query or a list of them, POSTed to `path`, each by itself."""

        def declare(handle_list: ListHandler[Q, A]) -> ListHandler[Q, A]:
            self._declare("POST", path, query, answer, handle_list=handle_list, **options)(
                _single(handle_list)
            )
            return handle_list

        return declare

    def get_and_post(
        self, path: str, query: type[Q], answer: type[A], **options: Unpack[Options]
    ) -> Callable[[ListHandler[Q, A]], ListHandler[Q, A]]:
        """Declare what answers a GET of `path` with one query, and a POST with one or a list."""

        def declare(handle_list: ListHandler[Q, A]) -> ListHandler[Q, A]:
            self.get(path, query, answer, **options)(_single(handle_list))
            return self.post_each(path, query, answer, **options)(handle_list)

        return declare

    def post_all(
        self, path: str, query: type[Q], answer: type[A], **options: Unpack[Options]
    ) -> Callable[[WholeHandler[Q, A]], WholeHandler[Q, A]]:
        """Declare what writes one thing or a list of them, POSTed to `path`."""

        def declare(handle_all: WholeHandler[Q, A]) -> WholeHandler[Q, A]:
            self._declare("POST", path, query, answer, handle_all=handle_all, **options)(
                _alone(handle_all)
            )
            return handle_all

        return declare

    def put(
        self, path: str, query: type[Q], answer: type[A], **options: Unpack[Options]
    ) -> Callable[[Handler[Q, A]], Handler[Q, A]]:
        """Declare what makes true what `path` says."""
        return self._declare("PUT", path, query, answer, **options)

    def delete(
        self, path: str, query: type[Q], answer: type[A], **options: Unpack[Options]
    ) -> Callable[[Handler[Q, A]], Handler[Q, A]]:
        """Declare what deletes what `path` names."""
        return self._declare("DELETE", path, query, answer, **options)

    def _declare(
        self, method: str, path: str, query: type[Q], answer: type[A], **fields: Any
    ) -> Callable[[Handler[Q, A]], Handler[Q, A]]:
        def declare(handle: Handler[Q, A]) -> Handler[Q, A]:
            self.operations.append(
                Operation(
                    method=method,
                    path=path,
                    summary=_summary(handle),
                    query=query,
                    answer=answer,
                    handle=handle,
                    **fields,
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


def _alone(handle_all: WholeHandler[Q, A]) -> Handler[Q, A]:
    """A handler of one query from a handler of queries that belong together."""

    @wraps(handle_all)
    def handle(service: Service, query: Q) -> A:
        return handle_all(service, [query])

    return handle


def _summary(function: Callable[..., Any]) -> str:
    # Before Python 3.13 a docstring keeps the indent of its second line.
    return (function.__doc__ or "").partition("\n\n")[0].replace("\n    ", " ").strip()
