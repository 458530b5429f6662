"""The API over HTTP: all that the page knows of reelstream comes through here."""

from __future__ import annotations

from typing import Any, TypeVar

import httpx
import msgspec

from reelstream.errors import ApiError
from reelstream.ui.answers import (
    Answer,
    Film,
    Films,
    Health,
    ModelSet,
    ModelSets,
    Segment,
    Segments,
    Status,
    User,
    UserHistory,
    Users,
)

API_URL_VARIABLE = "REELSTREAM_UI_API"
"""The environment variable that tells the page where the API is: the setting `ui.api`."""

DEFAULT_API_URL = "http://127.0.0.1:5000"
"""Where `reelstream serve` listens unless it is told otherwise."""

_ANSWER_SECONDS = 5.0

_Answer = TypeVar("_Answer")


class ApiClient:
    """Asks the API at `url`. Every method raises ApiError, with a sentence for the page, when it
    gets no answer.
    """

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        """`transport` stands in for the network in tests."""
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url, timeout=_ANSWER_SECONDS, trust_env=False, transport=transport
        )

    def health(self) -> Health:
        """Whether the API can answer questions, and if not, why."""
        return self._decode(self._get("/health/ready"), Health)

    def status(self) -> Status:
        """What the stream is doing now."""
        return self._answer("/v1/status", Status)

    def model_sets(self) -> tuple[ModelSet, ...]:
        """The releases, newest first."""
        return self._answer("/v1/models", ModelSets).model_sets

    def segments(self) -> tuple[Segment, ...]:
        """What each kind of user is, by number."""
        return self._answer("/v1/segments", Segments).segments

    def users(self, query: str, limit: int) -> tuple[User, ...]:
        """Known users whose id begins with the digits `query`."""
        return self._answer("/v1/users", Users, query=query, limit=limit).users

    def user(self, user_id: int, limit: int) -> UserHistory:
        """A user's newest ratings."""
        return self._answer(f"/v1/users/{user_id}", UserHistory, limit=limit)

    def items(self, query: str, limit: int) -> tuple[Film, ...]:
        """Films whose title fits `query`, best fit first."""
        return self._answer("/v1/items", Films, query=query, limit=limit).items

    def predict(self, user_id: int, item_id: int) -> Answer:
        """Rating, like and segment for one user and one film, from one model set."""
        return self._answer(f"/v1/users/{user_id}/items/{item_id}", Answer)

    def _answer(self, path: str, kind: type[_Answer], **query: Any) -> _Answer:
        response = self._get(path, **query)
        if response.is_error:
            raise ApiError(_reason(response))
        return self._decode(response, kind)

    def _get(self, path: str, **query: Any) -> httpx.Response:
        try:
            return self._http.get(path, params=query)
        except httpx.TimeoutException as error:
            raise ApiError(
                f"The API at {self.url} did not answer within {_ANSWER_SECONDS:g} seconds."
            ) from error
        except httpx.HTTPError as error:
            raise ApiError(f"The API at {self.url} cannot be reached.") from error

    def _decode(self, response: httpx.Response, kind: type[_Answer]) -> _Answer:
        try:
            return msgspec.json.decode(response.content, type=kind)
        except msgspec.MsgspecError as error:
            raise ApiError(
                f"What answers at {response.request.url} is not reelstream's API, or another"
                " version of it."
            ) from error


class _Problem(msgspec.Struct):
    """The part of an RFC 9457 problem that a person reads."""

    title: str = ""
    detail: str = ""


def _reason(response: httpx.Response) -> str:
    try:
        problem = msgspec.json.decode(response.content, type=_Problem)
    except msgspec.MsgspecError:
        problem = _Problem()
    return (
        problem.detail or problem.title or f"The API answered with status {response.status_code}."
    )
