"""The page's frame: what it shows while the API is away, waits, or answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_api import FakeApi, Served
from streamlit.testing.v1 import AppTest
from views import metrics, words

import reelstream.ui
from reelstream.ui.formatting import plain


@pytest.fixture
def app(served: Served) -> AppTest:
    """The page, not yet run; it opens *Live*."""
    page = Path(reelstream.ui.__file__).parent / "page.py"
    return AppTest.from_file(str(page), default_timeout=30)


def test_the_page_opens_with_the_stream(app: AppTest) -> None:
    """The set in service is named, and the first view counts the stream."""
    app.run()
    assert not app.exception
    assert "model set 3 answers" in words(app)
    assert metrics(app)["Messages in the log"] == "5,000"


def test_an_api_that_is_away_and_comes_back(app: AppTest, served: Served) -> None:
    """A sentence instead of a traceback, and the view again afterwards."""
    served.stop()
    app.run()
    [error] = app.error
    assert plain(f"The API at {served.url} cannot be reached.") in error.value
    assert "This page tries again every two seconds." in error.value
    assert not app.exception
    served.start()
    app.run()
    assert metrics(app)["Messages in the log"] == "5,000"
    assert not app.error


def test_before_the_first_set_the_stream_is_shown(app: AppTest, api: FakeApi) -> None:
    """Nothing serves yet, and the stream is counted all the same."""
    api.model_set, api.reasons = None, ["no model set has been published yet"]
    app.run()
    assert "waiting for the first model set" in words(app)
    assert metrics(app)["Model set in service"] == "none yet"
    assert not app.exception


def test_what_fails_while_a_set_serves_is_shown(app: AppTest, api: FakeApi) -> None:
    """A degraded API answers, and the page shows its reasons."""
    api.reasons = ["set 4 is damaged"]
    app.run()
    assert [element.value for element in app.info] == [plain("Set 4 is damaged.")]
    assert metrics(app)["Messages in the log"] == "5,000"


def test_the_language_is_switched(app: AppTest) -> None:
    """English, as the browser says nothing; Indonesian at a click, with its numbers."""
    app.run()
    app.button_group(key="language").set_value("id").run()
    assert "Aliran data, saat terjadi" in words(app)
    assert metrics(app)["Pesan di log"] == "5.000"


def test_a_link_chooses_the_language(app: AppTest) -> None:
    """`?lang=id` opens the page in Indonesian."""
    app.query_params["lang"] = "id"
    app.run()
    assert "Aliran data, saat terjadi" in words(app)
