"""How long does a person wait for the page, and does it grow while it is left open?

A running system with ml-latest-small and Chromium: each view from its address to its last chart,
another user, a click on a star until the list has changed; then *Live* is left open, and the memory
of the page's server is read at the beginning and at the end.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from playwright.sync_api import Locator, Page, sync_playwright

from common import at_most, data_set, finish, free_ports, parser
from reelstream.client import wait_until_answers

VIEWS = {
    "live": ("", "stVegaLiteChart"),
    "for_you": ("for_you?user=1", "stVegaLiteChart"),
    "film": ("film?user=1&film=318", "stVegaLiteChart"),
    "segments": ("segments?user=1", "stVegaLiteChart"),
    "models": ("models", "stVegaLiteChart"),
    "health": ("health", "stTable"),
}
TIMES = 5
# A view may take so long, in seconds; another user, and a rating, so long.
MAX_VIEW_SECONDS, MAX_CLICK_SECONDS = 2.0, 1.0
MAX_GROWTH_MB = 50.0
# The first minute fills caches and the time line.
SETTLING_SECONDS = 60.0


def main() -> int:
    arguments = parser(__doc__)
    arguments.add_argument("--work", type=Path, help="a work folder with a model set; else trained")
    arguments.add_argument("--minutes", type=float, default=30.0, help="how long Live stays open")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = given.work or trained(Path(scratch) / "work", given.data)
        with served(work) as (url, page_pid), sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = chromium.new_page(viewport={"width": 1280, "height": 1100})
            results = {
                "views": {name: view_seconds(page, url, name) for name in VIEWS},
                "user": user_seconds(page, url),
                "rating": rating_seconds(page, url),
                "minutes": given.minutes,
                "grown_mb": grown_mb(page, url, page_pid, given.minutes),
            }
            chromium.close()
    print(results)
    bars = [
        at_most(f"seconds to {name}", median(seconds), MAX_VIEW_SECONDS)
        for name, seconds in results["views"].items()
    ]
    bars.append(at_most("seconds to another user", median(results["user"]), MAX_CLICK_SECONDS))
    bars.append(at_most("seconds to a new list", median(results["rating"]), MAX_CLICK_SECONDS))
    bars.append(at_most("MB that Live has grown", results["grown_mb"], MAX_GROWTH_MB))
    return finish("page", results, bars, packages=["streamlit"], keep=given.minutes >= 30)


def view_seconds(page: Page, url: str, name: str) -> list[float]:
    """From the address to the last thing drawn, after a first visit that warms everything."""
    path, last = VIEWS[name]

    def open_view() -> None:
        page.goto(f"{url}/{path}")
        page.get_by_test_id(last).last.wait_for()
        settle(page)

    open_view()
    return [timed(open_view) for _ in range(TIMES)]


def user_seconds(page: Page, url: str) -> list[float]:
    """From the click on *New user* to that user's answers."""
    taken = []
    for _ in range(TIMES):
        page.goto(f"{url}/for_you?user=1")
        page.get_by_text("knows 232 ratings").first.wait_for()
        settle(page)
        new_user = page.get_by_role("button", name="New user")
        taken.append(timed(partial(choose, page, new_user, "knows nothing of this user")))
    return taken


def rating_seconds(page: Page, url: str) -> list[float]:
    """From the click on a star to a list that has changed."""
    page.goto(f"{url}/for_you?user={900_000_000 + int(time.time()) % 90_000_000}")
    stars = page.locator('[class*="st-key-rate-best-"]')
    taken = []
    for rated in range(1, TIMES + 1):
        stars.nth(9).wait_for()
        settle(page)
        first = stars.first.get_by_role("radio").nth(4)
        taken.append(timed(partial(choose, page, first, f"knows {rated} rating")))
    return taken


def choose(page: Page, button: Locator, shown: str) -> None:
    """Click, and wait until the page says it."""
    button.click()
    page.get_by_text(shown).first.wait_for()


def settle(page: Page) -> None:
    """Wait until nothing of what was there before is left."""
    page.wait_for_function("!document.querySelector('[data-stale=\"true\"]')")


def grown_mb(page: Page, url: str, pid: int, minutes: float) -> float:
    """How much the page's server has grown while *Live* was open."""
    page.goto(url)
    page.wait_for_timeout(1000 * min(SETTLING_SECONDS, 60 * minutes / 4))
    before = resident_mb(pid)
    page.wait_for_timeout(60_000 * minutes)
    return resident_mb(pid) - before


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def trained(work: Path, data: Path | None) -> Path:
    """A work folder whose third set has learned everything."""
    dataset = data_set(data).ratings_file.parent
    command = ["run", "--data", str(dataset), "--until-set", "3", "--no-ui", "--port", "0"]
    subprocess.run([*_reelstream(work, command[0]), *command[1:]], check=True)
    return work


@contextmanager
def served(work: Path) -> Iterator[tuple[str, int]]:
    """The page's address and process, with an API of its own."""
    api_port, page_port = free_ports(2)
    api, url = f"http://127.0.0.1:{api_port}", f"http://127.0.0.1:{page_port}"
    started = []
    try:
        started.append(subprocess.Popen([*_reelstream(work, "serve"), "--port", str(api_port)]))
        wait_until_answers(f"{api}/health/ready")
        command = [*_reelstream(work, "ui"), "--api", api, "--port", str(page_port)]
        started.append(subprocess.Popen(command))
        wait_until_answers(f"{url}/_stcore/health")
        yield url, started[-1].pid
    finally:
        for process in started:
            process.terminate()
            process.wait()


def _reelstream(work: Path, command: str) -> list[str]:
    return [sys.executable, "-m", "reelstream", command, "--work", str(work)]


if __name__ == "__main__":
    raise SystemExit(main())
