"""*A film*, *Segments*, *Models* and *Health*."""

from __future__ import annotations

from fake_api import FakeApi, Served
from streamlit.testing.v1 import AppTest
from views import buttons, metrics, view, with_tables, words


def click(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()


def test_a_film_by_its_address(served: Served) -> None:
    """`?film=9&user=12`: name, prediction for the user, similar films."""
    app = view("film", film="9", user="12").run()
    assert not app.exception
    assert app.header[0].value == r"Alien \(1979\)"
    assert metrics(app)["Chance to like it"] == "63%"
    assert "Fairly sure: most likely 3.5 ★ (21%), give or take 0.84." in words(app)
    with_tables(app, "How it is rated, and by whom", "How its score moved")
    ratings, segments, history = (table.value for table in app.table)
    assert list(ratings["Users"]) == ["0", "2", "1"]
    assert list(segments["Like it"]) == ["67%"]
    assert list(history["From"]) == ["1 Jan 1970", "3 Jan 1970"]
    assert list(history["Mean"]) == ["4.50 ★", "3.90 ★"]
    assert buttons(app, "similar") == [
        "Toy Story :gray[· 0.31]",
        r"\[Rec\] \*\$9\* :gray[· 0.31]",
    ]


def test_each_view_asks_for_what_it_shows(served: Served, api: FakeApi) -> None:
    """One request for each thing, when what hardly changes is known."""
    user = "GET /v1/users/12"
    asked = {
        "film": [
            "GET /v1/items/9",
            "GET /v1/items/9/audience",
            "GET /v1/items/9/similar",
            "GET /v1/users",
            f"{user}/items/9",
            f"{user}/items/9/because",
        ],
        "segments": ["GET /v1/segments", "GET /v1/segments/map"],
        "models": ["GET /v1/models", f"{user}/recommendations", f"{user}/recommendations"],
        "health": ["GET /v1/status"],
    }
    for name, wanted in asked.items():
        app = view(name, film="9", user="12").run()
        del api.requests[:]
        app.run()
        assert sorted(line.partition("?")[0] for line in api.requests) == wanted, name


def test_a_film_is_rated_with_half_stars(served: Served, api: FakeApi) -> None:
    """Every value of the scale can be given."""
    app = view("film", film="9", user="12").run()
    app.button_group(key="scale-12-9").set_value(4.5).run()
    assert api.own == {12: {9: 4.5}}
    assert "knows 21 ratings" in words(app)


def test_a_film_that_nobody_knows(served: Served, api: FakeApi) -> None:
    """The API's sentence stands where the film would be."""
    api.refuses["/v1/items/5"] = (404, "film 5 is not in the catalogue")
    app = view("film", film="5").run()
    assert r"Film 5 is not in the catalogue\." in app.warning[0].value
    assert not app.exception


def test_segments_are_explained(served: Served) -> None:
    """What each kind of user is: size, habits, genres against all users, films."""
    app = view("segments", user="12").run()
    assert not app.exception
    for text in (
        "2 · generous drama lovers",
        "132 users · a typical user has rated 45 films, 4.05 ± 0.75 stars",
        r"The Matrix, \#8",
    ):
        assert text in words(app)
    with_tables(app, "A map of users", "What each segment rates more than all users do")
    users, tastes = (table.value for table in app.table)
    assert list(users["Segment"]) == ["2 · generous drama lovers"] * 3
    assert list(tastes["Times the average"]) == ["1.25"]


def test_model_sets_with_verdicts_and_scores(served: Served) -> None:
    """Every release with its scores; the one in service is marked, a refused one says why."""
    app = view("models").run()
    table = app.table[0].value
    assert list(table["Set"]) == ["3 :green-badge[in service]", "2", "1"]
    assert list(table["Batches"]) == ["1–3", "1–2", "1"]
    assert list(table["RMSE"]) == ["0.876"] * 3
    assert list(table["AUC"]) == ["–"] * 3
    assert list(table["Gate"]) == [
        ":green-badge[accepted]",
        ":red-badge[refused]",
        ":blue-badge[first]",
    ]
    with_tables(
        app,
        "What the intervals promised, and held",
        "How good the lists were, before each batch was learned",
    )
    coverage, ranking = (table.value for table in app.table[1:])
    assert list(coverage["within two (95 %)"]) == ["95.2 %"] * 3
    assert list(ranking["Our lists"]) == ["0.120"] * 3
    app.selectbox(key="model_set").set_value(2).run()
    assert "set 2 was refused for a reason" in words(app)


def test_a_set_is_put_into_service_and_taken_back(served: Served, api: FakeApi) -> None:
    """One that is chosen serves until the newest is let serve again."""
    app = view("models").run()
    app.selectbox(key="model_set").set_value(1).run()
    click(app, "Let set 1 serve")
    assert list(app.table[0].value["Set"]) == ["3", "2", "1 :green-badge[in service]"]
    click(app, "Let the newest serve")
    assert list(app.table[0].value["Set"]) == ["3 :green-badge[in service]", "2", "1"]


def test_without_a_key_no_set_is_put_into_service(served: Served, api: FakeApi) -> None:
    """The page says why."""
    api.refuses["/v1/models/3/activate"] = (403, "this key may not administer")
    app = view("models").run()
    api.model_set = 2
    app.run()
    click(app, "Let set 3 serve")
    assert r"This key may not administer\." in app.warning[0].value
    assert api.model_set == 2


def test_two_sets_are_compared_for_one_user(served: Served, api: FakeApi) -> None:
    """The best films by each, asked of that set."""
    app = view("models", user="900000001").run()
    del api.requests[:]
    app.selectbox(key="compare-1").set_value(1).run()
    asked = sorted(line for line in api.requests if "recommendations" in line)
    assert ["model_set=1" in asked[0], "model_set=3" in asked[1], len(asked)] == [True, True, 2]
    assert "1. Toy Story :gray[4.2 ★ ± 0.8]" in words(app)


def test_health_counts_what_should_be_small(served: Served, api: FakeApi) -> None:
    """Rejected rows, repeats and drift; nothing fails."""
    app = view("health").run()
    assert not app.exception
    assert metrics(app)["Rejected rows"] == "0"
    assert metrics(app)["Drift of ratings"] == "–"
    assert metrics(app)["Ratings of recommended films"] == "10%"
    assert "Nothing fails." in words(app)
