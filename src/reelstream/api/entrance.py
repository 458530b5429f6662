"""The server's entrance: takes requests off the network and gives whole ones to the application.

It runs on granian's event loop, where a connection that sends slowly, or nothing, costs some
kilobytes and no thread. What arrived whole is answered by Flask on a few threads. Whoever may wait,
for the log or for a token, gets a thread of another pool, so that no number of them keeps the
others from their answers.

A prediction for one pair whose user's state is ready needs about as long as handing it to a
thread: it is answered here, by the same view function without Flask (`quick`).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import Any, TypeAlias

from flask import Flask

from reelstream.api.problems import MEDIA_TYPE, RETRY_SECONDS, make_problem
from reelstream.contract import ProblemType

# Threads that answer. The models release Python's lock while they compute: meanwhile other users
# are folded in, and other queries answered.
ANSWERING_THREADS = 4
# Threads that wait, and cost little while they do.
WAITING_THREADS = 256
# How long a body may take to arrive, from the end of the headers on.
BODY_SECONDS = 10.0

# What half-sent bodies may take of memory, all together.
MAX_HELD_BYTES = 256 * 1024**2
# Requests that wait for a thread, of either pool; with more, waiting would take too long anyway.
MAX_QUEUED = 2_000

Headers: TypeAlias = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back over the network."""

    status: int
    headers: Headers
    body: bytes


# Answers the body of a POST without a query at once; None: it is for Flask.
Quick: TypeAlias = Callable[[Any, bytes], Reply | None]


class Entrance:
    """The RSGI application that granian calls."""

    def __init__(self, app: Flask, quick: Mapping[str, Quick]) -> None:
        """quick: by path."""
        self._app, self._quick = app, quick
        self._max_body = app.config["MAX_CONTENT_LENGTH"]
        self._answering = ThreadPoolExecutor(ANSWERING_THREADS, "answer")
        self._waiting = ThreadPoolExecutor(WAITING_THREADS, "wait")
        # Both are changed on the event loop's thread alone.
        self._held = self._queued = 0

    @property
    def active(self) -> int:
        """Requests that have arrived whole, and have no answer yet."""
        return self._queued

    async def answer(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        try:
            body = await self._read(scope, protocol)
        except TimeoutError:
            detail = f"the body did not arrive within {BODY_SECONDS:g} seconds"
            _respond(scope, protocol, _give_up(ProblemType.LATE_BODY, detail))
            return
        except MemoryError:
            _respond(scope, protocol, _too_busy("too many bodies are half-sent: try again"))
            return
        quick = self._quick.get(scope.path)
        if quick is not None and scope.method == "POST" and not scope.query_string:
            reply = quick(scope, body)
            if reply is not None:
                protocol.response_bytes(reply.status, reply.headers, reply.body)
                return
        if self._queued >= MAX_QUEUED:
            _respond(scope, protocol, _too_busy("too many requests wait already: try again"))
            return
        loop = asyncio.get_running_loop()
        environ = _environ(scope, body)
        self._queued += 1
        try:
            reply = await loop.run_in_executor(self._pool(scope), self._call, environ)
        finally:
            self._queued -= 1
        _respond(scope, protocol, reply)

    def close(self) -> None:
        """End the threads, once they have answered."""
        self._answering.shutdown()
        self._waiting.shutdown()

    async def _read(self, scope: Any, protocol: Any) -> bytes:
        """The body, or its beginning if it is too long.

        Raises TimeoutError, and MemoryError when too much is half-sent.
        """
        headers = scope.headers
        length = headers.get("content-length")
        if length is None and headers.get("transfer-encoding") is None:
            # HTTP/2 needs to announce no length.
            if scope.method in ("GET", "HEAD") or not scope.http_version.startswith("2"):
                return b""
        elif length is not None:
            announced = int(length) if length.isdigit() else 0
            # Flask refuses by what is announced, whatever has arrived.
            if announced == 0 or announced > self._max_body:
                return b""
        chunks, size = [], 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in protocol:
                    chunks.append(chunk)
                    size += len(chunk)
                    self._held += len(chunk)
                    if size > self._max_body:
                        break
                    if self._held > MAX_HELD_BYTES:
                        raise MemoryError
        finally:
            self._held -= size
        return b"".join(chunks)

    def _pool(self, scope: Any) -> Executor:
        # What is written waits for the log, a token for the server itself, and another set may have
        # to be loaded.
        writes = scope.method not in ("GET", "HEAD") and scope.path.startswith("/v1/")
        waits = any(name in scope.query_string for name in ("after=", "model_set="))
        return self._waiting if writes or waits else self._answering

    def _call(self, environ: dict[str, Any]) -> Reply:
        started: list[Any] = []

        def start_response(status: str, headers: Headers, _: Any = None) -> None:
            started[:] = int(status[:3]), headers

        answer = self._app.wsgi_app(environ, start_response)  # type: ignore[arg-type]
        try:
            body = b"".join(answer)
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()
        return Reply(status=started[0], headers=started[1], body=body)


def client_address(scope: Any) -> str:
    """The address, without port, from which a request was sent."""
    address: str = scope.client
    return address.rpartition(":")[0].strip("[]")


def _environ(scope: Any, body: bytes) -> dict[str, Any]:
    """The request as WSGI (PEP 3333) has it: text is Latin-1 of the bytes on the network."""
    server, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": client_address(scope),
        "REMOTE_PORT": scope.client.rpartition(":")[2],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        # Two headers of one name are one with both values (RFC 9110, 5.3).
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    if scope.authority:
        environ.setdefault("HTTP_HOST", scope.authority)
    # A body in chunks has arrived whole: what reads it needs its length.
    if environ.pop("HTTP_TRANSFER_ENCODING", None) is not None or (
        body and "CONTENT_LENGTH" not in environ
    ):
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def _respond(scope: Any, protocol: Any, reply: Reply) -> None:
    if scope.method == "HEAD":
        protocol.response_empty(reply.status, reply.headers)
    else:
        protocol.response_bytes(reply.status, reply.headers, reply.body)


def _too_busy(detail: str) -> Reply:
    return _give_up(ProblemType.TOO_BUSY, detail)


def _give_up(kind: ProblemType, detail: str) -> Reply:
    """A problem, after which the connection ends: the rest of a body may come yet."""
    headers = [("content-type", MEDIA_TYPE), ("connection", "close")]
    if kind.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("retry-after", str(RETRY_SECONDS)))
    body = make_problem(kind, detail).model_dump_json().encode()
    return Reply(status=kind.status, headers=headers, body=body)
