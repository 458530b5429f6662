"""The client: a method for each route of the API."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from types import TracebackType
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

from reelstream.client.transport import Transport
from reelstream.contract import (
    AnonymousQuery,
    AudienceAnswer,
    BecauseAnswer,
    ChosenSetAnswer,
    ClassificationAnswer,
    ClusteringAnswer,
    DismissedAnswer,
    ErasedAnswer,
    EventsAnswer,
    FailedEntry,
    FilmAnswer,
    FilmsAnswer,
    FullAnswer,
    GroupAnswer,
    GroupQuery,
    HealthAnswer,
    Id,
    MapAnswer,
    ModelSetAnswer,
    ModelSetsAnswer,
    NewRating,
    PairQuery,
    Query,
    QuestionsAnswer,
    RatingQuery,
    RecommendationsAnswer,
    RegressionAnswer,
    SegmentAnswer,
    SegmentQuery,
    SegmentsAnswer,
    SimilarAnswer,
    StatusAnswer,
    SurprisesAnswer,
    UserAnswer,
    UserRatingsAnswer,
    UsersAnswer,
    WrittenAnswer,
)
from reelstream.contract.waiting import DEFAULT_WAIT_SECONDS

# Where `reelstream serve` listens by default.
DEFAULT_API_URL = "http://127.0.0.1:5000"
DEFAULT_TIMEOUT_SECONDS = 5.0

# An answer and a FailedEntry share no required field, so pydantic cannot take one for the other.
# Made once, because pydantic builds a validator for each.
_REGRESSIONS = TypeAdapter(list[RegressionAnswer | FailedEntry])
_CLASSIFICATIONS = TypeAdapter(list[ClassificationAnswer | FailedEntry])
_RECOMMENDATIONS = TypeAdapter(RecommendationsAnswer)
_FULL = TypeAdapter(list[FullAnswer | FailedEntry])
_GROUP = TypeAdapter(GroupAnswer)
_CLUSTERINGS = TypeAdapter(list[ClusteringAnswer | FailedEntry])


class Client:
    """Queries the API at `base_url`, from any number of threads; close it, or use it in `with`.

        with Client("http://127.0.0.1:5000") as client:
            for film in client.items("toy story").items:
                rating = client.predict_regression(user_id=1, item_id=film.item_id)
                print(f"{film.title}: {rating.prediction:.1f} ± {rating.sd:.1f}")

    Every method raises ApiError when it gets no answer: the API cannot be reached or does not
    answer in time, or it answers with a problem, whose detail is then the message and whose HTTP
    status is the error's `status`. Proxies of the environment are not used.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_API_URL,
        *,
        api_key: str | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """api_key: from `reelstream keys create`, where the API demands one. timeout_seconds: for
        connecting, and for each wait for data. transport: replaces the network, in tests.
        """
        self._transport = Transport(base_url, timeout_seconds, transport, api_key)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the client cannot be used afterwards."""
        self._transport.close()

    def after(self, token: str, *, wait_seconds: float = DEFAULT_WAIT_SECONDS) -> Client:
        """A client whose reads wait until the server has seen a write, each at most so long.

            written = client.rate(user_id=1, item_id=31, rating=4.5)
            rating = client.after(written.token).predict_regression(user_id=1, item_id=1029)

        It shares this client's connections. A read raises ApiError with status 504 when the server
        takes longer, and 409 when the token is of another log.
        """
        other = copy(self)
        other._transport = self._transport.reading_with({"after": token, "timeout": wait_seconds})
        return other

    def as_of(self, model_set: int) -> Client:
        """A client whose answers are those of the model set with this number, while it is kept.

        Queries that no set answers, such as `status`, are refused. It shares this client's
        connections.
        """
        other = copy(self)
        other._transport = self._transport.reading_with({"model_set": model_set})
        return other

    def rate(
        self,
        user_id: Id,
        item_id: Id,
        rating: float | None,
        *,
        timestamp: int | None = None,
        key: str | None = None,
    ) -> WrittenAnswer:
        """Write a user's rating of a film into the log; None deletes it.

        timestamp: seconds since 1970 (UTC); now by default. key: an Idempotency-Key of your own:
        sent again with it within an hour, the rating is not written a second time.
        """
        one = {"userId": user_id, "movieId": item_id, "rating": rating, "timestamp": timestamp}
        return self._transport.write("POST", "/v1/ratings", WrittenAnswer, key, one)

    def rate_many(self, ratings: Sequence[NewRating], *, key: str | None = None) -> WrittenAnswer:
        """Write at most `MAX_QUERIES` ratings and deletions: all, or none if one is refused.

        key: see `rate`.
        """
        body = [rating.model_dump() for rating in ratings]
        return self._transport.write("POST", "/v1/ratings", WrittenAnswer, key, body)

    def delete_rating(self, user_id: Id, item_id: Id, *, key: str | None = None) -> WrittenAnswer:
        """Delete a user's rating of a film, if there is one. key: see `rate`."""
        path = f"/v1/users/{_quoted(user_id)}/ratings/{_quoted(item_id)}"
        return self._transport.write("DELETE", path, WrittenAnswer, key)

    def dismiss(self, user_id: Id, item_id: Id, *, key: str | None = None) -> WrittenAnswer:
        """Recommend a film to a user no more, until he or she rates it. key: see `rate`.

        Raises ApiError with status 409 for a film that the user has rated: it is in no list.
        """
        path = f"/v1/users/{_quoted(user_id)}/dismissed/{_quoted(item_id)}"
        return self._transport.write("PUT", path, WrittenAnswer, key)

    def undo_dismissal(self, user_id: Id, item_id: Id, *, key: str | None = None) -> WrittenAnswer:
        """Recommend a dismissed film again. key: see `rate`.

        Raises ApiError with status 409 for a film that the user has rated since.
        """
        path = f"/v1/users/{_quoted(user_id)}/dismissed/{_quoted(item_id)}"
        return self._transport.write("DELETE", path, WrittenAnswer, key)

    def dismissed(self, user_id: Id, *, limit: int = 50, offset: int = 0) -> DismissedAnswer:
        """The films that a user has dismissed, the newest first, without the first `offset`."""
        path = f"/v1/users/{_quoted(user_id)}/dismissed"
        return self._transport.get(path, DismissedAnswer, {"limit": limit, "offset": offset})

    def erase_user(self, user_id: Id, *, key: str | None = None) -> ErasedAnswer:
        """Erase all that a user has rated up to now; needs an API key for admin. key: see
        `rate`.
        """
        path = f"/v1/users/{_quoted(user_id)}"
        return self._transport.write("DELETE", path, ErasedAnswer, key)

    def predict(self, user_id: Id, item_id: Id, *, at: int | None = None) -> FullAnswer:
        """Rating, like and segment for one user and one film, from one model set.

        at: the time to predict for, in seconds since 1970 (UTC); now by default, and never before
        the user's last rating.
        """
        return self._transport.get(
            f"/v1/users/{_quoted(user_id)}/items/{_quoted(item_id)}", FullAnswer, {"at": at}
        )

    def because(
        self, user_id: Id, item_id: Id, *, at: int | None = None, limit: int = 10
    ) -> BecauseAnswer:
        """What the user's ratings and the film itself add to the expected rating; the `limit`
        ratings that add most, whatever the sign. at: see `predict`.
        """
        path = f"/v1/users/{_quoted(user_id)}/items/{_quoted(item_id)}/because"
        return self._transport.get(path, BecauseAnswer, {"at": at, "limit": limit})

    def predict_regression(
        self, user_id: Id, item_id: Id, *, at: int | None = None, distribution: bool = False
    ) -> RegressionAnswer:
        """Which rating the user would give the film, and how sure that is.

        at: see `predict`. distribution: whether to answer the probability of each rating too.
        """
        params = {
            "userId": user_id,
            "movieId": item_id,
            "at": at,
            # Sent only when wanted: None is dropped from the URL.
            "distribution": distribution or None,
        }
        return self._transport.get("/predict_regression", RegressionAnswer, params)

    def predict_classification(
        self, user_id: Id, item_id: Id, *, at: int | None = None
    ) -> ClassificationAnswer:
        """How likely the user is to like the film. at: see `predict`."""
        params = {"userId": user_id, "movieId": item_id, "at": at}
        return self._transport.get("/predict_classification", ClassificationAnswer, params)

    def predict_clustering(self, user_id: Id) -> ClusteringAnswer:
        """Which segment the user belongs to."""
        return self._transport.get("/predict_clustering", ClusteringAnswer, {"userId": user_id})

    def predict_regressions(
        self, queries: Sequence[RatingQuery]
    ) -> list[RegressionAnswer | FailedEntry]:
        """The answers to at most `MAX_QUERIES` queries, in their order, from one model set; a
        FailedEntry takes the place of an answer that cannot be given.

            queries = [RatingQuery(user_id=1, item_id=item_id) for item_id in (31, 1029)]
            for query, answer in zip(queries, client.predict_regressions(queries)):
                if isinstance(answer, RegressionAnswer):
                    print(query.item_id, answer.prediction)
        """
        return self._transport.post("/predict_regression", _body(queries), _REGRESSIONS)

    def predict_classifications(
        self, queries: Sequence[PairQuery]
    ) -> list[ClassificationAnswer | FailedEntry]:
        """How likely users are to like films; see `predict_regressions`."""
        return self._transport.post("/predict_classification", _body(queries), _CLASSIFICATIONS)

    def predict_clusterings(
        self, queries: Sequence[SegmentQuery]
    ) -> list[ClusteringAnswer | FailedEntry]:
        """Which segments users belong to; see `predict_regressions`."""
        return self._transport.post("/predict_clustering", _body(queries), _CLUSTERINGS)

    def predict_many(self, queries: Sequence[PairQuery]) -> list[FullAnswer | FailedEntry]:
        """Rating, like and segment for at most `MAX_QUERIES` pairs; see `predict_regressions`."""
        return self._transport.post("/v1/predictions", _body(queries), _FULL)

    def recommendations(
        self, user_id: Id, n: int = 10, *, offset: int = 0, **wanted: str | int | float
    ) -> RecommendationsAnswer:
        """Films that a user has not rated and may like, the best first.

        wanted: strategy, genre, exclude, year_from, year_to, variety, seed, at; see
        `RecommendationsQuery`.
        """
        params = {"limit": n, "offset": offset, **wanted}
        path = f"/v1/users/{_quoted(user_id)}/recommendations"
        return self._transport.get(path, RecommendationsAnswer, params)

    def recommendations_for(self, query: AnonymousQuery) -> RecommendationsAnswer:
        """The same for somebody who is not in the stream, by the ratings in the query.

        query = AnonymousQuery(ratings=[OwnRating(item_id=31, rating=4.5)])
        """
        body = query.model_dump(exclude_defaults=True)
        return self._transport.post("/v1/recommendations", body, _RECOMMENDATIONS)

    def recommendations_for_group(self, query: GroupQuery) -> GroupAnswer:
        """Films for several users together: `GroupQuery(users=[1, 2], rule="least_misery")`."""
        body = query.model_dump(exclude_defaults=True)
        return self._transport.post("/v1/recommendations/group", body, _GROUP)

    def questions(self, user_id: Id, n: int = 10) -> QuestionsAnswer:
        """The n films whose ratings would tell most about a user, the most telling first."""
        return self._transport.get(
            f"/v1/users/{_quoted(user_id)}/questions", QuestionsAnswer, {"limit": n}
        )

    def similar(self, item_id: Id, n: int = 10, *, offset: int = 0) -> SimilarAnswer:
        """The n films that are most like one, without the first `offset`: the same people watch
        them.
        """
        query = {"limit": n, "offset": offset}
        return self._transport.get(f"/v1/items/{_quoted(item_id)}/similar", SimilarAnswer, query)

    def events(self, after: int | None = None, *, limit: int = 50) -> EventsAnswer:
        """What happened on the stream, oldest first: at most `limit` things after a cursor, `next`
        of an earlier answer; by default the newest.
        """
        return self._transport.get("/v1/events", EventsAnswer, {"after": after, "limit": limit})

    def items(
        self, query: str = "", *, limit: int = 20, offset: int = 0, genre: str = "", sort: str = ""
    ) -> FilmsAnswer:
        """At most `limit` films whose title and year hold all words of `query`, best match first;
        typing errors are forgiven where there are none.

        limit: at most `MAX_LIMIT`. genre: one of these genres, with commas between them. sort:
        popular, title or year, instead.
        """
        params = {"query": query, "limit": limit, "offset": offset}
        chosen = {"genre": genre or None, "sort": sort or None}
        return self._transport.get("/v1/items", FilmsAnswer, params | chosen)

    def item(self, item_id: Id) -> FilmAnswer:
        """One film of the catalogue."""
        return self._transport.get(f"/v1/items/{_quoted(item_id)}", FilmAnswer)

    def users(self, query: str = "", *, limit: int = 20, offset: int = 0) -> UsersAnswer:
        """At most `limit` users who have rated and whose id begins with `query`.

        limit: at most `MAX_LIMIT`.
        """
        params = {"query": query, "limit": limit, "offset": offset}
        return self._transport.get("/v1/users", UsersAnswer, params)

    def user(self, user_id: Id, *, limit: int = 50, offset: int = 0) -> UserAnswer:
        """A user: ratings, newest first, without the first `offset`, activity, segment and taste.
        A user whom nobody knows has no ratings.

        limit: at most `MAX_LIMIT`. The answer's `next` is the offset of those that follow.
        """
        query = {"limit": limit, "offset": offset}
        return self._transport.get(f"/v1/users/{_quoted(user_id)}", UserAnswer, query)

    def ratings(self, user_id: Id, *, limit: int = 50, offset: int = 0) -> UserRatingsAnswer:
        """A user's ratings alone: see `user`."""
        query = {"limit": limit, "offset": offset}
        path = f"/v1/users/{_quoted(user_id)}/ratings"
        return self._transport.get(path, UserRatingsAnswer, query)

    def surprises(self, user_id: Id, *, limit: int = 10, offset: int = 0) -> SurprisesAnswer:
        """The user's ratings that are furthest from what the earlier ones had led to expect."""
        path = f"/v1/users/{_quoted(user_id)}/surprises"
        return self._transport.get(path, SurprisesAnswer, {"limit": limit, "offset": offset})

    def audience(self, item_id: Id) -> AudienceAnswer:
        """Who rates a film, by segment, and how."""
        return self._transport.get(f"/v1/items/{_quoted(item_id)}/audience", AudienceAnswer)

    def segments(self) -> SegmentsAnswer:
        """What the users of each segment have in common."""
        return self._transport.get("/v1/segments", SegmentsAnswer)

    def users_on_the_map(self, n: int = 300) -> MapAnswer:
        """N users on a plane, each near those with similar habits and tastes."""
        return self._transport.get("/v1/segments/map", MapAnswer, {"limit": n})

    def segment(self, number: int) -> SegmentAnswer:
        """One segment of the set in service."""
        return self._transport.get(f"/v1/segments/{number}", SegmentAnswer)

    def model_set(self, number: int) -> ModelSetAnswer:
        """One model set with its scores."""
        return self._transport.get(f"/v1/models/{number}", ModelSetAnswer)

    def model_sets(self) -> ModelSetsAnswer:
        """The model sets with their scores, newest first."""
        return self._transport.get("/v1/models", ModelSetsAnswer)

    def activate(self, number: int | None, *, key: str | None = None) -> ChosenSetAnswer:
        """Serve this model set until further notice; None: the newest, now and later.

        Needs an API key that may administer. key: an Idempotency-Key, see `rate`.
        """
        path = f"/v1/models/{'latest' if number is None else number}/activate"
        return self._transport.write("POST", path, ChosenSetAnswer, key)

    def status(self) -> StatusAnswer:
        """What the stream is doing now."""
        return self._transport.get("/v1/status", StatusAnswer)

    def live(self) -> HealthAnswer:
        """Whether the API's process answers."""
        return self._transport.get("/health/live", HealthAnswer)

    def ready(self) -> HealthAnswer:
        """Whether the API can answer queries, and if not, why; that is an answer, not an error."""
        return self._transport.get("/health/ready", HealthAnswer, also_answers={503})

    def metrics(self) -> str:
        """The API's metrics, as Prometheus reads them."""
        return self._transport.get_text("/metrics")


def _quoted(any_id: Id) -> str:
    """An id as a part of a URL's path."""
    return quote(str(any_id), safe="")


def _body(queries: Sequence[Query]) -> list[dict[str, object]]:
    # With thousands of queries in a list, defaults would be a good part of the body.
    return [query.model_dump(exclude_defaults=True) for query in queries]
