"""What the API takes and answers. The OpenAPI document is generated from these classes, so they
cannot drift apart.

Names are MovieLens's (`userId`, `movieId`), as on the log. Bodies are read strictly: a number in
quotes is refused.
"""

# ruff: noqa: N815  (the names on the wire)

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from reelstream.ratings.events import MAX_ID

MAX_LIST = 10_000
"""The most questions that one list may hold."""
LATEST_TIME = 253_402_300_799
"""The last second of the year 9999."""


def _whole(value: Any) -> Any:
    """To JSON 1.0 is the integer 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Whole = BeforeValidator(_whole)

UserId = Annotated[int, Field(ge=0, le=MAX_ID, description="The user's id.", examples=[1]), _Whole]
MovieId = Annotated[
    int, Field(ge=0, le=MAX_ID, description="The film's id.", examples=[31]), _Whole
]
Time = Annotated[int, Field(ge=0, le=LATEST_TIME), _Whole]
Limit = Annotated[int, Field(ge=1, le=200, description="The most entries to answer."), _Whole]


class Question(BaseModel):
    """Anything that is asked: fields that nobody knows are refused, so that a misspelt one is
    noticed.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PairQuestion(Question):
    """One user and one film."""

    userId: UserId
    movieId: MovieId
    at: Annotated[
        Time | None,
        Field(
            description=(
                "The time of the question, in seconds since 1970 (UTC). Now when absent, and never"
                " before the user's last rating."
            )
        ),
    ] = None


class RatingQuestion(PairQuestion):
    """One user and one film, with as much of an answer as is wanted."""

    distribution: Annotated[
        bool, Field(description="Whether the probability of each rating is wanted too.")
    ] = False


class SegmentQuestion(Question):
    """One user."""

    userId: UserId


class UserQuestion(Question):
    """One user's history."""

    userId: UserId
    limit: Limit = 50


class UsersQuestion(Question):
    """A choice of users."""

    query: Annotated[
        str, Field(pattern="^[0-9]{0,19}$", description="How the id begins.", examples=["1"])
    ] = ""
    limit: Limit = 20


class FilmQuestion(Question):
    """One film."""

    movieId: MovieId


class FilmsQuestion(Question):
    """A search for films."""

    query: Annotated[
        str,
        Field(
            max_length=200, description="Words of the title, and the year.", examples=["toy story"]
        ),
    ] = ""
    limit: Limit = 20


class NoQuestion(Question):
    """Nothing needs to be said."""


class Answer(BaseModel):
    """Anything that is answered."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class FieldError(Answer):
    """One thing wrong with a question."""

    where: Annotated[
        str,
        Field(description="The field, after the place in the list if there is one: `3.userId`."),
    ]
    message: str


class Problem(Answer):
    """What went wrong, as RFC 9457 has it."""

    type: str = "about:blank"
    title: Annotated[str, Field(description="The HTTP status in words.")]
    status: Annotated[int, Field(ge=400, le=599, description="The HTTP status.")]
    detail: Annotated[str, Field(description="What was wrong, where, and what to do.")]
    errors: Annotated[list[FieldError], Field(description="Each wrong field of the question.")] = []


class FailedEntry(Answer):
    """Stands in a list of answers in the place of one that could not be given."""

    error: Problem


class Basis(Answer):
    """What an answer rests on."""

    ratings: Annotated[int, Field(ge=0, description="How many of the user's ratings it has seen.")]
    live: Annotated[
        int, Field(ge=0, description="How many of them came after the model set was trained.")
    ]
    known_user: Annotated[bool, Field(description="False: answered from the prior alone.")]


class Regression(Answer):
    """Which rating the user would give."""

    prediction: Annotated[float, Field(description="The expected rating, on the data set's scale.")]
    sd: Annotated[float, Field(ge=0, description="Its standard deviation.")]
    interval: Annotated[
        tuple[float, float],
        Field(
            description="The central 95 %: prediction ± 1.96 sd, cut off at the ends of the scale."
        ),
    ]
    distribution: Annotated[
        dict[str, float] | None,
        Field(
            description=(
                "The probability of each rating of the scale; null when it was not asked for. They"
                " add up to one; their standard deviation is sd, and their mean the prediction,"
                " except that near an end of the scale it lies further inside."
            ),
        ),
    ]


class Classification(Answer):
    """Whether the user would like the film."""

    prediction: Annotated[int, Field(ge=0, le=1, description="1: more likely than not.")]
    probability: Annotated[
        float, Field(ge=0, le=1, description="Of a rating at the threshold or above.")
    ]
    threshold: Annotated[float, Field(description="From which rating on a film counts as liked.")]


class Clustering(Answer):
    """Which kind of user this is."""

    prediction: Annotated[
        int, Field(description="The segment's number, which it keeps from set to set.")
    ]
    label: Annotated[str, Field(description="What sets the segment apart.")]
    size: Annotated[int, Field(ge=0, description="How many users it had when the set was trained.")]
    genres: Annotated[
        list[str],
        Field(description="What they rate more than all users do, the most striking first."),
    ]


class _OfSet(Answer):
    model_set: Annotated[int, Field(description="The number of the model set that answers.")]
    basis: Basis


class _OfFilm(_OfSet):
    userId: UserId
    movieId: MovieId
    title: Annotated[str | None, Field(description="None for a film outside the catalogue.")]


class RegressionAnswer(_OfFilm, Regression):
    """Which rating a user would give a film, and how sure that is."""


class ClassificationAnswer(_OfFilm, Classification):
    """How likely a user is to like a film."""


class ClusteringAnswer(_OfSet, Clustering):
    """Which kind of user somebody is."""

    userId: UserId


class FullAnswer(_OfFilm):
    """All three at once, from one model set."""

    regression: Regression
    classification: Classification
    clustering: Clustering


class FilmAnswer(Answer):
    """One film."""

    movieId: MovieId
    title: str
    year: int | None
    genres: list[str]
    tmdbId: Annotated[int | None, Field(description="Its number at themoviedb.org.")]
    imdbId: Annotated[str | None, Field(description="Its number at imdb.com.")]


class FilmsAnswer(Answer):
    """Films that were searched for."""

    items: list[FilmAnswer]
    total: Annotated[int, Field(ge=0, description="How many films the catalogue has.")]


class UserSummary(Answer):
    """One user."""

    userId: UserId
    ratings: Annotated[int, Field(ge=0, description="How many films the user has rated.")]


class UsersAnswer(Answer):
    """Users that the stream has brought."""

    users: list[UserSummary]
    total: Annotated[int, Field(ge=0, description="How many there are.")]


class RatedFilm(Answer):
    """One rating of a user."""

    movieId: MovieId
    title: str | None
    rating: float
    timestamp: Annotated[int, Field(description="Seconds since 1970, UTC.")]


class UserAnswer(Answer):
    """A user's history, newest first."""

    userId: UserId
    known_user: bool
    total: Annotated[int, Field(ge=0, description="How many films the user has rated.")]
    ratings: list[RatedFilm]


class GenreLift(Answer):
    """A genre that a segment's users rate more, or less, than all users."""

    genre: str
    share: Annotated[
        float,
        Field(ge=0, description="Of such a user's ratings; a film of k genres counts 1/k in each."),
    ]
    lift: Annotated[
        float,
        Field(
            ge=0, description="That share against the share among all users: 2 is twice as much."
        ),
    ]


class ExampleFilm(Answer):
    """A film, by its name."""

    movieId: MovieId
    title: str | None


class SegmentAnswer(Answer):
    """One kind of user; averages are over its users when the set was trained."""

    number: Annotated[int, Field(description="Kept from set to set.")]
    label: Annotated[str, Field(description="What sets it apart.")]
    size: Annotated[int, Field(ge=0, description="How many users it had.")]
    ratings: Annotated[
        int, Field(ge=0, description="How many films such a user has rated; the median.")
    ]
    mean: Annotated[float, Field(description="A user's mean rating.")]
    spread: Annotated[float, Field(ge=0, description="Standard deviation of a user's ratings.")]
    genres: Annotated[
        list[GenreLift],
        Field(description="Those with the largest lift, of genres that are not rare."),
    ]
    films: Annotated[
        list[ExampleFilm],
        Field(description="Rated more often than chance would have it, the most striking first."),
    ]


class SegmentsAnswer(Answer):
    """The segments of a model set, by number."""

    model_set: Annotated[int, Field(description="The number of the set in service.")]
    segments: list[SegmentAnswer]


class ModelSetAnswer(Answer):
    """One release."""

    number: int
    current: Annotated[bool, Field(description="Whether CURRENT names it.")]
    in_service: Annotated[bool, Field(description="Whether this server answers from it.")]
    created_at: Annotated[int, Field(description="Seconds since 1970, UTC.")]
    engine: str
    batches: Annotated[
        list[int], Field(description="Numbers of the batches that it was trained on.")
    ]
    scores: Annotated[dict[str, float], Field(description="On ratings that nothing was fitted to.")]
    gate: Annotated[
        dict[str, Any], Field(description="The gate's verdict, its reason and its grounds.")
    ]
    record: Annotated[
        list[dict[str, Any]],
        Field(
            description=(
                "Each new batch as the set in service predicted it, before anybody learned from it."
            )
        ),
    ]


class ModelSetsAnswer(Answer):
    """All releases, newest first."""

    in_service: Annotated[int | None, Field(description="The number of the set that answers.")]
    model_sets: list[ModelSetAnswer]


class LogStatus(Answer):
    """How far the stream has come, in messages over all partitions."""

    end: Annotated[int, Field(ge=0, description="In the log.")]
    batched: Annotated[int, Field(ge=0, description="Of these, in closed batches.")]
    trained: Annotated[int, Field(ge=0, description="Of these, seen by the model set in service.")]
    followed: Annotated[int, Field(ge=0, description="Of those in the log, read by this server.")]


class PartitionStatus(Answer):
    """One partition of the log, in offsets."""

    partition: int
    first: Annotated[int, Field(description="The first that the log still holds.")]
    end: Annotated[int, Field(description="Behind the last.")]
    unbatched: Annotated[int, Field(ge=0, description="Not in a batch yet.")]
    untrained: Annotated[int, Field(ge=0, description="Not seen by the model set in service.")]
    unread: Annotated[int, Field(ge=0, description="Not read by this server yet.")]


class ServiceStatus(Answer):
    """The set in service."""

    number: int
    created_at: Annotated[
        int, Field(description="When it was published, in seconds since 1970, UTC.")
    ]
    age: Annotated[float, Field(description="Seconds since then.")]
    since: Annotated[
        float, Field(description="When it went into service, in seconds since 1970, UTC.")
    ]


class ScaleStatus(Answer):
    """The ratings that the data set allows."""

    lowest: float
    highest: float
    step: float
    like_threshold: float


class BatchStatus(Answer):
    """Closed batches."""

    count: Annotated[int, Field(ge=0)]
    newest: int | None
    closed_at: Annotated[
        int | None, Field(description="When the newest was closed, in seconds since 1970, UTC.")
    ]
    excluded: list[int]
    ratings: Annotated[int, Field(ge=0, description="In all of them, deletions among them.")]
    rejected: Annotated[int, Field(ge=0, description="Rows that were no ratings, in all of them.")]
    repeats: Annotated[
        int, Field(ge=0, description="Records passed over as a source's row came twice.")
    ]
    ratings_a_second: Annotated[
        float, Field(ge=0, description="In the batches closed in the last minute.")
    ]
    rejected_share: Annotated[
        float | None, Field(description="Of the newest batch's rows, those rejected.")
    ]
    drift: Annotated[
        float | None,
        Field(
            description=(
                "How differently the newest batch's ratings are distributed than those of the ten"
                " before it: Jensen-Shannon distance, 0 to 1; remarkable from 0.2 on. null: too few"
                " ratings to say."
            )
        ),
    ]


class NewestSet(Answer):
    """The set that was published last, in service or refused."""

    number: int
    verdict: str


class HistoryStatus(Answer):
    """What is known of users."""

    users: Annotated[int, Field(ge=0)]
    live: Annotated[
        int, Field(ge=0, description="Ratings read from the log since the server started.")
    ]


class Trouble(Answer):
    """Something that is tried again and again."""

    what: str
    message: str


class StatusAnswer(Answer):
    """What the stream is doing now."""

    model_set: ServiceStatus | None
    newest_set: NewestSet | None
    swaps: Annotated[
        int, Field(ge=0, description="Sets put into service since the server started.")
    ]
    scale: ScaleStatus
    log: LogStatus
    partitions: list[PartitionStatus]
    batches: BatchStatus
    histories: HistoryStatus
    troubles: list[Trouble]


class HealthAnswer(Answer):
    """Whether the server can answer."""

    status: Annotated[str, Field(pattern="^(live|ready|degraded|waiting)$")]
    reasons: Annotated[list[str], Field(description="Why it is not simply ready.")]
    model_set: int | None
