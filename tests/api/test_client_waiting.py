"""Waiting for a server that was just started."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reelstream.client import ApiError, wait_until_answers


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """Ready at the third look."""
    statuses = iter([503, 503])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(next(statuses, 200))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_it_returns_when_the_server_is_ready(server: ThreadingHTTPServer) -> None:
    """Not before: a server that is up and not ready has not answered."""
    looks: list[int] = []
    wait_until_answers(
        f"http://127.0.0.1:{server.server_port}",
        is_running=lambda: looks.append(1) is None,
    )
    assert len(looks) == 3


def test_it_ends_with_the_server_or_with_the_time() -> None:
    """A process that ended, or never answers, is told instead of waited for."""
    with pytest.raises(ApiError, match="ended before"):
        wait_until_answers("http://127.0.0.1:9", is_running=lambda: False)
    with pytest.raises(ApiError, match="did not answer within 0 seconds"):
        wait_until_answers("http://127.0.0.1:9", seconds=0)
