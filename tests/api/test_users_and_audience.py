"""What is known of users and of a film's audience over HTTP, from a real model set."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from flask import Flask

from events import event
from reelstream.client import Client
from reelstream.ratings.events import Deleted, Erased
from reelstream.serving.live_histories import LogEvent

pytestmark = pytest.mark.xdist_group("recommendations")  # what they share is made once


def get(app: Flask, path: str) -> Any:
    answer = app.test_client().get(path)
    assert answer.status_code == 200, answer.text
    return answer.json


def take(waiting_api: SimpleNamespace, *events: Any) -> None:
    waiting_api.predictor.histories.add(
        LogEvent(one, 0, 10_000 + place) for place, one in enumerate(events)
    )


def test_taste_by_genre(real_app: Flask) -> None:
    """Every genre with rated films, the best liked first, each with its uncertainty."""
    answer = get(real_app, "/v1/users/1")
    stars = [each["stars"] for each in answer["taste"]]
    assert len(stars) > 3 and stars == sorted(stars, reverse=True)
    assert all(each["sd"] > 0 for each in answer["taste"])


def test_the_most_surprising_ratings_come_first(
    waiting_api: SimpleNamespace, real_app: Flask
) -> None:
    """In standard deviations of what the earlier ratings had led to expect."""
    rows = [event(50, item_id, 4.0, 1_000 + item_id) for item_id in range(1, 20)]
    take(waiting_api, *rows, event(50, 20, 0.5, 5_000))
    answer = get(real_app, "/v1/users/50/surprises?limit=3")
    assert len(answer["ratings"]) == 3
    first = answer["ratings"][0]
    assert (first["movieId"], first["rating"]) == (20, 0.5)
    told = (first["rating"] - first["predicted"]) / first["sd"]
    assert first["surprise"] == pytest.approx(told, abs=1e-2) and first["surprise"] < -2
    assert get(real_app, "/v1/users/999/surprises")["ratings"] == []


def test_the_audience_of_a_film(waiting_api: SimpleNamespace, real_app: Flask) -> None:
    """Ratings that count alone, by segment."""
    rows = [event(60 + n, 5, rating, 1_000) for n, rating in enumerate((4.0, 4.0, 1.0, 2.0, 3.0))]
    gone = [Deleted(62, 5, 2_000), Erased(63, 2_000), event(64, 5, 5.0, 2_000)]
    take(waiting_api, *rows, *gone)
    answer = get(real_app, "/v1/items/5/audience")
    assert {each: n for each, n in answer["distribution"].items() if n} == {"4": 2, "5": 1}
    assert (answer["ratings"], answer["sampled"]) == (3, 3)
    assert answer["mean"] == pytest.approx(13 / 3, abs=1e-3)
    assert sum(each["users"] for each in answer["segments"]) == 3
    assert all(each["liked"] == 1 for each in answer["segments"])
    assert answer["periods"] == [
        {"start": 1_000, "end": 1_084, "ratings": 2, "mean": 4.0},
        {"start": 1_924, "end": 2_008, "ratings": 1, "mean": 5.0},
    ]
    nobody = get(real_app, "/v1/items/6/audience")
    assert (nobody["ratings"], nobody["mean"], nobody["segments"]) == (0, None, [])
    assert nobody["periods"] == []
    assert real_app.test_client().get("/v1/items/1000000000/audience").status_code == 404


def test_the_client_asks_for_both(waiting_api: SimpleNamespace, real_app: Flask) -> None:
    """The same answers, typed."""
    typed = Client("http://localhost", transport=httpx.WSGITransport(app=real_app))
    assert typed.surprises(1, limit=1).ratings[0].item_id in (31, 7)
    assert typed.audience(31).ratings == 1
    assert typed.user(1).taste and typed.ratings(1, limit=1).next == 1
