"""The page as a person meets it: a running system, and a real browser."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect, sync_playwright
from running_system import RunningSystem

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
PATIENCE = 30_000
"""Milliseconds that an expectation may take to come true."""

# Path -> what only this view shows.
VIEWS = {
    "": "Messages in the log",
    "for_you": "Best for you",
    "film": "Similar films",
    "segments": "What each segment rates more than all users do",
    "models": "Made (UTC)",
    "health": "Lag by partition",
}

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
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def system(
    small_dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSystem]:
    """60 users, 120 films, two model sets; one system for all tests here."""
    system = RunningSystem(tmp_path_factory.mktemp("browser") / "work")
    try:
        system.train(small_dataset)
        system.start_api()
        system.start_page()
        yield system
    finally:
        system.stop()


@dataclass
class Visit:
    """One visitor's browser, and what it had to complain about."""

    page: Page
    url: str
    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(f"{self.url}/{path}")

    def note(self, message: ConsoleMessage) -> None:
        # Streamlit looks for its own address below the view's path first: the browser reports
        # that as an error, though it is none.
        if message.type in ("warning", "error") and "/_stcore/" not in message.location["url"]:
            self.complaints.append(message.text)

    def wait_until_redrawn(self) -> None:
        """Until nothing is left of what was there before the last click."""
        expect(self.page.locator('[data-stale="true"]')).to_have_count(0)
        expect(self.page.get_by_test_id("stStatusWidget")).to_have_count(0)

    def metric(self, label: str) -> Locator:
        return self.page.get_by_test_id("stMetric").filter(has_text=label)

    def films(self, where: str) -> list[str]:
        return self.page.locator(f'[class*="st-key-film-{where}-"]').all_inner_texts()


@pytest.fixture
def visit(
    request: pytest.FixtureRequest, browser: Browser, system: RunningSystem
) -> Iterator[Visit]:
    """A new visitor; the test fails when the browser complained, or asked anybody but the page."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 1100},
        reduced_motion="reduce",
        **getattr(request, "param", {}),
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    visit = Visit(page, system.page_url)
    page.on("request", lambda request: visit.hosts.add(urlsplit(request.url).netloc))
    page.on("console", visit.note)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    yield visit
    context.close()
    assert visit.hosts - {""} == {urlsplit(system.page_url).netloc}
    assert visit.complaints == []


@pytest.mark.parametrize(
    "visit", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True
)
def test_every_view_is_drawn_and_can_be_read_by_everyone(visit: Visit) -> None:
    """By its address, in both schemes: no error, no warning, no serious hindrance that axe-core
    finds.
    """
    for path, only_here in VIEWS.items():
        visit.open(path)
        expect(visit.page.get_by_text(only_here, exact=True).first).to_be_visible()
        expect(visit.page.get_by_test_id("stSkeleton")).to_have_count(0)
        expect(visit.page.get_by_test_id("stException")).to_have_count(0)
        found = Axe().run(visit.page).response["violations"]
        serious = {
            (rule["id"], node["html"][:200])
            for rule in found
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        }
        assert not serious, path


def test_a_new_user_rates_five_films_and_the_list_follows(visit: Visit) -> None:
    """Each star changes the answers at once, and a reason names one of the five."""
    visit.open("for_you")
    stars = visit.page.locator('[class*="st-key-rate-asked-"]')
    expect(stars).to_have_count(5)
    expect(visit.page.get_by_text("knows nothing of this user", exact=False)).to_be_visible()
    before = visit.films("best")
    assert len(before) == 10
    for rated in range(1, 6):
        stars.first.get_by_role("radio").nth(4).click()
        count = f"knows {rated} rating{'s' if rated > 1 else ''}"
        expect(visit.page.get_by_text(re.compile(f"{count}\\b"))).to_be_visible()
    visit.wait_until_redrawn()
    own = [name.rsplit(" ", 2)[0] for name in visit.films("own")]
    assert len(own) == 5
    assert visit.films("best") != before
    assert not set(own) & set(visit.films("best"))
    because = visit.page.get_by_text("because of", exact=False).all_inner_texts()
    assert any(name in reason for reason in because for name in own)


def test_a_film_is_found_with_the_keyboard(visit: Visit) -> None:
    """Type a word, go to the film with the tab key, choose it: its page shows it."""
    visit.open("film?user=1")
    search = visit.page.get_by_label("Find a film", exact=True)
    expect(visit.page.get_by_test_id("stVegaLiteChart").last).to_be_visible()
    name = visit.films("similar")[3].split(" · ")[0]
    search.press_sequentially(name)
    found = visit.page.locator('[class*="st-key-film-search-"] button')
    expect(found.first).to_contain_text(name)
    for _ in range(12):
        visit.page.keyboard.press("Tab")
        if visit.page.evaluate("document.activeElement.innerText").startswith(name):
            break
    visit.page.keyboard.press("Enter")
    expect(visit.page.get_by_role("heading", name=name)).to_be_visible()
    assert "film=" in visit.page.url


@pytest.mark.parametrize("visit", [{"locale": "id-ID"}], indirect=True)
def test_the_browser_chooses_the_language_and_the_visitor_another(visit: Visit) -> None:
    """Indonesian for a browser that prefers it; a click, and it is English, also after a change of
    the view.
    """
    visit.open("")
    expect(visit.page.get_by_role("heading", name="Aliran data, saat terjadi")).to_be_visible()
    visit.page.get_by_role("radio", name="English").click()
    expect(visit.page.get_by_role("heading", name="The stream, as it happens")).to_be_visible()
    visit.page.get_by_role("link", name="Models").click()
    expect(visit.page.get_by_role("heading", name="Models", exact=True)).to_be_visible()
    expect(visit.page.get_by_text("Made (UTC)")).to_be_visible()


def test_a_set_is_put_into_service_and_taken_back(visit: Visit) -> None:
    """With the key that it was given, the page lets an earlier set serve, and the newest again."""
    visit.open("models")
    expect(visit.page.get_by_text("model set 2 answers")).to_be_visible()
    visit.page.get_by_label("Look closer at set").click()
    visit.page.get_by_role("option", name="1", exact=True).click()
    visit.page.get_by_role("button", name="Let set 1 serve").click()
    expect(visit.page.get_by_text("model set 1 answers")).to_be_visible()
    visit.page.get_by_role("button", name="Let the newest serve").click()
    expect(visit.page.get_by_text("model set 2 answers")).to_be_visible()


def test_the_page_outlives_the_api(visit: Visit, system: RunningSystem) -> None:
    """It says that the API is away, and comes back by itself."""
    visit.open("")
    expect(visit.metric("Model set in service")).to_contain_text("2")
    system.stop_api()
    expect(visit.page.get_by_text("API away")).to_be_visible()
    expect(visit.page.get_by_text("The API is away.", exact=False).first).to_be_visible()
    system.start_api()
    expect(visit.metric("Model set in service")).to_contain_text("2")
    expect(visit.page.get_by_text("The API is away.", exact=False)).to_have_count(0)
    expect(visit.page.get_by_test_id("stException")).to_have_count(0)
