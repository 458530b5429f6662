"""The page, run by Streamlit's own test driver against the fake API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from fake_api import FakeApi, Served
from streamlit.testing.v1 import AppTest

import reelstream.ui
from reelstream.ui.launcher import API_URL_VARIABLE
from reelstream.ui.wording import plain


@pytest.fixture
def app(served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    """The page, not yet run."""
    monkeypatch.setenv(API_URL_VARIABLE, served.url)
    yield AppTest.from_file(
        str(Path(reelstream.ui.__file__).parent / "page.py"), default_timeout=30
    )
    st.cache_resource.clear()


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def words(app: AppTest) -> str:
    return "\n".join(
        element.value
        for kind in (app.title, app.subheader, app.markdown, app.caption)
        for element in kind
    )


def test_a_user_and_a_film_get_all_three_answers(app: AppTest) -> None:
    """Rating with interval, chance to like, segment, and what they rest on, from the first look
    on.
    """
    app.run()
    assert not app.exception
    assert metrics(app)["Predicted rating"] == "3.62"
    assert metrics(app)["95 % interval"] == "2.0 – 5.0"
    assert metrics(app)["Chance to like it"] == "63%"
    assert "generous drama lovers" in words(app)
    assert (
        "Model set 3 answers from 20 ratings of this user, 2 of them since it was trained."
        in words(app)
    )


def test_a_search_narrows_the_choice_and_the_answer_follows(app: AppTest) -> None:
    """The best fit is chosen at once; titles are shown as they are."""
    app.run()
    app.text_input(key="film_query").input("rec").run()
    assert app.radio(key="film").options == [r"\[Rec\] \*\$9\* \(2007\)"]
    assert app.subheader[0].value == r"\[Rec\] \*\$9\* \(2007\)"
    app.text_input(key="user_query").input("12").run()
    assert app.radio(key="user").value == 12
    app.radio(key="user").set_value(120).run()
    assert "for user 120" in words(app)


def test_a_user_whom_nobody_knows_is_answered_too(app: AppTest) -> None:
    """An id that no rating names can be asked about, and the page says what the answer rests on."""
    app.run()
    app.text_input(key="user_query").input("99").run()
    assert "Nothing is known of this user" in words(app)
    assert metrics(app)["Predicted rating"] == "3.62"
    assert not app.exception


def test_a_title_that_no_film_has(app: AppTest) -> None:
    """Nothing found is said, and nothing is predicted."""
    app.run()
    app.text_input(key="film_query").input("zzz").run()
    assert "No movie has such a title." in words(app)
    assert "Predicted rating" not in metrics(app)
    assert not app.exception


def test_the_stream_is_counted(app: AppTest) -> None:
    """Log, batches, what waits, and the set in service with its age."""
    app.run()
    assert metrics(app)["Messages in the log"] == "5,000"
    assert metrics(app)["Waiting for a batch"] == "1,000"
    assert metrics(app)["Model set in service"] == "3"
    assert metrics(app)["Serving for"] == "1 min"


def test_nothing_waits_while_the_batches_are_ahead_of_what_is_known_of_the_log(
    app: AppTest, api: FakeApi
) -> None:
    """The server looks at files more often than it asks for the log's end."""
    api.log_end = 3990
    app.run()
    assert metrics(app)["Waiting for a batch"] == "0"


def test_model_sets_with_verdicts_and_scores(app: AppTest) -> None:
    """Every release with its scores; the one in service is marked, a refused one says why."""
    app.run()
    table = app.table[-1].value
    assert list(table["Set"]) == ["3 :green-badge[in service]", "2", "1"]
    assert list(table["Batches"]) == ["1–3", "1–2", "1"]
    assert list(table["RMSE"]) == ["0.876"] * 3
    assert list(table["AUC"]) == ["–"] * 3
    assert list(table["Gate"]) == [
        ":green-badge[accepted]",
        ":red-badge[refused]",
        ":gray-badge[first]",
    ]
    assert "Set 2: set 2 was refused for a reason" in words(app)


def test_the_record_by_batch_and_in_a_moving_window(app: AppTest) -> None:
    """Whichever score is chosen; nothing fails where a batch was too short for a window."""
    app.run()
    app.button_group(key="along").set_value("moving window").run()
    app.button_group(key="score").set_value("AUC").run()
    assert not app.exception
    assert "Higher is better." in words(app)


def test_segments_are_explained(app: AppTest) -> None:
    """What each kind of user is: size, habits, genres against all users, films."""
    app.run()
    table = app.table[1].value
    assert list(table["Segment"]) == ["2 · generous drama lovers"]
    assert list(table["Users"]) == ["132"]
    assert list(table["Rates"]) == ["4.05 ± 0.75"]
    assert list(table["More than others"]) == ["Drama ×1.25"]
    assert list(table["Films"]) == ["The Matrix, Movie 8"]


def test_before_the_first_set_the_page_waits(app: AppTest, api: FakeApi) -> None:
    """It says why nothing can be asked, counts the stream, and opens by itself once a set
    serves.
    """
    api.model_set, api.reasons = None, ["no model set has been published yet"]
    app.run()
    assert plain("No model set has been published yet.") in app.info[0].value
    assert metrics(app)["Messages in the log"] == "5,000"
    assert not app.radio
    api.model_set, api.reasons = 1, []
    app.run()
    assert metrics(app)["Predicted rating"] == "3.62"
    assert not app.info


def test_an_api_that_is_away_and_comes_back(app: AppTest, served: Served) -> None:
    """A sentence instead of a traceback, and the whole page again afterwards."""
    served.stop()
    app.run()
    assert [element.value for element in app.info] == [
        plain(f"The API at {served.url} cannot be reached.")
        + " This page tries again every two seconds."
    ]
    assert not app.exception
    served.start()
    app.run()
    assert metrics(app)["Predicted rating"] == "3.62"


def test_a_part_that_fails_leaves_the_others(app: AppTest, api: FakeApi) -> None:
    """One refused query is told in its place; the rest of the page is drawn."""
    api.refuses["/v1/models"] = (500, "the releases cannot be read")
    app.run()
    assert [element.value for element in app.info] == ["the releases cannot be read"]
    assert metrics(app)["Predicted rating"] == "3.62"
    assert not app.exception


def test_what_fails_while_a_set_serves_is_shown(app: AppTest, api: FakeApi) -> None:
    """A degraded API answers, and the page shows its reasons beside the answers."""
    api.reasons = ["set 4 is damaged"]
    app.run()
    assert [element.value for element in app.info] == [plain("Set 4 is damaged.")]
    assert metrics(app)["Predicted rating"] == "3.62"
