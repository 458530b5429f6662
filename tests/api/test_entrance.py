"""The entrance: the network's side of the API, as a process over real connections; and the same
answers from both ways in.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from reelstream.api import entrance as entrance_module
from reelstream.api.app import MAX_BODY_BYTES, create_entrance
from reelstream.api.entrance import ANSWERING_THREADS, Entrance

JSON = {"content-type": "application/json", "host": "localhost"}


class Protocol:
    """What granian gives for one request: the chunks of its body, and a place for the answer."""

    def __init__(self, chunks: list[bytes], *, is_whole: bool) -> None:
        self._chunks, self._is_whole = chunks, is_whole
        self.status, self.headers, self.body = 0, dict[str, str](), b""

    async def __aiter__(self) -> Any:
        for chunk in self._chunks:
            yield chunk
        if not self._is_whole:
            await asyncio.sleep(3600)

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.headers, self.body = status, dict(headers), body

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.response_bytes(status, headers, b"")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def scope_of(method: str, target: str, headers: dict[str, str]) -> SimpleNamespace:
    path, _, query = target.partition("?")
    return SimpleNamespace(
        method=method,
        path=path,
        query_string=query,
        headers=headers,
        http_version="1.1",
        scheme="http",
        server="127.0.0.1:5000",
        client="127.0.0.1:40000",
        authority=None,
    )


@pytest.fixture
def entrance(api: SimpleNamespace) -> Iterator[Entrance]:
    entrance = create_entrance(api.app)
    yield entrance
    entrance.close()


async def send(
    entrance: Entrance,
    method: str,
    target: str,
    chunks: list[bytes] | None = None,
    headers: dict[str, str] | None = None,
    *,
    is_whole: bool = True,
) -> Protocol:
    """The answer to one request. By default the length of its body is announced."""
    body = chunks or []
    announced = {"content-length": str(sum(map(len, body)))} if body else {}
    protocol = Protocol(body, is_whole=is_whole)
    await entrance.answer(
        scope_of(method, target, {**JSON, **announced, **(headers or {})}), protocol
    )
    return protocol


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/predict_regression", {"userId": 1, "movieId": 31}),
        ("/predict_regression", {"userId": 1.0, "movieId": 7, "at": 1000, "distribution": True}),
        ("/predict_regression", {"userId": 1, "movieId": 999}),
        ("/predict_regression", {"userId": "1", "movieId": 31}),
        ("/predict_regression", {"userId": 1}),
        ("/predict_regression", [{"userId": 1, "movieId": 31}, {"userId": 1, "movieId": 999}]),
        ("/predict_classification", {"userId": 1, "movieId": 31}),
        ("/predict_clustering", {"userId": 1}),
        ("/predict_clustering", {"userId": 1, "movieId": 31}),
    ],
)
def test_both_ways_in_give_the_same_bytes(
    api: SimpleNamespace, entrance: Entrance, path: str, query: Any
) -> None:
    """Status, body and headers: from Flask, and from the entrance, the second time at once."""
    answer = api.client.post(path, json=query)
    body = json.dumps(query).encode()
    for _ in range(2):
        sent = asyncio.run(send(entrance, "POST", path, [body[:5], body[5:]]))
        assert (sent.status, sent.body) == (answer.status_code, answer.data)
        assert sent.headers == dict(answer.headers)


def test_what_is_answered_at_once_is_counted_like_the_rest(
    api: SimpleNamespace, entrance: Entrance
) -> None:
    """In /metrics."""
    body = b'{"userId":1,"movieId":31}'
    for _ in range(3):
        asyncio.run(send(entrance, "POST", "/predict_regression", [body]))
    counted = (
        'http_server_request_duration_seconds_count{http_request_method="POST",'
        'http_response_status_code="200",http_route="/predict_regression",'
        'model_set="2"}'
    )
    assert f"{counted} 3.0" in api.client.get("/metrics").text


def test_everything_else_is_flasks(entrance: Entrance) -> None:
    """Paths, queries, methods, headers and bodies arrive as they were sent."""
    found = asyncio.run(send(entrance, "GET", "/v1/items?query=toy+story"))
    assert [film["movieId"] for film in found.json["items"]] == [1]
    assert asyncio.run(send(entrance, "GET", "/nothing")).status == 404
    head = asyncio.run(send(entrance, "HEAD", "/v1/items"))
    assert (head.status, head.body) == (200, b"")
    chunked = {"transfer-encoding": "chunked", "content-length": ""}
    rating = b'{"userId":5,"movieId":31,"rating":4.5}'
    headers = {name: value for name, value in chunked.items() if value}
    scope = scope_of("POST", "/v1/ratings", {**JSON, **headers, "Idempotency-Key": "a"})
    protocol = Protocol([rating[:9], rating[9:]], is_whole=True)
    asyncio.run(entrance.answer(scope, protocol))
    assert protocol.status == 202


@pytest.mark.parametrize("headers", [{}, {"transfer-encoding": "chunked"}])
def test_a_body_that_is_too_long_is_not_read_to_its_end(
    entrance: Entrance, headers: dict[str, str]
) -> None:
    """413, whether its length is announced or not, though it never ends."""
    chunks = [b" " * 2**20] * 5
    scope = scope_of("POST", "/predict_regression", {**JSON, **headers})
    if not headers:
        scope.headers["content-length"] = str(10 * MAX_BODY_BYTES)
    protocol = Protocol(chunks, is_whole=False)
    asyncio.run(entrance.answer(scope, protocol))
    assert protocol.status == 413


def test_a_body_that_does_not_arrive_is_given_up(
    entrance: Entrance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """408, and the connection ends."""
    monkeypatch.setattr(entrance_module, "BODY_SECONDS", 0.01)
    headers = {"content-length": "100"}
    scope = scope_of("POST", "/v1/ratings", {**JSON, **headers})
    protocol = Protocol([b"{"], is_whole=False)
    asyncio.run(entrance.answer(scope, protocol))
    assert protocol.status == 408 and protocol.json["status"] == 408
    assert protocol.headers["connection"] == "close"


def test_whoever_waits_keeps_nobody_from_an_answer(
    api: SimpleNamespace, entrance: Entrance
) -> None:
    """Many half-sent bodies and many waiting reads; an honest client is answered meanwhile."""
    token = api.client.post("/v1/ratings", json={"userId": 5, "movieId": 31, "rating": 4}).json
    waiting = f"/v1/users/5?after={token['token']}&timeout=10"

    async def run() -> Protocol:
        half = [
            asyncio.create_task(
                send(
                    entrance,
                    "POST",
                    "/predict_regression",
                    [b"{"],
                    {"content-length": "99"},
                    is_whole=False,
                )
            )
            for _ in range(50)
        ]
        reads = [asyncio.create_task(send(entrance, "GET", waiting)) for _ in range(50)]
        await asyncio.sleep(0)
        honest = [await send(entrance, "GET", "/v1/items") for _ in range(2 * ANSWERING_THREADS)]
        assert not any(task.done() for task in half + reads)
        for task in half:
            task.cancel()
        api.updates.start()
        answers = await asyncio.gather(*reads)
        assert {each.status for each in answers} == {200}
        assert all(each.json["total"] == 1 for each in answers)
        return honest[-1]

    assert asyncio.run(run()).status == 200
    api.updates.close()


def test_half_sent_bodies_hold_a_bounded_part_of_memory(
    entrance: Entrance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More are a 503 that says when to try again; what was held is free when they end."""
    monkeypatch.setattr(entrance_module, "MAX_HELD_BYTES", 1000)

    async def run() -> tuple[Protocol, Protocol]:
        chunk, length = [b" " * 400], {"content-length": "800"}
        half = [
            asyncio.create_task(
                send(entrance, "POST", "/v1/ratings", chunk, length, is_whole=False)
            )
            for _ in range(2)
        ]
        await asyncio.sleep(0)
        refused = await send(entrance, "POST", "/v1/ratings", chunk, length)
        for task in half:
            task.cancel()
        await asyncio.gather(*half, return_exceptions=True)
        return refused, await send(entrance, "POST", "/v1/ratings", chunk)

    refused, later = asyncio.run(run())
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert later.status == 400


def test_a_long_queue_is_refused(entrance: Entrance, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 at once, in place of an answer after a long time."""
    monkeypatch.setattr(entrance_module, "MAX_QUEUED", 0)
    answer = asyncio.run(send(entrance, "GET", "/v1/items"))
    assert (answer.status, answer.headers["connection"]) == (503, "close")
