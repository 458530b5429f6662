"""Takes the pictures of the page for README and docs from a system that it starts and ends.

`.venv/bin/python tools/page_pictures.py DATA` streams a data set slowly enough to watch, with
Chromium at the page: one moving picture of *Live*, then each view in docs/images/. It takes about
five minutes. `--all FOLDER` writes every view at three widths in both schemes there as well, to
look at.
"""

from __future__ import annotations

import argparse
import io
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from reelstream.cli.preflight import free_port
from reelstream.client import Client, wait_until_answers

IMAGES = Path(__file__).parent.parent / "docs" / "images"
# What is shown of the system: a set every ten thousand ratings.
STREAM = ("--rate", "1000", "--batch-rows", "10000", "--batch-seconds", "60")
VIEWS = ("", "for_you?user=1&film=31", "film?user=1&film=31", "segments?user=1", "models", "health")
WIDTHS = (400, 1000, 1600)
MAX_HEIGHT = 3000
PICTURE_HEIGHT = 1120
COLORS = 128

# A machine that does much else takes that long to the first set.
MAX_SECONDS = 900.0

FRAMES, SECONDS_A_FRAME, SHOWN_SECONDS_A_FRAME = 24, 3.0, 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="a data set's folder")
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every view, width and scheme")
    arguments = parser.parse_args()
    api_port, page_port = (free_port("127.0.0.1", 0, "--port") for _ in range(2))
    with tempfile.TemporaryDirectory() as work:
        command = [sys.executable, "-m", "reelstream", "run", "--data", arguments.data]
        command += ["--work", work, "--port", str(api_port), "--ui-port", str(page_port), *STREAM]
        system = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            addresses = (f"http://127.0.0.1:{port}" for port in (api_port, page_port))
            take(system, *addresses, everything=arguments.all)
        finally:
            system.send_signal(signal.SIGTERM)
            system.wait()


def take(
    system: subprocess.Popen[bytes], api_url: str, page_url: str, *, everything: Path | None
) -> None:
    def is_running() -> bool:
        return system.poll() is None

    wait_until_answers(f"{page_url}/_stcore/health", seconds=MAX_SECONDS, is_running=is_running)
    with sync_playwright() as playwright, Client(api_url) as client:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        wait_until_answers(f"{api_url}/health/ready", seconds=MAX_SECONDS, is_running=is_running)
        record_live(open_page(browser, width=1000, scheme="light"), page_url)
        wait_until_trained(client, is_running)
        for name, path, scheme in (
            ("page", VIEWS[1], "light"),
            ("page-segments", VIEWS[3], "dark"),
            ("page-models", VIEWS[4], "light"),
        ):
            page = open_page(browser, width=1280, scheme=scheme)
            save(shot(page, f"{page_url}/{path}", PICTURE_HEIGHT), IMAGES / f"{name}.png")
            page.context.close()
        if everything is not None:
            save_all(browser, page_url, everything)
        browser.close()


def save_all(browser: Browser, page_url: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        for width in WIDTHS:
            page = open_page(browser, width=width, scheme=scheme)
            for path in VIEWS:
                name = path.partition("?")[0] or "live"
                save(shot(page, f"{page_url}/{path}"), folder / f"{name}-{width}-{scheme}.png")
            page.context.close()


def open_page(browser: Browser, *, width: int, scheme: str) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        locale="en-US",
    )
    return context.new_page()


def shot(page: Page, url: str, max_height: int = MAX_HEIGHT) -> Image.Image:
    """The whole view, not only what fits into the window, up to a height."""
    width = page.viewport_size["width"] if page.viewport_size else 1280
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(url)
    page.wait_for_selector("h1")
    page.wait_for_timeout(4000)
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": min(int(height), max_height)})
    page.wait_for_timeout(1000)
    return Image.open(io.BytesIO(page.screenshot()))


def record_live(page: Page, page_url: str) -> None:
    """*Live* while the stream flows, several times as fast as it was."""
    page.set_viewport_size({"width": 1000, "height": 1280})
    page.goto(page_url)
    page.wait_for_selector("h1")
    frames = []
    for _ in range(FRAMES):
        page.wait_for_timeout(1000 * SECONDS_A_FRAME)
        frames.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    page.context.close()
    frames[0].save(
        IMAGES / "page-live.webp",
        save_all=True,
        append_images=frames[1:],
        duration=int(1000 * SHOWN_SECONDS_A_FRAME),
        loop=0,
        quality=70,
        method=6,
    )


def save(picture: Image.Image, path: Path) -> None:
    picture.convert("RGB").quantize(COLORS).save(path, optimize=True)
    print(path, f"{path.stat().st_size / 1000:.0f} kB", flush=True)


def wait_until_trained(client: Client, is_running: Callable[[], bool]) -> None:
    """Until the log is in batches and a set has learned them all."""
    deadline = time.monotonic() + MAX_SECONDS
    while is_running() and time.monotonic() < deadline:
        status = client.status()
        if status.log.end and status.log.trained >= status.log.end - 10_000:
            return
        time.sleep(2)
    raise SystemExit("the system was not trained in time")


if __name__ == "__main__":
    main()
