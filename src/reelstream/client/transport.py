"""Sends requests to the API, and reads what comes back."""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from reelstream.contract import Answer, Problem
from reelstream.errors import ApiError

T = TypeVar("T")
AnAnswer = TypeVar("AnAnswer", bound=Answer)


class Transport:
    """Requests to one API. Every method raises ApiError when it gets no answer."""

    def __init__(
        self,
        base_url: str,
        timeout_seconds: float,
        transport: httpx.BaseTransport | None,
        api_key: str | None = None,
    ) -> None:
        self._url = base_url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._read_params: dict[str, Any] = {}
        # trust_env=False: a proxy of the environment would get the queries to this machine's own
        # server, and a .netrc would add a password to them.
        self._http = httpx.Client(
            base_url=self._url,
            timeout=timeout_seconds,
            trust_env=False,
            transport=transport,
            headers={} if api_key is None else {"Authorization": f"Bearer {api_key}"},
        )

    def reading_with(self, params: dict[str, Any]) -> Transport:
        """The same connections; every read carries these fields in its URL."""
        other = copy(self)
        other._read_params = params
        return other

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(
        self,
        path: str,
        answer: type[AnAnswer],
        params: dict[str, Any] | None = None,
        also_answers: Collection[int] = (),
    ) -> AnAnswer:
        """The answer to a GET. also_answers: HTTP errors that carry an answer too."""
        response = self._request(
            "GET", path, params=_without_none(self._read_params | (params or {}))
        )
        if response.status_code not in also_answers:
            _raise_for_problem(response)
        # Cheap for a model class: the adapter takes over the validator that the class has.
        return _decode(response, TypeAdapter(answer))

    def get_text(self, path: str) -> str:
        """The body that answers a GET, as text."""
        response = self._request("GET", path)
        _raise_for_problem(response)
        return response.text

    def post(self, path: str, body: Any, answer: TypeAdapter[T]) -> T:
        """The answer to a POST of `body` as JSON, which reads."""
        response = self._request("POST", path, json=body, params=self._read_params)
        _raise_for_problem(response)
        return _decode(response, answer)

    def write(
        self, method: str, path: str, answer: type[AnAnswer], key: str | None, body: Any = None
    ) -> AnAnswer:
        """The answer to what changes something; key: its Idempotency-Key."""
        content: dict[str, Any] = {} if body is None else {"json": body}
        headers = {} if key is None else {"Idempotency-Key": key}
        response = self._request(method, path, headers=headers, **content)
        _raise_for_problem(response)
        return _decode(response, TypeAdapter(answer))

    def _request(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **content)
        # Before HTTPError, of which it is one.
        except httpx.TimeoutException as error:
            raise ApiError(
                f"The API at {self._url} did not answer within {self._timeout_seconds:g} seconds."
            ) from error
        except httpx.HTTPError as error:
            raise ApiError(f"The API at {self._url} cannot be reached.") from error


def _without_none(params: dict[str, Any]) -> dict[str, Any]:
    # httpx would send None as an empty value, which is not the same as an absent one.
    return {name: value for name, value in params.items() if value is not None}


def _raise_for_problem(response: httpx.Response) -> None:
    """Raises ApiError with the detail of the problem (RFC 9457) that `response` carries."""
    if not response.is_error:
        return
    try:
        problem = Problem.model_validate_json(response.content)
    # Not from the API itself: a proxy, or another server on this port.
    except ValidationError:
        detail = f"The API answered with status {response.status_code}."
        raise ApiError(detail, status=response.status_code) from None
    raise ApiError(problem.detail, response.status_code, problem.type)


def _decode(response: httpx.Response, answer: TypeAdapter[T]) -> T:
    try:
        return answer.validate_json(response.content)
    except ValidationError as error:
        raise ApiError(
            f"What answers at {response.request.url} is not reelstream's API, or another version "
            "of it.",
            status=response.status_code,
        ) from error
