"""The typed client, against the real application."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import httpx
import pytest

from reelstream import contract
from reelstream.client import ApiError, Client
from reelstream.contract import (
    AnonymousQuery,
    ClassificationAnswer,
    ClusteringAnswer,
    FailedEntry,
    GroupQuery,
    NewRating,
    PairQuery,
    ProblemType,
    RatingQuery,
    RegressionAnswer,
    SegmentQuery,
)


@pytest.fixture
def typed(api: SimpleNamespace) -> Iterator[Client]:
    """A client of the application, without a network."""
    with client_of(api) as client:
        yield client


def client_of(api: SimpleNamespace) -> Client:
    return Client("http://localhost", transport=httpx.WSGITransport(app=api.app))


def answering(status: int, content: bytes) -> Client:
    """A client to which everything is answered so."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=content))
    return Client("http://there/", transport=transport)


def test_one_query_of_each_family(typed: Client) -> None:
    """The same numbers from each route and from all at once, with the basis that they rest on."""
    full = typed.predict(1, 31)
    regression = typed.predict_regression(1, 31, distribution=True)
    assert (full.title, full.model_set, full.user_id) == ("Dangerous Minds", 2, 1)
    assert (full.basis.ratings, full.basis.live, full.basis.known_user) == (2, 2, True)
    assert regression.prediction == full.regression.prediction == 3.0
    assert regression.interval == full.regression.interval == (2.02, 3.98)
    assert regression.distribution == full.regression.distribution
    assert typed.predict_regression(1, 31).distribution is None
    classification = typed.predict_classification(1, 31)
    assert classification.probability == full.classification.probability == 0.02
    assert typed.predict_clustering(1).label == full.clustering.label == "generous drama lovers"


def test_lists_are_answered_in_their_order(typed: Client) -> None:
    """A failed entry takes the place of an answer that cannot be given."""
    queries = [RatingQuery(user_id=1, item_id=item_id) for item_id in (31, 999, 7)]
    first, failed, last = typed.predict_regressions(queries)
    assert isinstance(first, RegressionAnswer) and first.item_id == 31
    assert isinstance(failed, FailedEntry) and failed.error.status == 404
    assert isinstance(last, RegressionAnswer) and last.item_id == 7
    (like,) = typed.predict_classifications([PairQuery(user_id=1, item_id=31)])
    assert isinstance(like, ClassificationAnswer) and like.prediction == 0
    (segment,) = typed.predict_clusterings([SegmentQuery(user_id=1)])
    assert isinstance(segment, ClusteringAnswer) and segment.size == 10


def test_the_time_and_the_distribution_are_passed_on(api: SimpleNamespace, typed: Client) -> None:
    """In the URL of one query, and in the body of a list."""
    typed.predict(1, 31, at=1000)
    typed.predict_regression(1, 31, at=1001)
    typed.predict_classification(1, 31, at=1002)
    query = RatingQuery(user_id=1, item_id=31, at=1003, distribution=True)
    (answer,) = typed.predict_regressions([query])
    assert api.registry.sets[2].asked_at[-4:] == [1000, 1001, 1002, 1003]
    assert isinstance(answer, RegressionAnswer) and answer.distribution


def test_searches_pass_on_query_and_limit(typed: Client) -> None:
    """Users are found by the digits their id begins with, films by title."""
    assert [user.user_id for user in typed.users("12").users] == [12, 120]
    assert [user.user_id for user in typed.users("12", limit=1).users] == [12]
    assert [film.item_id for film in typed.items("toy").items] == [1]
    assert typed.item(31).imdb_id == "0112792"


def test_a_user_has_newest_ratings(typed: Client) -> None:
    """A known user's ratings come with titles; an unknown user has none and is no error."""
    user = typed.user(1, limit=1)
    assert (user.total, [rated.title for rated in user.ratings]) == (2, ["Sabrina"])
    unknown = typed.user(99)
    assert (unknown.known_user, unknown.ratings) == (False, [])


def test_scores_that_nobody_has_are_none(typed: Client) -> None:
    """A score is absent where there is none, and read as None."""
    newest = typed.model_sets().model_sets[0]
    assert (newest.scores.rmse, newest.scores.auc) == (0.8, None)
    assert newest.gate.verdict == "accepted"


def test_not_ready_is_an_answer_and_no_error(waiting_api: SimpleNamespace) -> None:
    """Status 503 of /health/ready carries the reasons."""
    typed = client_of(waiting_api)
    assert typed.ready().status == "waiting"
    assert typed.ready().reasons
    assert typed.status().model_set is None
    with pytest.raises(ApiError, match="no model set is in service yet") as caught:
        typed.segments()
    assert caught.value.status == 503


def test_what_was_written_is_read(api: SimpleNamespace, typed: Client) -> None:
    """Once the read waits for it: of one user, of a list, and after a deletion."""
    api.updates.start()
    written = typed.rate(5, 31, 4.5, timestamp=1000, key="a")
    assert typed.rate(5, 31, 4.5, timestamp=1000, key="a") == written
    seen = typed.after(written.token, wait_seconds=10)
    assert seen.predict_regression(5, 7).basis.ratings == 1
    (answer,) = seen.predict_regressions([RatingQuery(user_id=5, item_id=7)])
    assert isinstance(answer, RegressionAnswer) and answer.prediction == 4.5
    several = [NewRating(user_id=5, item_id=item, rating=2.0) for item in (1, 7)]
    assert typed.after(typed.rate_many(several).token, wait_seconds=10).user(5).total == 3
    assert typed.after(typed.delete_rating(5, 1).token, wait_seconds=10).user(5).total == 2
    with pytest.raises(ApiError) as caught:
        typed.after("0:99").user(5)
    assert caught.value.status == 409
    api.updates.close()


def test_every_route_has_a_method(api: SimpleNamespace) -> None:
    """What the document lists, the client can send."""
    sent = set()

    def note(request: httpx.Request) -> httpx.Response:
        sent.add((request.method.lower(), re.sub(r"/\d+", "/ID", request.url.path)))
        return httpx.WSGITransport(app=api.app).handle_request(request)

    client = Client("http://localhost", transport=httpx.MockTransport(note))
    client.predict(12, 31)
    client.because(1, 31)
    client.predict_regression(1, 31)
    client.predict_classification(1, 31)
    client.predict_clustering(1)
    client.predict_regressions([])
    client.predict_classifications([])
    client.predict_clusterings([])
    client.predict_many([])
    client.items()
    client.item(31)
    client.users()
    client.user(12)
    client.ratings(12)
    client.surprises(12)
    client.audience(31)
    client.rate(12, 31, 4.5)
    client.delete_rating(12, 31)
    client.dismiss(12, 100)
    client.undo_dismissal(12, 100)
    client.dismissed(12)
    with pytest.raises(ApiError, match="needs a key"):
        client.erase_user(12)
    for recommend in (
        lambda: client.recommendations(12),
        lambda: client.recommendations_for(AnonymousQuery(ratings=[])),
        lambda: client.recommendations_for_group(GroupQuery(users=[1, 12])),
        lambda: client.questions(12),
        lambda: client.similar(31),
    ):
        # These sets have no model of choice.
        with pytest.raises(ApiError, match="before that family was added"):
            recommend()
    client.segments()
    client.users_on_the_map()
    assert client.segment(4).number == 4
    for number in (2, None):
        with pytest.raises(ApiError, match="key"):
            client.activate(number)
    with pytest.raises(ApiError, match="key"):
        client.erase_user(12)
    client.model_sets()
    assert client.model_set(2).in_service
    client.events()
    client.status()
    client.live()
    client.ready()
    assert "http_server_request_duration_seconds_count" in client.metrics()
    document = api.client.get("/openapi.json").json
    described = {
        (method, re.sub(r"{\w+}", "ID", path))
        for path, methods in document["paths"].items()
        for method in methods
        # Clients of that protocol have their own.
        if not path.startswith("/v2")
    }
    assert sent == described | {("get", "/metrics")}


def test_a_problem_is_told_in_its_own_words(typed: Client) -> None:
    """The detail of an RFC 9457 problem becomes the error's sentence."""
    with pytest.raises(ApiError, match=r"^film 999 is not in the catalogue") as caught:
        typed.item(999)
    assert caught.value.status == 404
    assert caught.value.problem_type == ProblemType.UNKNOWN_FILM.uri


@pytest.mark.parametrize("content", [b"<html>oops</html>", b"{}", b"[1]", b""])
def test_an_error_without_a_problem_names_the_status(content: bytes) -> None:
    """Whatever the body of an error is, there is a sentence."""
    with pytest.raises(ApiError, match="status 502"):
        answering(502, content).status()


@pytest.mark.parametrize("content", [b"<html>hello</html>", b"{}", b'{"users": 3}', b"\xff"])
def test_another_program_on_the_port_is_named(content: bytes) -> None:
    """An answer of another shape is an ApiError that names the address, not a decoding error."""
    with pytest.raises(ApiError, match=r"http://there/v1/users.* is not reelstream's API"):
        answering(200, content).users("")
    with pytest.raises(ApiError, match="is not reelstream's API"):
        answering(503, content).ready()


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (httpx.ConnectError("refused"), "http://there cannot be reached"),
        (httpx.RemoteProtocolError("half an answer"), "http://there cannot be reached"),
        (httpx.ReadTimeout("late"), "http://there did not answer within 2.5 seconds"),
    ],
)
def test_no_answer_is_an_api_error(failure: Exception, sentence: str) -> None:
    """A refused, broken or slow connection is told as a sentence, with the cause kept."""

    def fail(_: httpx.Request) -> httpx.Response:
        raise failure

    transport = httpx.MockTransport(fail)
    with pytest.raises(ApiError, match=sentence) as caught:
        Client("http://there", timeout_seconds=2.5, transport=transport).status()
    assert caught.value.__cause__ is failure
    assert caught.value.status is None


def test_the_client_needs_no_server_packages() -> None:
    """It can be imported where neither Flask nor a model can."""
    heavy = ("flask", "granian", "numba", "scipy", "sklearn", "polars", "streamlit")
    code = f"import sys, reelstream.client; print([m for m in {heavy} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


def test_the_example_of_the_contract_runs() -> None:
    """As its docstring shows it."""
    result = doctest.testmod(contract)
    assert (result.attempted, result.failed) == (1, 0)
