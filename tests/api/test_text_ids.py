"""Ids that are texts over HTTP: taken and answered as people know them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import quote

import httpx
import pytest
from flask.testing import FlaskClient

from events import event
from reelstream.api.app import create_app
from reelstream.client import Client
from reelstream.ratings.ids import Ids, hash_of
from reelstream.serving.live_histories import LogEvent
from reelstream.serving.log_writer import LogWriter

USERS = ["007", "Jörg Müßig", "3F2504E0-4F89-41D3-9A0C-0305E82C3301", "a/b?c%2F"]


@pytest.fixture
def text_api(api: SimpleNamespace) -> SimpleNamespace:
    """The API of a stream whose users are texts, each with one rating of film 31."""
    ids = Ids.of_kinds("text", "number")
    api.predictor.histories.add(
        LogEvent(event(ids.user.read(user), 31, 4.0, 100), 0, 100 + place)
        for place, user in enumerate(USERS)
    )
    writer = LogWriter(api.broker, "ratings", ids)
    app = create_app(replace(api.service, ids=ids, writer=writer))
    return SimpleNamespace(client=app.test_client(), app=app, ids=ids)


@pytest.fixture
def text_client(text_api: SimpleNamespace) -> FlaskClient:
    """Of `text_api`."""
    return text_api.client


@pytest.mark.parametrize("user", USERS)
def test_users_are_found_under_their_text(text_client: FlaskClient, user: str) -> None:
    """In a path, in a URL's query and in a body; 007 stays 007, and %2F in an id stays so."""
    answer = text_client.get(f"/v1/users/{quote(user, safe='')}").json
    assert (answer["userId"], answer["total"]) == (user, 1)
    assert answer["ratings"][0]["movieId"] == 31
    of_pair = text_client.get(f"/v1/users/{quote(user, safe='')}/items/31").json
    assert (of_pair["userId"], of_pair["basis"]["ratings"]) == (user, 1)
    path = "/predict_regression"
    by_url = text_client.get(path, query_string={"userId": user, "movieId": 31}).json
    by_body = text_client.post(path, json=[{"userId": user, "movieId": 31}]).json
    assert by_body == [by_url]
    assert (by_url["userId"], by_url["basis"]["ratings"]) == (user, 1)


def test_a_stranger_is_answered_under_the_name_asked_for(text_client: FlaskClient) -> None:
    """Nobody's ratings are taken for his."""
    answer = text_client.get("/predict_clustering?userId=7").json
    assert (answer["userId"], answer["basis"]["known_user"]) == ("7", False)


def test_users_are_searched_by_the_beginning_of_their_text(text_client: FlaskClient) -> None:
    """In any case."""
    found = text_client.get("/v1/users?query=jö").json["users"]
    assert found == [{"userId": "Jörg Müßig", "ratings": 1}]


@pytest.mark.parametrize("user", [True, None, ["007"], "", "x" * 300, 1.5])
def test_what_is_no_id_is_refused(text_client: FlaskClient, user: object) -> None:
    """With a sentence."""
    response = text_client.post("/predict_clustering", json={"userId": user})
    assert response.status_code == 422
    assert "userId" in response.json["detail"]


def test_written_ratings_carry_the_text(text_api: SimpleNamespace, api: SimpleNamespace) -> None:
    """As the message's id, and its UTF-8 as the key; where nothing is sent, from the URL."""
    written = text_api.client.post(
        "/v1/ratings", json={"userId": "Jörg Müßig", "movieId": 7, "rating": 3.5, "timestamp": 9}
    )
    path = f"/v1/users/{quote('Jörg Müßig')}"
    deleted = text_api.client.delete(f"{path}/ratings/7")
    dismissed = text_api.client.put(f"{path}/dismissed/8")
    assert [each.status_code for each in (written, deleted, dismissed)] == [202] * 3
    assert text_api.client.get(f"{path}/dismissed").json["userId"] == "Jörg Müßig"
    with api.broker.consumer("ratings") as consumer:
        consumer.seek({0: 0})
        records = list(consumer.poll(10, 1.0))
    assert [record.key for record in records] == ["Jörg Müßig".encode()] * 3
    assert '"userId":"Jörg Müßig","movieId":7,"rating":3.5'.encode() in records[0].value
    assert '"userId":"Jörg Müßig","movieId":7,"rating":null'.encode() in records[1].value
    assert b'"dismissed":true' in records[2].value


def test_the_document_says_what_ids_are(text_client: FlaskClient, client: FlaskClient) -> None:
    """Texts here, numbers there."""
    for each, kind in ((text_client, "string"), (client, "integer")):
        schemas = each.get("/openapi.json").json["components"]["schemas"]
        assert schemas["UserSummary"]["properties"]["userId"]["type"] == kind


def test_the_client_takes_and_gives_texts(text_api: SimpleNamespace) -> None:
    """Whatever signs are in them."""
    transport = httpx.WSGITransport(text_api.app.wsgi_app)
    with Client("http://localhost", transport=transport) as client:
        for user in filter(str.isascii, USERS):  # this transport mangles other paths
            assert client.user(user).user_id == user
            assert client.predict(user, 31).user_id == user
            assert client.predict_regression(user, 31).user_id == user
        assert {each.user_id for each in client.users().users} >= set(USERS)
    assert text_api.ids.user.show(hash_of("007")) == "007"
