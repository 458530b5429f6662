"""`reelstream demo`: the pipeline, slowed down, and the page in a browser."""

from __future__ import annotations

import threading
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from command_line import Command

from reelstream.cli import demo
from reelstream.cli.pipeline import Pipeline


class Page(BaseHTTPRequestHandler):
    """Answers whatever is asked."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[Pipeline]:
    """The pipelines that would have been kept alive: no stage is started."""
    pipelines: list[Pipeline] = []

    def follow(self: Pipeline, *_: object, **__: object) -> tuple[int, None]:
        pipelines.append(self)
        return 0, None

    monkeypatch.setattr(Pipeline, "follow", follow)
    return pipelines


def test_it_streams_slowly_and_may_simulate(
    command: Command, followed: list[Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the work folder of `run`, which continues it; a second demo takes the same ratings."""
    monkeypatch.setattr(demo, "STAND_IN", demo.STAND_IN._replace(users=20, items=30, ratings=400))
    for _ in range(2):
        answer = command("demo", "--simulated", "--no-browser", "--port", 0, "--ui-port", 0)
        assert (answer.code, answer.err) == (0, answer.err)
    first, second = followed
    assert first.settings.data.rate == demo.RATINGS_A_SECOND
    assert first.settings.data.folder == second.settings.data.folder
    assert Path("work/simulated/ratings.csv").exists()


def test_the_browser_is_opened_when_the_page_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before: it would show that nothing answers."""
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(demo, "POLL_SECONDS", 0.01)
    server = HTTPServer(("127.0.0.1", 0), Page, bind_and_activate=False)
    server.server_bind()
    address, stop = f"http://127.0.0.1:{server.server_port}", threading.Event()
    opener = threading.Thread(target=demo.open_when_there, args=(address, stop), daemon=True)
    opener.start()
    opener.join(0.1)  # nothing listens yet
    assert not opened
    server.server_activate()
    server.timeout = 10
    server.handle_request()
    opener.join(10)
    assert opened == [address]
    server.server_close()
