"""*For you*: rate films, and everything follows."""

from __future__ import annotations

import pytest
from fake_api import FakeApi, Served
from streamlit.testing.v1 import AppTest
from views import buttons, metrics, view, with_tables, words


@pytest.fixture
def app(served: Served) -> AppTest:
    """The view for a new user, not yet run."""
    return view("for_you", user="900000001")


def rate(app: AppTest, where: str, item_id: int, stars: int) -> AppTest:
    return app.feedback(key=f"rate-{where}-900000001-{item_id}").set_value(stars - 1).run()


def test_a_new_user_is_asked(app: AppTest) -> None:
    """Somebody whom nobody knows gets questions, a segment, both lists and a prediction."""
    app.run()
    assert not app.exception
    assert "Five questions to start with" in words(app)
    assert buttons(app, "asked") == ["Toy Story", r"\[Rec\] \*\$9\*", "Alien"]
    assert "Segment 2" in words(app)
    assert buttons(app, "best")[0] == "Toy Story"
    assert buttons(app, "stars")[0] == "Alien"
    assert metrics(app)["Predicted rating"] == "3.62 ★"
    assert "knows nothing of this user" in words(app)


def test_a_rating_is_written_and_seen_at_once(app: AppTest, api: FakeApi) -> None:
    """One click: the log has the rating, every later read waits for it, and the list follows."""
    app.run()
    del api.requests[:]
    rate(app, "asked", 1, 4)
    assert api.own == {900000001: {1: 4.0}}
    reads = [line for line in api.requests if line.startswith("GET /v1/users/900000001")]
    assert reads
    assert all("after=0%3A5001" in line for line in reads)
    assert buttons(app, "best") == [r"\[Rec\] \*\$9\*", "Alien"]
    assert "because of Toy Story" in words(app)
    assert "knows 1 rating" in words(app)
    assert buttons(app, "own") == ["Toy Story :gray[4 ★]"]


def test_a_rating_is_taken_back(app: AppTest, api: FakeApi) -> None:
    """The arrow beside a rating deletes it."""
    app.run()
    rate(app, "best", 1, 5)
    app.button(key="undo-own-1").click().run()
    assert api.own == {900000001: {}}
    assert "Nothing yet." in words(app)


def test_a_film_is_dismissed_and_recommended_again(app: AppTest, api: FakeApi) -> None:
    """Out of the list with one click, and back with the arrow beside its name."""
    app.run()
    app.button(key="dismiss-1").click().run()
    assert api.dismissed == {900000001: [1]}
    assert buttons(app, "best") == [r"\[Rec\] \*\$9\*", "Alien"]
    assert buttons(app, "dismissed") == ["Toy Story"]
    app.button(key="undo-dismissed-1").click().run()
    assert api.dismissed == {900000001: []}
    assert buttons(app, "best")[0] == "Toy Story"
    assert not app.exception


def test_a_film_is_found_while_typing_and_rated(app: AppTest, api: FakeApi) -> None:
    """Typing takes the questions' place; a title that no film has is said to have none."""
    app.run()
    app.text_input(key="rate_query").input("rec").run()
    assert buttons(app, "found") == [r"\[Rec\] \*\$9\* \(2007\)"]
    rate(app, "found", 7, 2)
    assert api.own == {900000001: {7: 2.0}}
    app.text_input(key="rate_query").input("zzz").run()
    assert "No film has such a title." in words(app)
    assert not app.exception


def test_another_user_is_chosen(app: AppTest) -> None:
    """One of those that are offered, or any number."""
    app.run()
    app.selectbox[0].set_value("12").run()
    assert app.query_params["user"] == "12"
    assert "knows 20 ratings · 2 of them since the set was trained" in words(app)


def test_a_film_of_a_list_is_looked_at_closely(app: AppTest) -> None:
    """A click on its name shows its prediction, and the address names it."""
    app.run()
    app.button(key="film-best-7").click().run()
    assert app.header[0].value == r"\[Rec\] \*\$9\* \(2007\)"
    assert app.query_params["film"] == "7"


def test_why_a_rating_is_expected_adds_up(app: AppTest) -> None:
    """Bars from what anybody makes of a film to the prediction; each rating says what it adds, and
    what became of the prediction without it.
    """
    app.run()
    rate(app, "asked", 1, 4)
    why = with_tables(app, "Why this rating is expected").table[0].value
    assert list(why["What"]) == [
        "What anybody makes of a film",
        "Its genres and year",
        "How good it is beyond that",
        "You gave Toy Story 4 ★",
        "Predicted rating",
    ]
    assert list(why["Adds"]) == ["+3.50", "−0.30", "+0.20", "+0.25", "+3.65"]
    assert list(why["If it were taken back"]) == ["", "", "", "−0.20", ""]


def test_the_list_without_a_rating_is_shown(app: AppTest, api: FakeApi) -> None:
    """Chosen among the reasons: which films would be in the list then, and which are new in it."""
    app.run()
    rate(app, "asked", 1, 4)
    app.selectbox(key="without-900000001-7").set_value("1").run()
    assert "Best for you, had you not rated Toy Story" in words(app)
    assert r"1. \[Rec\] \*\$9\*" in words(app)
    assert any("without=1" in line and "strategy=best" in line for line in api.requests)


def test_taste_and_surprises_of_a_user_who_has_rated(app: AppTest) -> None:
    """By genre, with how sure that is; and the ratings that were not expected."""
    app.run()
    assert not app.table
    rate(app, "asked", 1, 4)
    with_tables(app, "What your ratings say of your taste")
    taste, surprises = (table.value for table in app.table)
    assert list(taste["Genre"]) == ["Drama", "Horror"]
    assert list(taste["Stars above others"]) == ["+0.31", "−0.40"]
    assert list(surprises["Film"]) == ["Toy Story"]
    assert list(surprises["Expected"]) == ["3.1 ± 0.7"]


def test_filters_reach_the_api(app: AppTest, api: FakeApi) -> None:
    """Strategy, genre and years of both lists; only the first list has the strategy."""
    app.run()
    app.button_group(key="strategy").set_value("cautious").run()
    app.multiselect(key="genres").set_value(["Drama"]).run()
    del api.requests[:]
    app.number_input(key="year_from").set_value(1990).run()
    asked = [line for line in api.requests if "recommendations" in line]
    assert sorted(("strategy=cautious" in line, "strategy=rating" in line) for line in asked) == [
        (False, True),
        (True, False),
    ]
    assert all("genre=Drama" in line and "year_from=1990" in line for line in asked)


def test_the_page_asks_for_what_it_shows(app: AppTest, api: FakeApi) -> None:
    """One request for each thing on the page, none for more rows than it has room for."""
    app.run()
    del api.requests[:]
    app.run()
    assert sorted(line.partition("?")[0] for line in api.requests) == [
        "GET /v1/items/1",
        "GET /v1/users",
        "GET /v1/users/900000001",
        "GET /v1/users/900000001/dismissed",
        "GET /v1/users/900000001/items/1",
        "GET /v1/users/900000001/items/1/because",
        "GET /v1/users/900000001/questions",
        "GET /v1/users/900000001/recommendations",
        "GET /v1/users/900000001/recommendations",
    ]
    assert all("limit=10" in line for line in api.requests if "recommendations" in line)


def test_a_refused_rating_is_told(app: AppTest, api: FakeApi) -> None:
    """The page says why, and nothing else fails."""
    app.run()
    api.refuses["/v1/ratings"] = (403, "writes need a key")
    rate(app, "asked", 1, 4)
    assert [element.value for element in app.warning] == [
        r"**The API refuses.** Writes need a key\."
    ]
    assert buttons(app, "asked")


def test_a_late_server_is_told(app: AppTest, api: FakeApi, served: Served) -> None:
    """A read that the server cannot answer in time is answered without the rating, and says so."""
    app.run()
    api.is_late = True
    rate(app, "asked", 1, 4)
    assert "has not seen your last rating yet" in app.warning[0].value
    assert buttons(app, "best")


def test_a_part_that_fails_leaves_the_others(app: AppTest, api: FakeApi) -> None:
    """One refused query is told in its place; the rest of the page is drawn."""
    api.refuses["/v1/users/900000001/questions"] = (500, "the questions cannot be read")
    app.run()
    assert r"The questions cannot be read\." in app.warning[0].value
    assert metrics(app)["Predicted rating"] == "3.62 ★"
    assert not app.exception
