"""Recommendations over HTTP, from a real model set."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from events import event
from reelstream.client import Client
from reelstream.contract import AnonymousQuery, OwnRating
from reelstream.ratings.events import Rated
from reelstream.serving.live_histories import LogEvent

pytestmark = pytest.mark.xdist_group("recommendations")  # what they share is made once


@pytest.fixture
def app(real_app: Flask) -> Flask:
    return real_app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def get(client: FlaskClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json


def ids(answer: Any) -> list[int]:
    return [film["movieId"] for film in answer["items"]]


def test_a_list_has_films_that_the_user_has_not_rated_and_says_why(client: FlaskClient) -> None:
    """With what is expected of each; what made its choice likely adds up to one."""
    answer = get(client, "/v1/users/1/recommendations?n=5")
    assert answer["model_set"] == 1 and answer["basis"]["ratings"] == 2
    assert len(ids(answer)) == 5 and not {31, 7} & set(ids(answer))
    for film in answer["items"]:
        assert film["title"] and 0.5 <= film["prediction"] <= 5 and 0 <= film["probability"] <= 1
        assert sum(film["parts"].values()) == pytest.approx(1, abs=1e-3)
        assert {reason["movieId"] for reason in film["reasons"]} <= {31, 7}
    scores = [film["score"] for film in answer["items"]]
    assert scores == sorted(scores, reverse=True)


def test_pages_are_parts_of_one_list(client: FlaskClient) -> None:
    """From the first to the last film, each once."""
    path = "/v1/users/1/recommendations?n=50"
    first = get(client, path)
    assert ids(get(client, f"{path}&offset=20"))[:30] == ids(first)[20:]
    found, offset = [], 0
    while offset is not None:
        page = get(client, f"{path}&offset={offset}")
        found += ids(page)
        offset = page["next"]
    assert len(found) == len(set(found)) > 100


def test_a_list_is_narrowed(client: FlaskClient) -> None:
    """By genre, years and films to leave out; an unknown genre is a mistake."""
    path = "/v1/users/1/recommendations"
    best = ids(get(client, path))
    assert not set(best[:2]) & set(ids(get(client, f"{path}?exclude={best[0]},{best[1]}")))
    genre = get(client, f"/v1/items/{best[0]}")["genres"][0]
    for item_id in ids(get(client, f"{path}?genre={genre}&year_from=1980&year_to=1999")):
        film = get(client, f"/v1/items/{item_id}")
        assert genre in film["genres"] and 1980 <= film["year"] <= 1999
    for wrong in ("genre=Nothing", "n=0", "strategy=worst", "exclude=a", "offset=1000", "n=1&n=2"):
        assert client.get(f"{path}?{wrong}").status_code == 422, wrong


@pytest.mark.parametrize("strategy", ["best", "rating", "cautious", "explore"])
def test_every_strategy_answers(client: FlaskClient, strategy: str) -> None:
    """The same list twice."""
    path = f"/v1/users/1/recommendations?strategy={strategy}&seed=3"
    assert len(ids(get(client, path))) == 10
    assert ids(get(client, path)) == ids(get(client, path))


def test_an_anonymous_user_gets_what_a_user_with_the_same_ratings_gets(
    waiting_api: SimpleNamespace, client: FlaskClient
) -> None:
    """Nothing is kept; films that nobody knows are named."""
    rows = [(77, 31, 4.0, 100), (77, 7, 2.0, 200)]
    waiting_api.predictor.histories.add(
        LogEvent(event(*row), 0, 10_000 + place) for place, row in enumerate(rows)
    )
    ratings = [
        {"movieId": 31, "rating": 4.0, "timestamp": 100},
        {"movieId": 7, "rating": 2.0, "timestamp": 200},
    ]
    body = {"ratings": [*ratings, {"movieId": 10**9, "rating": 5}], "at": 300}
    answer = client.post("/v1/recommendations", json=body).json
    of_user = get(client, "/v1/users/77/recommendations?at=300")
    assert answer["items"] == of_user["items"]
    assert (answer["ignored"], answer["userId"]) == ([10**9], None)
    assert answer["basis"] == {"ratings": 2, "live": 2, "known_user": True}
    best = ids(answer)[0]
    narrowed = client.post("/v1/recommendations", json=body | {"exclude": [best]}).json
    assert best not in ids(narrowed)
    wrong = client.post("/v1/recommendations", json={"ratings": [{"movieId": 31, "rating": 9}]})
    assert wrong.status_code == 422 and "ratings.0" in wrong.json["detail"]
    assert client.post("/v1/recommendations", json=[body]).status_code == 422
    assert client.post("/v1/recommendations", json={"ratings": []}).json["items"]


def test_what_a_list_would_be_without_a_rating(
    waiting_api: SimpleNamespace, client: FlaskClient
) -> None:
    """As for somebody with the other ratings alone; the film itself is left out, and nothing is
    noted as shown.
    """
    rows = [(78, 31, 4.0, 100), (78, 7, 2.0, 200)]
    waiting_api.predictor.histories.add(
        LogEvent(event(*row), 0, 10_000 + place) for place, row in enumerate(rows)
    )
    without = get(client, "/v1/users/78/recommendations?without=31&at=300")
    others = {"ratings": [{"movieId": 7, "rating": 2.0, "timestamp": 200}]}
    body = others | {"at": 300, "exclude": [31]}
    assert without["items"] == client.post("/v1/recommendations", json=body).json["items"]
    assert without["basis"]["ratings"] == 1
    assert without["list_id"] is None
    assert get(client, "/v1/status")["lists"]["shown"] == 0
    wrong = client.get("/v1/users/78/recommendations?without=x")
    assert wrong.status_code == 422 and "without" in wrong.json["detail"]


def test_similar_films(client: FlaskClient) -> None:
    """Not the film itself; 404 for one that nobody knows."""
    best = ids(get(client, "/v1/users/1/recommendations"))[0]
    answer = get(client, f"/v1/items/{best}/similar?n=5")
    assert best not in ids(answer) and len(ids(answer)) <= 5
    assert all(film["score"] > 0 for film in answer["items"])
    assert client.get("/v1/items/1000000000/similar").status_code == 404


def test_questions_for_a_newcomer(client: FlaskClient) -> None:
    """Films that the user has not rated, each once."""
    asked = ids(get(client, "/v1/users/1/questions?n=5"))
    assert len(set(asked)) == 5 and not {31, 7} & set(asked)
    assert client.get("/v1/users/1/questions?n=51").status_code == 422


def test_a_set_from_before_cannot_recommend(api: SimpleNamespace) -> None:
    """503: the next set can."""
    for path in ("/v1/users/1/recommendations", "/v1/users/1/questions", "/v1/items/1/similar"):
        answer = api.client.get(path)
        assert answer.status_code == 503
        assert "before that family was added" in answer.json["detail"]


def test_the_client_recommends(app: Flask) -> None:
    """Users, anonymous users, similar films."""
    typed = Client("http://localhost", transport=httpx.WSGITransport(app=app))
    answer = typed.recommendations(1, 3, offset=1, strategy="cautious")
    assert len(answer.items) == 3 and answer.next == 4
    anonymous = AnonymousQuery(ratings=[OwnRating(item_id=31, rating=4.5)], limit=2)
    assert len(typed.recommendations_for(anonymous).items) == 2
    assert len(typed.questions(99, 3).items) == 3
    film = answer.items[0].item_id
    similar = typed.similar(film, 4)
    assert similar.item_id == film and len(similar.items) == similar.next == 4
    assert typed.similar(film, 2, offset=2).items == similar.items[2:]


def test_pages_of_a_list_go_on_though_the_user_rates(
    waiting_api: SimpleNamespace, client: FlaskClient
) -> None:
    """No film comes twice and none is skipped; a rating of a listed film is counted as a hit."""
    path = "/v1/users/12/recommendations?n=5"
    first = get(client, path)
    assert get(client, path)["list_id"] == first["list_id"]
    rated = Rated(12, ids(first)[1], 1.0, 10_000)
    waiting_api.predictor.take([LogEvent(rated, 0, 50_000)])
    waiting_api.predictor.learn()
    pages, page = ids(first), first
    for _ in range(3):
        page = get(client, f"{path}&offset={page['next']}&list_id={first['list_id']}")
        assert page["list_id"] == first["list_id"]
        pages += ids(page)
    assert len(set(pages)) == 20
    lists = get(client, "/v1/status")["lists"]
    assert lists["hit"] >= 1 and lists["ratings"] == lists["listed"] == 1
    assert 'reelstream_ratings_after_list_total{listed="yes"} 1.0' in client.get("/metrics").text


def test_a_list_that_is_not_kept_begins_anew(client: FlaskClient) -> None:
    """Under another id, at the same place."""
    path = "/v1/users/1/recommendations?n=5&offset=5"
    answer = get(client, f"{path}&list_id=gone")
    assert ids(answer) == ids(get(client, path)) and answer["list_id"] != "gone"
    after = get(client, f"/v1/users/1/recommendations?offset=10&list_id={answer['list_id']}")
    assert not set(ids(after)) & set(ids(answer)) and after["list_id"] == answer["list_id"]


def test_rated_films_may_stay(client: FlaskClient) -> None:
    """By their stars; nobody chooses a film twice."""
    path = "/v1/users/1/recommendations?n=200&strategy=rating"
    assert {31, 7} <= set(ids(get(client, f"{path}&include_rated=true")))
    assert not {31, 7} & set(ids(get(client, path)))
    assert client.get("/v1/users/1/recommendations?include_rated=true").status_code == 422


def test_a_group_gets_films_that_none_has_rated(client: FlaskClient) -> None:
    """With what each makes of them; of one user, what the user gets alone."""
    path = "/v1/recommendations/group"
    body = {"users": [12, 1, 1], "n": 5, "strategy": "rating"}
    answer = client.post(path, json=body).json
    assert len(ids(answer)) == 5 and not {31, 7, 1} & set(ids(answer)) and answer["next"] == 5
    for film in answer["items"]:
        assert [each["userId"] for each in film["members"]] == [1, 12]
        mean = sum(each["prediction"] for each in film["members"]) / 2
        assert film["score"] == pytest.approx(mean, abs=1e-2)
    scores = [film["score"] for film in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    least = client.post(path, json=body | {"rule": "least_misery"}).json["items"]
    for film in least:
        lowest = min(each["prediction"] for each in film["members"])
        assert film["score"] == pytest.approx(lowest, abs=1e-2)
    alone = client.post(path, json={"users": [1], "n": 5}).json
    assert ids(alone) == ids(get(client, "/v1/users/1/recommendations?n=5"))


def test_a_group_is_read_in_pages_and_narrowed(client: FlaskClient) -> None:
    """A longer list begins with the shorter one."""
    path = "/v1/recommendations/group"
    whole = ids(client.post(path, json={"users": [1, 12], "n": 20}).json)
    second = client.post(path, json={"users": [1, 12], "n": 10, "offset": 10}).json
    assert ids(second) == whole[10:]
    without = client.post(path, json={"users": [1, 12], "exclude": whole[:2]}).json
    assert not set(ids(without)) & set(whole[:2])
    for wrong in ({"users": []}, {"users": [1], "rule": "most"}, {"users": list(range(21))}):
        assert client.post(path, json=wrong).status_code == 422, wrong
