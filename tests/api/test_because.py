"""Reasons of a prediction over HTTP, from a real model set."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from flask import Flask

from reelstream.client import Client

pytestmark = pytest.mark.xdist_group("recommendations")  # what they share is made once


def get(app: Flask, path: str) -> Any:
    answer = app.test_client().get(path)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_the_parts_add_up_to_what_is_predicted(real_app: Flask) -> None:
    """With the user's own ratings, those that add most first."""
    path = "/v1/users/1/items/5"
    answer = get(real_app, f"{path}/because?at=1000")
    predicted = get(real_app, f"{path}?at=1000")["regression"]["prediction"]
    assert answer["prediction"] == pytest.approx(predicted, abs=1e-3)
    names = ("everyone", "features", "quality", "others", "beyond_scale")
    parts = [answer[name] for name in names] + [each["part"] for each in answer["ratings"]]
    assert sum(parts) == pytest.approx(predicted, abs=1e-3)
    assert {each["movieId"] for each in answer["ratings"]} == {31, 7}
    sizes = [abs(each["part"]) for each in answer["ratings"]]
    assert sizes == sorted(sizes, reverse=True) and answer["others"] == 0
    assert answer["basis"]["ratings"] == 2 and answer["model_set"] == 1


def test_ratings_that_are_not_listed_are_one_part(real_app: Flask) -> None:
    """`limit` says how many are listed."""
    path = "/v1/users/1/items/5/because?at=1000"
    whole, short = get(real_app, path), get(real_app, f"{path}&limit=1")
    assert short["ratings"] == whole["ratings"][:1]
    assert short["others"] == pytest.approx(whole["ratings"][1]["part"], abs=2e-4)


def test_unknown_users_and_films(real_app: Flask) -> None:
    """A user without ratings has the film's parts alone; an unknown film is a 404."""
    answer = get(real_app, "/v1/users/999/items/5/because")
    assert answer["ratings"] == [] and not answer["basis"]["known_user"]
    client = real_app.test_client()
    assert client.get("/v1/users/1/items/1000000000/because").status_code == 404
    assert client.get("/v1/users/1/items/5/because?limit=0").status_code == 422


def test_the_client_asks_why(real_app: Flask, waiting_api: SimpleNamespace) -> None:
    """The same answer, typed."""
    typed = Client("http://localhost", transport=httpx.WSGITransport(app=real_app))
    answer = typed.because(1, 5, limit=1)
    assert (answer.item_id, len(answer.ratings)) == (5, 1)
