"""The Open Inference Protocol, and lists of whole predictions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient

from reelstream.client import Client
from reelstream.contract import FailedEntry, FullAnswer, PairQuery


def tensor(name: str, data: list[Any], datatype: str = "INT64", **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": [len(data)], "datatype": datatype, "data": data} | more


PAIRS = [tensor("userId", [1, 12]), tensor("movieId", [31, 7])]


def test_health_and_metadata(api: SimpleNamespace, waiting_api: SimpleNamespace) -> None:
    """As a client of the protocol asks for them first."""
    client = api.client
    assert client.get("/v2").json["name"] == "reelstream"
    assert client.get("/v2/health/live").json == {"live": True}
    assert client.get("/v2/health/ready").json == {"ready": True}
    assert client.get("/v2/models/regression/ready").json == {"ready": True}
    about = client.get("/v2/models/regression").json
    assert (about["name"], about["versions"]) == ("regression", ["1", "2"])
    assert [each["name"] for each in about["inputs"]] == ["userId", "movieId"]
    assert about["inputs"][0] == {"name": "userId", "datatype": "INT64", "shape": [-1]}
    assert "prediction" in [each["name"] for each in about["outputs"]]
    assert client.get("/v2/models/clustering/versions/1").json["name"] == "clustering"
    assert client.get("/v2/models/nothing").status_code == 422
    assert client.get("/v2/models/regression/versions/9").status_code == 404


def test_before_the_first_set_nothing_is_ready(waiting_api: SimpleNamespace) -> None:
    """503, but the process is live."""
    for path in ("/v2/health/ready", "/v2/models/regression/ready"):
        answer = waiting_api.client.get(path)
        assert (answer.status_code, answer.json) == (503, {"ready": False})
    assert waiting_api.client.get("/v2/health/live").status_code == 200


def test_columns_in_columns_out(client: FlaskClient) -> None:
    """The same numbers as the other routes have."""
    answer = client.post("/v2/models/regression/infer", json={"id": "a", "inputs": PAIRS}).json
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("regression", "2", "a")
    outputs = {each["name"]: each for each in answer["outputs"]}
    assert outputs["prediction"] == {
        "name": "prediction",
        "shape": [2],
        "datatype": "FP64",
        "data": [
            client.get(f"/predict_regression?userId={user}&movieId={item}").json["prediction"]
            for user, item in ((1, 31), (12, 7))
        ],
    }
    one = client.post(
        "/v2/models/classification/versions/1/infer",
        json={"inputs": PAIRS, "outputs": [{"name": "probability"}], "parameters": {"a": 1}},
    ).json
    assert (one["model_version"], len(one["outputs"])) == ("1", 1)
    column = {"name": "userId", "shape": [1, 1], "datatype": "BYTES", "data": [["12"]]}
    kinds = client.post("/v2/models/clustering/infer", json={"inputs": [column]}).json["outputs"]
    assert [each["data"] for each in kinds] == [[2], ["generous drama lovers"]]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"inputs": PAIRS[:1]}, 422),
        ({"inputs": [PAIRS[0], PAIRS[0]]}, 422),
        ({"inputs": [PAIRS[0], tensor("movieId", [31])]}, 422),
        ({"inputs": [PAIRS[0], tensor("movieId", [31, True])]}, 422),
        ({"inputs": [PAIRS[0], tensor("movieId", [31, -1])]}, 422),
        ({"inputs": [PAIRS[0], tensor("movieId", [31, 7], shape=[3])]}, 422),
        ({"inputs": [PAIRS[0], tensor("movieId", [31, 7], shape=[1, 2])]}, 422),
        ({"inputs": PAIRS, "outputs": [{"name": "nothing"}]}, 422),
        ({"inputs": PAIRS, "name": "regression"}, 422),
        ([{"inputs": PAIRS}], 422),
        ({"inputs": [PAIRS[0], tensor("movieId", [31, 999])]}, 404),
    ],
)
def test_what_cannot_be_answered_says_why(client: FlaskClient, body: Any, status: int) -> None:
    """In the protocol's own field too."""
    answer = client.post("/v2/models/regression/infer", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json["error"] == answer.json["detail"] != ""


def test_pairs_are_answered_each_by_itself(api: SimpleNamespace) -> None:
    """All three answers, or a problem with its status; one model set for all."""
    body = [{"userId": 1, "movieId": 31}, {"userId": 1, "movieId": 999}, {"userId": 1}]
    answers = api.client.post("/v1/predictions", json=body).json
    alone = api.client.get("/v1/users/1/items/31").json
    assert answers[0] == alone == api.client.post("/v1/predictions", json=body[0]).json
    assert [each["error"]["status"] for each in answers[1:]] == [404, 422]
    typed = Client("http://localhost", transport=httpx.WSGITransport(app=api.app))
    pairs = [PairQuery(user_id=1, item_id=item_id) for item_id in (31, 999)]
    assert [type(each) for each in typed.predict_many(pairs)] == [FullAnswer, FailedEntry]
