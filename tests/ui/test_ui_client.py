"""The page's client: what it reads, and what it says when it cannot."""

from __future__ import annotations

import httpx
import pytest
from fake_api import FakeApi

from reelstream.errors import ApiError
from reelstream.ui.client import ApiClient


def answering(status: int, content: bytes) -> ApiClient:
    return ApiClient(
        "http://there/",
        transport=httpx.MockTransport(lambda _: httpx.Response(status, content=content)),
    )


def test_an_answer_is_read_whole(client: ApiClient) -> None:
    """One question brings rating, like, segment and basis of one set."""
    answer = client.predict(12, 7)
    assert (answer.title, answer.model_set) == ("[Rec] *$9*", 3)
    assert answer.regression.interval == (1.97, 5.0)
    assert answer.classification.probability == 0.63
    assert answer.clustering.label == "generous drama lovers"
    assert (answer.basis.ratings, answer.basis.live, answer.basis.known_user) == (20, 2, True)


def test_searches_hand_on_query_and_limit(client: ApiClient) -> None:
    """Users are found by the digits their id begins with, films by title; never more than asked
    for.
    """
    assert [user.user_id for user in client.users("12", 5)] == [12, 120]
    assert [user.user_id for user in client.users("12", 1)] == [12]
    assert [film.item_id for film in client.items("alien", 5)] == [9]


def test_a_user_has_newest_ratings(client: ApiClient) -> None:
    """A known user's ratings come with titles; an unknown user has none and is no error."""
    assert client.user(12, 5).ratings[0].title == "Toy Story"
    unknown = client.user(99, 5)
    assert (unknown.known_user, unknown.ratings) == (False, ())


def test_scores_that_nobody_has_are_none(client: ApiClient) -> None:
    """A missing score, and the missing lines of the first batch, are read as None."""
    newest, *_, first = client.model_sets()
    assert (newest.scores.rmse, newest.scores.auc, newest.scores.log_loss) == (0.876, None, None)
    assert first.record[0].live is None
    assert newest.record[0].biases.log_loss is None


def test_not_ready_is_an_answer_and_no_error(api: FakeApi, client: ApiClient) -> None:
    """Status 503 of /health/ready carries the reasons; the stream's counts are there all the
    same.
    """
    api.model_set, api.reasons = None, ["no model set has been published yet"]
    assert client.health().model_set is None
    assert client.health().reasons == ("no model set has been published yet",)
    assert client.status().log.end == 5000


def test_a_problem_is_told_in_its_own_words(api: FakeApi, client: ApiClient) -> None:
    """The detail of an RFC 9457 problem becomes the error's sentence."""
    api.refuses["/v1/items"] = (404, "no film has the id 5")
    with pytest.raises(ApiError, match=r"^no film has the id 5$"):
        client.items("x", 3)


@pytest.mark.parametrize("content", [b"<html>oops</html>", b"{}", b"[1]", b""])
def test_an_error_without_a_problem_names_the_status(content: bytes) -> None:
    """Whatever the body of an error is, there is a sentence."""
    with pytest.raises(ApiError, match="status 502"):
        answering(502, content).status()


@pytest.mark.parametrize("content", [b"<html>hello</html>", b"{}", b'{"users": 3}', b"\xff"])
def test_another_program_on_the_port_is_named(content: bytes) -> None:
    """An answer of another shape is an ApiError that names the address, not a decoding error."""
    with pytest.raises(ApiError, match=r"http://there/v1/users.* is not reelstream's API"):
        answering(200, content).users("", 3)
    with pytest.raises(ApiError, match="is not reelstream's API"):
        answering(200, content).health()


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (httpx.ConnectError("refused"), "http://there cannot be reached"),
        (httpx.RemoteProtocolError("half an answer"), "http://there cannot be reached"),
        (httpx.ReadTimeout("late"), "http://there did not answer within 5 seconds"),
    ],
)
def test_no_answer_is_an_api_error(failure: Exception, sentence: str) -> None:
    """A refused, broken or slow connection is told as a sentence, with the cause kept."""

    def fail(_: httpx.Request) -> httpx.Response:
        raise failure

    with pytest.raises(ApiError, match=sentence) as caught:
        ApiClient("http://there", transport=httpx.MockTransport(fail)).status()
    assert caught.value.__cause__ is failure
