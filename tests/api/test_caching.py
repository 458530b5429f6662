"""What a client or a cache may keep, and how it learns whether that still holds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient

from events import event
from reelstream.serving.live_histories import LogEvent

READS = ["/v1/segments", "/v1/items?query=alien", "/v1/users/1/ratings", "/v1/models"]


@pytest.mark.parametrize("path", READS)
def test_an_answer_that_still_holds_is_not_sent_again(client: FlaskClient, path: str) -> None:
    """Whoever names its ETag gets a 304, however it is written."""
    first = client.get(path)
    assert first.headers["Cache-Control"] == "private, no-cache"
    tag = first.headers["ETag"]
    for named in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(path, headers={"If-None-Match": named})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == tag
        assert again.headers["Cache-Control"] == "private, no-cache"
    assert client.get(path, headers={"If-None-Match": '"other"'}).data == first.data


def test_a_rating_changes_the_tag_of_its_user_alone(api: SimpleNamespace) -> None:
    """The tag is of the answer, so it is right whatever the answer depends on."""

    def status(user: int, tag: str) -> int:
        path = f"/v1/users/{user}/ratings"
        return int(api.client.get(path, headers={"If-None-Match": tag}).status_code)

    tags = {user: api.client.get(f"/v1/users/{user}/ratings").headers["ETag"] for user in (1, 2)}
    api.predictor.histories.add([LogEvent(event(1, 100, 3.0, 400), 0, 99)])
    assert [status(user, tag) for user, tag in tags.items()] == [200, 304]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/items/999"),
        ("GET", "/health/ready"),
        ("GET", "/v1/events"),
        ("GET", "/metrics"),
        ("POST", "/predict_clustering"),
    ],
)
def test_what_is_new_each_time_is_not_kept(client: FlaskClient, method: str, path: str) -> None:
    """Nor problems, nor answers to a POST."""
    answer = client.open(path, method=method, json={"userId": 1} if method == "POST" else None)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers
