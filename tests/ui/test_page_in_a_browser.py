"""The page as a person meets it: Streamlit's server, started as `reelstream ui` starts it, in a
real browser.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fake_api import FakeApi, Served
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
]
PATIENCE = 60_000
"""Milliseconds that an expectation may take to come true."""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(
        CHROMIUM is None and os.environ.get("CI") != "true",
        reason="no Chromium here: install it to click through the page",
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page_url(served: Served, tmp_path: Path) -> Iterator[str]:
    """The page's own server, asking the fake API."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = [sys.executable, "-m", "reelstream.ui.launcher", served.url, "127.0.0.1", str(port)]
    with open(tmp_path / "streamlit.log", "wb") as log:
        server = subprocess.Popen(start, stdout=log, stderr=log, cwd=tmp_path)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/_stcore/health", server, tmp_path / "streamlit.log")
        yield url
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture
def page(browser: Browser, page_url: str) -> Iterator[Page]:
    """The page, opened; the test fails when it asked anybody but its own server for anything."""
    asked: set[str] = set()
    context = browser.new_context(viewport={"width": 1280, "height": 1100}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    page.goto(page_url)
    yield page
    context.close()
    assert asked - {""} == {urlsplit(page_url).netloc}


def test_a_person_clicks_through_the_page(page: Page, api: FakeApi, served: Served) -> None:
    """Find a film and a user while typing, read the answer, look at another score, outlive the
    API.
    """
    expect(page.get_by_role("heading", name="Toy Story (1995)")).to_be_visible()
    expect(page.get_by_test_id("stMetric").filter(has_text="Predicted rating")).to_contain_text(
        "3.62"
    )
    expect(page.get_by_test_id("stMetric").filter(has_text="Messages in the log")).to_contain_text(
        "5,000"
    )
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(2)

    page.get_by_label("Movie", exact=True).press_sequentially("rec")
    expect(page.get_by_role("heading", name="[Rec] *$9* (2007)")).to_be_visible()
    page.get_by_label("User", exact=True).press_sequentially("12")
    expect(page.get_by_text("for user 12", exact=False)).to_be_visible()
    page.get_by_text("User 120").click()
    expect(page.get_by_text("by user 120")).to_be_visible()

    page.get_by_role("radio", name="AUC").click()
    expect(page.get_by_test_id("stVegaLiteChart").last).to_be_visible()

    api.log_end = 6000
    expect(page.get_by_test_id("stMetric").filter(has_text="Messages in the log")).to_contain_text(
        "6,000"
    )
    served.stop()
    # for a moment two parts of the page may say it
    expect(page.get_by_text("cannot be reached")).to_have_count(1)
    expect(page.get_by_role("heading", name=re.compile("Rec"))).to_be_hidden()
    served.start()
    expect(page.get_by_test_id("stMetric").filter(has_text="Predicted rating")).to_contain_text(
        "3.62"
    )
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_the_page_opens_by_itself_once_a_set_serves(page: Page, api: FakeApi) -> None:
    """Loaded before the first set, it needs no click to show the answers."""
    expect(page.get_by_role("heading", name="Toy Story (1995)")).to_be_visible()
    api.model_set, api.reasons = None, ["no model set has been published yet"]
    expect(page.get_by_text("No model set has been published yet.")).to_be_visible()
    api.model_set, api.reasons = 4, []
    expect(page.get_by_text("Model set 4 answers from")).to_be_visible()


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when `url` answers; fail with the server's own words when it ends first."""
    for _ in range(600):
        if server.poll() is not None:
            pytest.fail(f"the page's server ended with {server.returncode}: {log.read_text()}")
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    pytest.fail(f"the page's server did not answer: {log.read_text()}")
