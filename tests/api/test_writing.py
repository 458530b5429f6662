"""Ratings written over HTTP, and reads that wait for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reelstream.api.idempotency import KEPT_SECONDS, MAX_KEYS, RUNNING_SECONDS, Idempotency
from reelstream.api.problems import ProblemError
from reelstream.broker.reading import read_between
from reelstream.errors import BrokerError
from reelstream.ratings.events import Deleted, Dismissed, Event, Rated
from reelstream.ratings.scale import RatingScale
from reelstream.ratings.wire import decode_message
from reelstream.storage.answered_writes import AnsweredWrites, Limits

RATING = {"userId": 5, "movieId": 31, "rating": 4.5, "timestamp": 1000}
LONG = "timeout=10"


@pytest.fixture
def live(api: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """The API, following its log."""
    api.updates.start()
    yield api
    api.updates.close()


def events(api: SimpleNamespace) -> list[Event]:
    """All that the log holds."""
    ends = api.broker.end_offsets("ratings")
    return [
        decode_message(record.value, record.timestamp // 1000, RatingScale())
        for chunk in read_between(api.broker, "ratings", dict.fromkeys(ends, 0), ends)
        for record in chunk
    ]


def test_a_rating_is_in_the_log_and_in_the_next_answer(live: SimpleNamespace) -> None:
    """The answer that waits for the token counts it."""
    written = live.client.post("/v1/ratings", json=RATING)
    assert written.status_code == 202 and written.json["events"] == 1
    assert events(live) == [Rated(5, 31, 4.5, 1000)]
    token = written.json["token"]
    for answer in (
        live.client.get(f"/predict_regression?userId=5&movieId=7&after={token}&{LONG}"),
        live.client.post(
            f"/predict_regression?after={token}&{LONG}", json={"userId": 5, "movieId": 7}
        ),
    ):
        assert answer.json["prediction"] == 4.5
        assert answer.json["basis"] == {"ratings": 1, "live": 1, "known_user": True}
    assert live.client.get(f"/v1/users/5?after={token}").json["total"] == 1


def test_a_list_is_written_as_a_whole(live: SimpleNamespace) -> None:
    """Ratings of several users, and a deletion; one token stands for all."""
    body = [RATING, RATING | {"movieId": 7}, RATING | {"rating": None, "timestamp": 1001}]
    written = live.client.post("/v1/ratings", json=body)
    assert (written.status_code, written.json["events"]) == (202, 3)
    ratings = live.client.get(f"/v1/users/5?after={written.json['token']}&{LONG}").json["ratings"]
    assert [rating["movieId"] for rating in ratings] == [7]


def test_a_deletion_takes_a_rating_away(live: SimpleNamespace) -> None:
    """Also one whose clock was ahead."""
    ahead = live.client.post("/v1/ratings", json=RATING | {"timestamp": None}).json["token"]
    rated = events(live)[0]
    assert live.client.get(f"/v1/users/5?after={ahead}&{LONG}").json["total"] == 1
    gone = live.client.delete("/v1/users/5/ratings/31")
    assert gone.status_code == 202
    assert live.client.get(f"/v1/users/5?after={gone.json['token']}&{LONG}").json["total"] == 0
    deleted = events(live)[1]
    assert isinstance(deleted, Deleted) and deleted.timestamp >= rated.timestamp


def test_a_film_is_dismissed_and_taken_back(live: SimpleNamespace) -> None:
    """Each is an event on the log, and no rating."""
    path = "/v1/users/5/dismissed"

    def dismissed(token: str) -> list[int]:
        answer = live.client.get(f"{path}?after={token}&{LONG}").json
        assert answer["total"] == len(answer["items"]) and answer["next"] is None
        return [film["movieId"] for film in answer["items"]]

    first, second = (live.client.put(f"{path}/{film}") for film in (31, 7))
    assert first.status_code == second.status_code == 202
    assert set(dismissed(f"{second.json['token']}")) == {31, 7}
    page = live.client.get(f"{path}?limit=1").json
    assert (page["total"], page["next"]) == (2, 1)
    gone = live.client.delete(f"{path}/31")
    assert gone.status_code == 202
    assert dismissed(gone.json["token"]) == [7]
    rated = live.client.post("/v1/ratings", json=RATING | {"movieId": 7, "timestamp": None})
    assert dismissed(rated.json["token"]) == []
    assert [type(each) for each in events(live)] == [Dismissed, Dismissed, Deleted, Rated]
    assert live.client.get("/v1/users/5").json["total"] == 1


def test_a_rating_is_not_dismissed(live: SimpleNamespace) -> None:
    """Its film is in no list, and nobody should lose a rating by a second look at a list."""
    for method in ("PUT", "DELETE"):
        answer = live.client.open("/v1/users/1/dismissed/31", method=method)
        assert answer.status_code == 409
        assert "has rated film 31" in answer.json["detail"]
    assert events(live) == []


def test_a_dismissal_counts_though_a_clock_was_ahead(live: SimpleNamespace) -> None:
    """It comes after what it follows."""
    ahead = RATING | {"timestamp": int(time.time()) + 3600}
    token = live.client.post("/v1/ratings", json=[ahead, ahead | {"rating": None}]).json["token"]
    assert live.client.get(f"/v1/users/5?after={token}&{LONG}").json["total"] == 0
    token = live.client.put("/v1/users/5/dismissed/31").json["token"]
    assert live.client.get(f"/v1/users/5/dismissed?after={token}&{LONG}").json["total"] == 1


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"userId": 5, "movieId": 31}, "rating"),
        (RATING | {"rating": 4.7}, "0"),
        (RATING | {"rating": True}, "rating"),
        (RATING | {"rating": "null"}, "rating"),
        (RATING | {"timestamp": True}, "timestamp"),
        (RATING | {"timestamp": "yesterday"}, "timestamp"),
        (RATING | {"userId": -1}, "userId"),
        (RATING | {"timestamp": 4_000_000_000}, "0"),
        (RATING | {"forget": True}, "forget"),
        ([RATING, RATING | {"rating": 7}], "1"),
        ([RATING, 3], "1"),
        ([RATING, RATING | {"stars": 3}], "1.stars"),
    ],
)
def test_what_is_no_rating_is_refused_and_nothing_is_written(
    api: SimpleNamespace, body: Any, where: str
) -> None:
    """With the place of what is wrong, in a list too."""
    answer = api.client.post("/v1/ratings", json=body)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["where"] == where
    assert api.client.post("/v1/ratings", json=[]).status_code == 422
    assert events(api) == []


@pytest.mark.parametrize("time", [1_000_000_000, 1_000_000_000_999, "2001-09-09T03:46:40+02:00"])
def test_values_are_read_as_in_messages(api: SimpleNamespace, time: int | str) -> None:
    """Ids and ratings as text, milliseconds, ISO 8601."""
    body = {"userId": "5.0", "movieId": 31.0, "rating": "4.5", "timestamp": time}
    assert api.client.post("/v1/ratings", json=body).status_code == 202
    assert events(api) == [Rated(5, 31, 4.5, 1_000_000_000)]


@pytest.mark.parametrize(
    ("token", "status", "reason"),
    [
        ("0:0", 200, ""),
        ("0:1", 409, "beyond the end of the log"),
        ("7:0", 409, "beyond the end of the log"),
        ("0:0@other", 409, "of another topic"),
        ("next", 422, "after"),
        ("0:1:2", 422, "after"),
    ],
)
def test_tokens_that_this_log_cannot_have_given(
    live: SimpleNamespace, token: str, status: int, reason: str
) -> None:
    """Beyond its end or of another topic: 409; no token at all: 422."""
    answer = live.client.get(f"/v1/items?after={token}")
    assert answer.status_code == status
    assert reason in answer.text


def test_a_read_that_waits_too_long_says_how_far_the_server_is(api: SimpleNamespace) -> None:
    """504; nothing follows the log here."""
    token = api.client.post("/v1/ratings", json=RATING).json["token"]
    answer = api.client.get(f"/v1/users/5?after={token}&timeout=0.01")
    assert answer.status_code == 504
    assert "followed the log to 0:0" in answer.json["detail"]
    for timeout in ("-1", "11", "soon"):
        assert api.client.get(f"/v1/users/5?after={token}&timeout={timeout}").status_code == 422


def test_a_retry_with_its_key_gets_the_first_answer_and_writes_nothing(
    api: SimpleNamespace,
) -> None:
    """Another body with the same key is a mistake; another key writes."""

    def post(key: str, body: Any) -> Any:
        return api.client.post("/v1/ratings", json=body, headers={"Idempotency-Key": key})

    first, again = post("a", RATING), post("a", RATING)
    assert (first.status_code, first.data) == (again.status_code, again.data)
    assert post("a", RATING | {"movieId": 7}).status_code == 422
    assert post("é", RATING).status_code == 422
    assert len(events(api)) == 1
    assert post("b", RATING).json["token"] != first.json["token"]
    # A refused request wrote nothing: its key is free.
    assert post("c", RATING | {"rating": 7}).status_code == 422
    assert post("c", RATING).status_code == 202
    gone = [
        api.client.delete("/v1/users/5/ratings/31", headers={"Idempotency-Key": "d"}).data
        for _ in range(2)
    ]
    assert gone[0] == gone[1] and len(events(api)) == 4


def test_a_key_whose_first_request_is_running_is_a_conflict() -> None:
    """409, and the first one is answered."""
    idempotency, answer = Idempotency(), SimpleNamespace()

    def write() -> Any:
        with pytest.raises(ProblemError) as caught:
            idempotency.once("k", b"1", lambda: answer)
        assert caught.value.problem.status == 409
        return respond("first")

    assert idempotency.once("k", b"1", write).data == b"first"
    assert idempotency.once("k", b"1", write).data == b"first"


def test_keys_are_forgotten_after_an_hour_and_when_there_are_too_many() -> None:
    """The memory that they take is bounded."""
    now = [0.0]
    idempotency = Idempotency(clock=lambda: now[0])

    def once(key: str, text: str) -> bytes:
        return idempotency.once(key, b"1", lambda: respond(text)).data

    assert [once("k", "a"), once("k", "b")] == [b"a", b"a"]
    now[0] = KEPT_SECONDS
    assert once("k", "b") == b"b"
    # Now and then they are counted.
    for number in range(MAX_KEYS + 200):
        now[0] += 0.001
        once(str(number), "c")
    assert once("k", "d") == b"d"


def test_a_request_that_died_with_its_worker_frees_its_key(tmp_path: Path) -> None:
    """After some seconds, for every worker; answers of one are those of all."""
    now = [0.0]

    def worker() -> Idempotency:
        return Idempotency(AnsweredWrites(tmp_path / "keys.db"), clock=lambda: now[0])

    dead = AnsweredWrites(tmp_path / "keys.db")
    limits = Limits(keys=9, kept_seconds=9, running_seconds=9)
    assert dead.begin(" k", b"1", now[0], limits) is None
    with pytest.raises(ProblemError) as caught:
        worker().once("k", b"1", lambda: respond("a"))
    assert caught.value.problem.status == 409
    now[0] = RUNNING_SECONDS
    assert worker().once("k", b"1", lambda: respond("b")).data == b"b"
    assert worker().once("k", b"1", lambda: respond("c")).data == b"b"
    # Another sender's key of the same name is another.
    assert worker().once("k", b"1", lambda: respond("d"), "shop").data == b"d"


def respond(text: str) -> Any:
    from flask import Response  # noqa: PLC0415

    return Response(text, 202)


def test_a_log_that_is_away_refuses_writes_and_leaves_reads_alone(
    api: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with Retry-After."""

    def refuse(topic: str) -> None:
        raise BrokerError("the log is away")

    monkeypatch.setattr(api.broker, "appender", refuse)
    answer = api.client.post("/v1/ratings", json=RATING)
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "1"
    assert "the log is away" in answer.json["detail"]
    assert api.client.get("/predict_regression?userId=1&movieId=31").status_code == 200


@pytest.mark.parametrize(
    ("given", "is_passed_on"),
    [("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True), ("00-zz\n", False)],
)
def test_a_trace_goes_on_in_the_log(api: SimpleNamespace, given: str, is_passed_on: bool) -> None:
    """As a header of the record; what is no traceparent stays outside."""
    api.client.post("/v1/ratings", json=RATING, headers={"traceparent": given.strip()})
    with api.broker.consumer("ratings") as consumer:
        consumer.seek({0: 0})
        records = consumer.poll(10, 5.0)
    (headers,) = [dict(record) for record in records.headers]
    assert headers == ({"traceparent": given.encode()} if is_passed_on else {})
