"""The predictions over HTTP: their form, lists, and what stands in the place of an answer that
cannot be given.
"""

from __future__ import annotations

import json
from io import BytesIO
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient

from reelstream.ratings.events import MAX_ID

BASIS = {"ratings": 2, "live": 2, "known_user": True}
REGRESSION = {"prediction": 3.0, "sd": 0.5, "interval": [2.02, 3.98], "distribution": None}
DISTRIBUTION = {f"{stars / 2:g}": 0.1 for stars in range(1, 11)}
CLASSIFICATION = {"prediction": 0, "probability": 0.02, "threshold": 4.0}
CLUSTERING = {"prediction": 2, "label": "generous drama lovers", "size": 10, "genres": ["Drama"]}
PAIR = {"userId": 1, "movieId": 31, "title": "Dangerous Minds"}
OF_SET = {"model_set": 2, "basis": BASIS}


@pytest.mark.parametrize(
    ("path", "fields", "answer"),
    [
        ("/predict_regression", {"userId": 1, "movieId": 31}, {**PAIR, **REGRESSION, **OF_SET}),
        (
            "/predict_regression",
            {"userId": 1, "movieId": 31, "distribution": True},
            {**PAIR, **REGRESSION, "distribution": DISTRIBUTION, **OF_SET},
        ),
        (
            "/predict_classification",
            {"userId": 1, "movieId": 31},
            {**PAIR, **CLASSIFICATION, **OF_SET},
        ),
        ("/predict_clustering", {"userId": 1}, {"userId": 1, **CLUSTERING, **OF_SET}),
    ],
)
def test_each_family_answers_to_post_to_get_and_to_lists(
    client: FlaskClient, path: str, fields: dict[str, int], answer: dict[str, object]
) -> None:
    """The same answer every way."""
    assert client.post(path, json=fields).json == answer
    query = {name: str(value).lower() for name, value in fields.items()}
    assert client.get(path, query_string=query).json == answer
    assert client.post(path, json=[fields, fields]).json == [answer, answer]
    assert client.post(path, json=[]).json == []


def test_all_three_at_once(client: FlaskClient) -> None:
    """One set, one basis."""
    assert client.get("/v1/users/1/items/31").json == {
        **PAIR,
        **OF_SET,
        "regression": {**REGRESSION, "distribution": DISTRIBUTION},
        "classification": CLASSIFICATION,
        "clustering": CLUSTERING,
    }


def test_an_unknown_user_is_answered_from_the_prior(client: FlaskClient) -> None:
    """However large the id."""
    answer = client.post("/predict_regression", json={"userId": MAX_ID, "movieId": 31}).json
    assert answer["basis"] == {"ratings": 0, "live": 0, "known_user": False}
    assert answer["prediction"] == 3.0


def test_a_film_outside_the_catalogue_that_was_rated_has_no_title(client: FlaskClient) -> None:
    """It is answered all the same."""
    answer = client.get("/predict_regression?userId=1&movieId=100").json
    assert answer["title"] is None and answer["prediction"] == 3.0


def test_an_unknown_film_is_not_found(client: FlaskClient) -> None:
    """404, and the sentence names it."""
    for response in (
        client.post("/predict_classification", json={"userId": 1, "movieId": 999}),
        client.get("/v1/users/1/items/999"),
    ):
        assert response.status_code == 404
        assert response.mimetype == "application/problem+json"
        assert "999" in response.json["detail"]


def test_in_a_list_an_error_stands_in_the_place_of_its_answer(client: FlaskClient) -> None:
    """The others are answered."""
    good = {"userId": 1, "movieId": 31}
    asked = [
        good,
        {"userId": 1, "movieId": 999},
        good,
        {"userId": "x"},
        7,
        {"userId": 2, "movieId": 7},
    ]
    answers = client.post("/predict_regression", json=asked).json
    assert [answer.get("prediction") for answer in answers] == [3.0, None, 3.0, None, None, 1.0]
    assert [answer["error"]["status"] for answer in answers if "error" in answer] == [404, 422, 422]
    assert {wrong["where"] for wrong in answers[3]["error"]["errors"]} == {"3.userId", "3.movieId"}


def test_ten_thousand_queries_are_answered_and_one_more_is_too_many(api: SimpleNamespace) -> None:
    """Each user is folded in once for all of them."""
    asked = [{"userId": number % 3, "movieId": 31} for number in range(10_000)]
    folded = len(api.registry.sets[2].folded)
    answers = api.client.post("/predict_regression", json=asked)
    assert len(answers.json) == 10_000
    assert len(api.registry.sets[2].folded) == folded + 3
    refused = api.client.post("/predict_regression", json=[*asked, asked[0]])
    assert refused.status_code == 422 and "10001" in refused.json["detail"]


def test_the_time_of_a_query_is_passed_on(api: SimpleNamespace) -> None:
    """But never before the user's last rating."""
    api.client.get("/predict_regression?userId=1&movieId=31&at=150")
    api.client.get("/predict_regression?userId=1&movieId=31&at=999")
    assert api.registry.sets[2].asked_at[-2:] == [200, 999]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("userId=1", "movieId"),
        ("userId=x&movieId=31", "userId"),
        ("userId=-1&movieId=31", "userId"),
        ("userId=1&movieId=9223372036854775808", "movieId"),
        ("userId=1&movieId=31&user=2", "user"),
        ("userId=1&movieId=31&at=", "at"),
        ("userId=1&movieId=31&distribution=1", "distribution"),
        ("userId=true&movieId=31", "userId"),
    ],
)
def test_a_query_that_is_not_understood_is_told_why(
    client: FlaskClient, query: str, where: str
) -> None:
    """422, with the field that is wrong."""
    response = client.get(f"/predict_regression?{query}")
    assert response.status_code == 422
    assert [wrong["where"] for wrong in response.json["errors"]] == [where]


def test_a_field_given_twice_is_refused(client: FlaskClient) -> None:
    """Which of the two was meant, nobody knows."""
    assert client.get("/predict_clustering?userId=1&userId=2").status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        '{"userId":"1x"}',
        '{"userId":""}',
        '{"userId":"-1"}',
        '{"userId":"1.5"}',
        '{"userId":1.5}',
        '{"userId":true}',
        '{"userId":null}',
        "7",
        '"x"',
    ],
)
def test_a_body_is_read_strictly(client: FlaskClient, body: str) -> None:
    """An id is a whole number and nothing else."""
    response = client.post("/predict_clustering", data=body, content_type="application/json")
    assert response.status_code == 422


@pytest.mark.parametrize("user_id", ['"1"', "1.0", '"1.0"', "1"])
def test_an_id_may_be_written_as_text(client: FlaskClient, user_id: str) -> None:
    """JavaScript cannot write 9007199254740993 as a number."""
    body = f'{{"userId":{user_id},"movieId":"31"}}'
    answer = client.post("/predict_regression", data=body, content_type="application/json")
    assert (answer.json["userId"], answer.json["movieId"]) == (1, 31)
    body = '{"userId":"9007199254740993","movieId":31}'
    answer = client.post("/predict_regression", data=body, content_type="application/json")
    assert answer.json["userId"] == 9_007_199_254_740_993


def test_a_body_with_a_byte_order_mark_is_read(client: FlaskClient) -> None:
    """Editors on Windows write one."""
    body = b'\xef\xbb\xbf{"userId":1,"movieId":31}'
    answer = client.post("/predict_regression", data=body, content_type="application/json")
    assert answer.json["prediction"] == 3.0


@pytest.mark.parametrize(("n", "status"), [(1, 200), (9000, 413)])
def test_a_body_in_chunks_has_the_same_limit(client: FlaskClient, n: int, status: int) -> None:
    """Nobody announces its length: too long, it would be cut and called broken JSON."""
    body = json.dumps([{"userId": 1, "movieId": 31, "distribution": False}] * n)
    body += " " * (300 * (n - 1))
    answer = client.post(
        "/predict_regression",
        input_stream=BytesIO(body.encode()),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
        headers={"Transfer-Encoding": "chunked"},
    )
    assert answer.status_code == status
