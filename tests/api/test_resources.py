"""Films, users, model sets, status and health over HTTP."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import msgspec
import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from fake_sets import release
from reelstream.api.users import beginning_with
from reelstream.broker import open_broker
from reelstream.broker.interface import Broker
from reelstream.errors import BrokerError
from reelstream.evaluation.reports import BatchScores, Scores
from reelstream.ingest.batch_writer import BatchPolicy, BatchWriter
from reelstream.ratings.events import MAX_ID
from reelstream.ratings.scale import RatingScale
from reelstream.storage.batch_files import BatchFolder


def test_films_are_found_by_title(client: FlaskClient) -> None:
    """With all that the catalogue knows of them."""
    assert client.get("/v1/items?query=minds").json == {
        "items": [
            {
                "movieId": 31,
                "title": "Dangerous Minds",
                "year": 1995,
                "genres": ["Drama"],
                "tmdbId": 9909,
                "imdbId": "0112792",
                "ratings": 2,
            }
        ],
        "found": 1,
        "next": None,
        "total": 3,
    }
    assert len(client.get("/v1/items?limit=2").json["items"]) == 2


def test_the_popular_films_come_first(client: FlaskClient) -> None:
    """As the set in service counted them."""
    assert [film["movieId"] for film in client.get("/v1/items").json["items"]] == [1, 31, 7]


def test_films_are_listed_in_pages_by_genre_and_order(client: FlaskClient) -> None:
    """`next` is the offset of the next page; typing errors are forgiven."""

    def found(query: str) -> list[int]:
        return [film["movieId"] for film in client.get(f"/v1/items?{query}").json["items"]]

    first = client.get("/v1/items?sort=title&limit=2").json
    assert [film["title"] for film in first["items"]] == ["Dangerous Minds", "Sabrina"]
    assert (first["found"], first["next"]) == (3, 2)
    last = client.get("/v1/items?sort=title&limit=2&offset=2").json
    assert ([film["movieId"] for film in last["items"]], last["next"]) == ([1], None)
    assert found("genre=Romance,Animation") == [1, 7]
    assert found("genre=Comedy&sort=year") == [1, 7] and found("sort=popular") == [1, 31, 7]
    assert found("query=dangeruos mnids") == [31] and found("query=toystory") == [1]
    for wrong in ("genre=Nothing", "sort=best", "offset=-1"):
        assert client.get(f"/v1/items?{wrong}").status_code == 422, wrong


def test_a_film_by_its_id(client: FlaskClient) -> None:
    """404 for one that the catalogue does not have."""
    assert client.get("/v1/items/1").json["title"] == "Toy Story"
    assert client.get("/v1/items/999").status_code == 404
    assert client.get("/v1/items/one").status_code == 422


def test_users_by_the_first_digits_of_their_id(client: FlaskClient) -> None:
    """With the number of their ratings."""
    assert client.get("/v1/users?query=12").json == {
        "users": [{"userId": 12, "ratings": 1}, {"userId": 120, "ratings": 1}],
        "next": None,
        "total": 4,
    }
    first = client.get("/v1/users?limit=3").json
    assert ([user["userId"] for user in first["users"]], first["next"]) == ([1, 2, 12], 3)
    last = client.get("/v1/users?limit=3&offset=3").json
    assert ([user["userId"] for user in last["users"]], last["next"]) == ([120], None)
    assert client.get("/v1/users?query=x").json["users"] == []


@given(
    st.sets(st.integers(0, 2000) | st.integers(0, MAX_ID)),
    st.from_regex("[0-9]{0,4}", fullmatch=True),
)
def test_ids_that_begin_with_digits(ids: set[int], digits: str) -> None:
    """Exactly those whose decimal form begins so."""
    rising = np.array(sorted(ids), np.int64)
    found = beginning_with(rising, digits, 1_000).tolist()
    begin = str(int(digits)) if digits else ""
    # Leading zeros ask for nobody: an id has none.
    expected = (
        []
        if digits != begin
        else [user_id for user_id in sorted(ids) if str(user_id).startswith(digits)]
    )
    assert sorted(found) == expected


def test_a_user_with_ratings_newest_first(client: FlaskClient) -> None:
    """With titles, where there are any."""
    assert client.get("/v1/users/1/ratings").json == {
        "userId": 1,
        "known_user": True,
        "total": 2,
        "ratings": [
            {"movieId": 7, "title": "Sabrina", "rating": 2.0, "timestamp": 200},
            {"movieId": 31, "title": "Dangerous Minds", "rating": 4.0, "timestamp": 100},
        ],
        "next": None,
    }
    assert client.get("/v1/users/77/ratings").json == {
        "userId": 77,
        "known_user": False,
        "total": 0,
        "ratings": [],
        "next": None,
    }


def test_what_is_known_of_a_user(client: FlaskClient) -> None:
    """Besides the ratings: activity, segment, taste with its uncertainty."""
    answer = client.get("/v1/users/1").json
    assert client.get("/v1/users/1/ratings").json.items() <= answer.items()
    activity = answer["activity"]
    assert (activity["first"], activity["last"], activity["mean"]) == (100, 200, 3.0)
    assert {each: n for each, n in activity["distribution"].items() if n} == {"2": 1, "4": 1}
    assert answer["model_set"] == 2 and answer["segment"]["label"] == "generous drama lovers"
    assert answer["generosity"] == {"stars": 0.25, "sd": 0.2}
    assert answer["taste"] == [
        {"genre": "Drama", "stars": 0.5, "sd": 0.1},
        {"genre": "Comedy", "stars": -0.2, "sd": 0.3},
    ]
    nobody = client.get("/v1/users/77").json
    assert nobody["activity"] is None and nobody["segment"] is not None


def test_a_user_before_the_first_set(waiting_api: SimpleNamespace) -> None:
    """The ratings are there, what a set would say is not."""
    answer = waiting_api.client.get("/v1/users/1").json
    assert answer["total"] == 2 and answer["model_set"] is answer["segment"] is None
    assert answer["taste"] == []


def test_a_history_is_read_whole_in_pages(client: FlaskClient) -> None:
    """`next` is the offset of the next page; after the last it is null."""
    first = client.get("/v1/users/1?limit=1").json
    assert ([each["movieId"] for each in first["ratings"]], first["next"]) == ([7], 1)
    second = client.get("/v1/users/1?limit=1&offset=1").json
    assert ([each["movieId"] for each in second["ratings"]], second["next"]) == ([31], None)
    beyond = client.get("/v1/users/1?offset=5").json
    assert (beyond["ratings"], beyond["next"], beyond["total"]) == ([], None, 2)
    assert client.get("/v1/users/1?offset=-1").status_code == 422


def test_segments_by_number(client: FlaskClient) -> None:
    """What each is, with the titles of its films where they have one."""
    answer = client.get("/v1/segments").json
    assert answer["model_set"] == 2
    assert [segment["number"] for segment in answer["segments"]] == [2, 4]
    assert answer["segments"][0] == {
        "number": 2,
        "label": "generous drama lovers",
        "size": 10,
        "ratings": 40,
        "mean": 3.9,
        "spread": 0.8,
        "genres": [{"genre": "Drama", "share": 0.5, "lift": 1.25}],
        "films": [{"movieId": 31, "title": "Dangerous Minds"}, {"movieId": 100, "title": None}],
    }


def test_users_on_the_map(client: FlaskClient) -> None:
    """Each with segment, ratings and place; a sample is evenly over the ids."""
    answer = client.get("/v1/segments/map").json
    assert (answer["model_set"], answer["total"]) == (2, 4)
    assert answer["users"][0] == {
        "userId": 1,
        "segment": 4,
        "ratings": answer["users"][0]["x"],
        "x": answer["users"][0]["x"],
        "y": -answer["users"][0]["x"],
    }
    ids = [user["userId"] for user in answer["users"]]
    sample = client.get("/v1/segments/map?n=2").json
    assert [user["userId"] for user in sample["users"]] == [ids[0], ids[-1]]


def test_model_sets_newest_first(client: FlaskClient) -> None:
    """Which is current, which answers, and what they scored."""
    answer = client.get("/v1/models").json
    assert answer["in_service"] == 2
    assert [(one["number"], one["current"], one["in_service"]) for one in answer["model_sets"]] == [
        (2, True, True),
        (1, False, False),
    ]
    assert answer["model_sets"][0]["scores"] == {"n": 10, "rmse": 0.8}
    assert answer["model_sets"][0]["gate"]["verdict"] == "accepted"
    assert answer["model_sets"][0]["batches"] == [1, 2]


def test_the_status_says_where_the_stream_is(api: SimpleNamespace) -> None:
    """And which set answers."""
    answer = api.client.get("/v1/status").json
    assert answer["model_set"]["number"] == 2
    assert answer["scale"] == {"lowest": 0.5, "highest": 5.0, "step": 0.5, "like_threshold": 4.0}
    assert answer["histories"]["users"] == 4
    assert answer["batches"] == {
        "count": 0,
        "newest": None,
        "closed_at": None,
        "excluded": [],
        "ratings": 0,
        "rejected": 0,
        "repeats": 0,
        "ratings_a_second": 0.0,
        "rejected_share": None,
        "drift": None,
    }
    assert answer["log"] == {"end": 0, "batched": 0, "trained": 0, "followed": 0}
    assert answer["partitions"] == []
    assert answer["failures"] == []


@pytest.fixture
def followed(api: SimpleNamespace, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """Behind the API: ten messages in the log, of which a batch holds eight, two of them rejected;
    set 3 was refused.
    """
    api.registry.add(3, current=False, verdict="refused")
    with open_broker(f"sqlite:{tmp_path / 'log.db'}") as broker:
        send(broker, *[b"null"] * 2, *[RATING] * 6)
        BatchWriter(
            broker,
            "ratings",
            BatchFolder.in_folder(tmp_path / "batches"),
            RatingScale(),
            BatchPolicy(rows=100, seconds=5.0),
            group="g",
        ).run(once=True)
        send(broker, RATING, RATING)
    api.updates.start()
    yield api
    api.updates.close()


RATING = b'{"userId":5,"movieId":31,"rating":4,"timestamp":1}'


def send(broker: Broker, *values: bytes) -> None:
    with broker.producer("ratings") as producer:
        for value in values:
            producer.send(value, partition=0)
        producer.flush()


def test_the_status_has_the_lag_of_each_stage(followed: SimpleNamespace) -> None:
    """Partition by partition, with what the newest batch brought and what became of the newest
    set.
    """
    answer = followed.client.get("/v1/status").json
    (partition,) = answer["partitions"]
    assert (partition["first"], partition["end"]) == (0, 10)
    assert (partition["unbatched"], partition["untrained"]) == (2, 10)
    batches = answer["batches"]
    assert (batches["count"], batches["newest"], batches["ratings"], batches["rejected"]) == (
        1,
        1,
        6,
        2,
    )
    assert batches["rejected_share"] == 0.25
    assert batches["ratings_a_second"] == 0.1
    assert batches["drift"] is None
    assert answer["newest_set"] == {"number": 3, "verdict": "refused"}
    assert answer["model_set"]["number"] == 2
    assert answer["model_set"]["age"] >= 0


def test_every_way_to_predict_a_batch_is_a_metric(api: SimpleNamespace) -> None:
    """The same five that the page draws: how much users and films learn live is what lies between
    the first three.
    """
    scores = [Scores(n=10, rmse=rmse) for rmse in (0.81, 0.83, 1.1, 0.95, 0.82)]
    api.registry.publish(msgspec.structs.replace(release(2), record=[BatchScores(2, 1, *scores)]))
    api.updates.start()
    text = api.client.get("/metrics").text
    api.updates.close()
    found = dict(
        re.findall(r'^reelstream_batch_rmse\{predictor="(\w+)"\} (.+)$', text, re.MULTILINE)
    )
    assert found == {
        "live": "0.81",
        "live_users": "0.82",
        "static": "0.83",
        "biases": "0.95",
        "global_mean": "1.1",
    }


@pytest.mark.parametrize(
    "line",
    [
        'reelstream_log_end_offset{partition="0"} 10.0',
        'reelstream_log_start_offset{partition="0"} 0.0',
        'reelstream_lag_offsets{partition="0",stage="batch"} 2.0',
        'reelstream_lag_offsets{partition="0",stage="train"} 10.0',
        "reelstream_batches_total 1.0",
        "reelstream_batched_ratings_total 6.0",
        "reelstream_rejected_rows_total 2.0",
        "reelstream_repeated_rows_total 0.0",
        "reelstream_rejected_share 0.25",
        "reelstream_excluded_batches 0.0",
        'reelstream_model_sets_total{gate="accepted"} 2.0',
        'reelstream_model_sets_total{gate="refused"} 1.0',
        "reelstream_newest_set_number 3.0",
        "reelstream_newest_set_refused 1.0",
        "reelstream_holdout_rmse 0.8",
        'reelstream_follower_failing{what="log"} 0.0',
    ],
)
def test_metrics_of_the_stream(followed: SimpleNamespace, line: str) -> None:
    """As Prometheus reads them: the same that the status says."""
    assert line in followed.client.get("/metrics").text.splitlines()


def test_before_the_first_set_queries_wait_and_the_rest_answers(
    waiting_api: SimpleNamespace,
) -> None:
    """503 with Retry-After, and the reason."""
    for response in (
        waiting_api.client.get("/predict_clustering?userId=1"),
        waiting_api.client.get("/v1/segments"),
        waiting_api.client.post("/predict_regression", json=[{"userId": 1, "movieId": 31}]),
    ):
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "1"
        assert response.mimetype == "application/problem+json"
    ready = waiting_api.client.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json["status"] == "waiting" and ready.json["reasons"]
    assert waiting_api.client.get("/health/live").json["status"] == "live"
    assert waiting_api.client.get("/v1/status").json["model_set"] is None
    assert len(waiting_api.client.get("/v1/items").json["items"]) == 3


def test_a_server_with_a_set_is_ready_and_says_what_is_wrong(api: SimpleNamespace) -> None:
    """A damaged newer set degrades it, by name; it answers."""
    assert api.client.get("/health/ready").json == {
        "status": "ready",
        "reasons": [],
        "model_set": 2,
        "rejected": 0,
        "stream": "live",
        "stream_age": 0.0,
    }
    api.registry.damaged = {3}
    api.registry.add(3)
    api.updates.start()
    ready = api.client.get("/health/ready")
    api.updates.close()
    assert ready.status_code == 200
    assert ready.json["status"] == "degraded" and ready.json["model_set"] == 2
    assert any("model set 3 is damaged" in reason for reason in ready.json["reasons"])


@pytest.mark.parametrize("line", ["reelstream_model_set_number 2.0", "reelstream_swaps_total 1.0"])
def test_metrics_of_the_predictor(client: FlaskClient, line: str) -> None:
    """As Prometheus reads them."""
    assert line in client.get("/metrics").text.splitlines()


def test_metrics_count_requests_by_endpoint_and_status(client: FlaskClient) -> None:
    """A path that nobody has cannot make a new label."""
    client.get("/v1/items/1")
    client.get("/v1/items/999")
    client.get("/nothing/here")
    text = client.get("/metrics").text
    for method, status, route in (
        ("GET", 200, "/v1/items/{movieId}"),
        ("GET", 404, "/v1/items/{movieId}"),
        ("none", 404, "none"),
    ):
        labels = (
            f'{{http_request_method="{method}",http_response_status_code="{status}",'
            f'http_route="{route}",model_set="2"}}'
        )
        assert f"http_server_request_duration_seconds_count{labels} 1.0" in text


def test_requests_are_told_apart_by_model_set_but_not_for_ever(api: SimpleNamespace) -> None:
    """Of the set in service, and the one before; a set that is gone leaves no series."""
    for number in range(2, 8):
        api.predictor.swap(release(number), api.registry.sets[2], {})
        api.client.get("/v1/items/1")
    lines = api.client.get("/metrics").text.splitlines()
    counted = [line for line in lines if "request_duration_seconds_count" in line]
    sets = [re.findall('model_set="(.*?)"', line) for line in counted]
    assert sorted(sets) == [["6"], ["7"]]


def test_a_log_that_is_away_is_told_with_every_answer(
    api: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads go on and say since when; when it is back the server follows it by itself."""

    def refuse(topic: str) -> NoReturn:
        raise BrokerError("the log is away")

    def wait_for(stream: str) -> Any:
        patience = time.monotonic() + 60
        while (found := api.client.get("/v1/status").json)["stream"] != stream:
            assert time.monotonic() < patience, "it never came true"
            time.sleep(0.02)
        return found

    path = "/predict_regression?userId=1&movieId=31"
    api.updates.start()
    assert "X-Stream-Stale" not in api.client.get(path).headers
    with monkeypatch.context() as patch:
        patch.setattr(api.broker, "end_offsets", refuse)
        assert wait_for("stale")["stream_age"] > 0
        answer = api.client.get(path)
        assert answer.status_code == 200 and int(answer.headers["X-Stream-Stale"]) >= 0
        assert api.client.get("/health/ready").json["stream"] == "stale"
    assert wait_for("live")["stream_age"] == 0
    api.updates.close()


def test_freshness_is_measured_for_every_write(api: SimpleNamespace) -> None:
    """From the log's acknowledgement to the answers."""
    api.updates.start()
    rating = {"userId": 5, "movieId": 31, "rating": 4.5}
    for _ in range(3):
        token = api.client.post("/v1/ratings", json=rating).json["token"]
        api.client.get(f"/v1/users/5?after={token}&timeout=10")
    api.updates.close()
    assert "reelstream_freshness_seconds_count 3.0" in api.client.get("/metrics").text


def test_one_set_and_one_segment_by_number(client: FlaskClient) -> None:
    """As they are in the lists; 404 for what is not there."""
    sets, segments = client.get("/v1/models").json, client.get("/v1/segments").json
    assert client.get("/v1/models/1").json == sets["model_sets"][1]
    assert client.get("/v1/segments/4").json == segments["segments"][1]
    for path in ("/v1/models/9", "/v1/segments/9"):
        assert client.get(path).status_code == 404
