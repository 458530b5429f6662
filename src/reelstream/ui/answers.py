"""What the API answers, as far as the page shows it; fields that are not named here are ignored."""

from __future__ import annotations

import msgspec


class Film(msgspec.Struct, frozen=True, rename={"item_id": "movieId"}):
    """One film of the catalogue."""

    item_id: int
    title: str
    year: int | None = None
    genres: tuple[str, ...] = ()


class Films(msgspec.Struct, frozen=True):
    """Films that were searched for, best fit first."""

    items: tuple[Film, ...]


class User(msgspec.Struct, frozen=True, rename={"user_id": "userId"}):
    """One user that the stream has brought."""

    user_id: int
    ratings: int


class Users(msgspec.Struct, frozen=True):
    """Users that were searched for."""

    users: tuple[User, ...]


class RatedFilm(msgspec.Struct, frozen=True, rename={"item_id": "movieId"}):
    """One rating of a user."""

    item_id: int
    rating: float
    timestamp: int
    """Seconds since 1970, UTC."""
    title: str | None = None


class UserHistory(msgspec.Struct, frozen=True):
    """A user's ratings, newest first."""

    known_user: bool
    total: int
    ratings: tuple[RatedFilm, ...]


class Regression(msgspec.Struct, frozen=True):
    """The rating that a user is expected to give."""

    prediction: float
    sd: float
    interval: tuple[float, float]
    """The central 95 %, within the scale."""
    distribution: dict[float, float]
    """Rating -> its probability, for each of the scale."""


class Classification(msgspec.Struct, frozen=True):
    """Whether a user is expected to like a film: to rate it at `threshold` or above."""

    probability: float
    threshold: float


class Clustering(msgspec.Struct, frozen=True):
    """The segment that a user belongs to."""

    prediction: int
    label: str
    size: int
    genres: tuple[str, ...] = ()
    """What its users rate more than all users do, the most striking first."""


class Basis(msgspec.Struct, frozen=True):
    """What an answer rests on."""

    ratings: int
    """The user's ratings that it has seen."""
    live: int
    """Those of them that came after the model set was trained."""
    known_user: bool


class Answer(msgspec.Struct, frozen=True):
    """All that one model set says of one user and one film."""

    regression: Regression
    classification: Classification
    clustering: Clustering
    model_set: int
    basis: Basis
    title: str | None = None


class GenreLift(msgspec.Struct, frozen=True):
    """A genre, and how much more a segment's users rate it than all users do."""

    genre: str
    lift: float


class ExampleFilm(msgspec.Struct, frozen=True, rename={"item_id": "movieId"}):
    """A film that a segment's users rate more often than others do."""

    item_id: int
    title: str | None = None


class Segment(msgspec.Struct, frozen=True):
    """One kind of user."""

    number: int
    label: str
    size: int
    ratings: int
    """Of such a user; the median."""
    mean: float
    spread: float
    genres: tuple[GenreLift, ...]
    films: tuple[ExampleFilm, ...]


class Segments(msgspec.Struct, frozen=True):
    """The segments of the set in service, by number."""

    segments: tuple[Segment, ...]


class Scores(msgspec.Struct, frozen=True):
    """What predictions scored; None where there is no such score."""

    n: float = 0.0
    """Ratings; the API may write the number like the other scores."""
    rmse: float | None = None
    auc: float | None = None
    log_loss: float | None = None


class WindowScores(msgspec.Struct, frozen=True):
    """What the newest ratings scored at one moment of a batch."""

    ratings: int
    """Of the batch, up to that moment."""
    live: Scores
    static: Scores
    live_users: Scores


class BatchScores(msgspec.Struct, frozen=True):
    """One line of the prequential record: a batch, predicted before anybody learned from it."""

    batch: int
    live: Scores | None
    """With live learning of users and films; None for a batch that came before the first set."""
    static: Scores | None
    """Without it."""
    biases: Scores
    global_mean: Scores
    live_users: Scores | None = None
    """With live learning of users, and films as they were fitted."""
    windows: tuple[WindowScores, ...] = ()
    """In order of time; none in a short batch."""


class Gate(msgspec.Struct, frozen=True):
    """Whether a set may serve, and why."""

    verdict: str
    reason: str


class ModelSet(msgspec.Struct, frozen=True):
    """One release: a model set that the trainer published."""

    number: int
    in_service: bool
    created_at: float
    """Seconds since 1970, UTC."""
    batches: tuple[int, ...]
    scores: Scores
    gate: Gate
    record: tuple[BatchScores, ...]


class ModelSets(msgspec.Struct, frozen=True):
    """The releases, newest first."""

    model_sets: tuple[ModelSet, ...]


class Log(msgspec.Struct, frozen=True):
    """How far the stream has come, in messages."""

    end: int
    batched: int
    trained: int


class Batches(msgspec.Struct, frozen=True):
    """Closed batches."""

    count: int


class Service(msgspec.Struct, frozen=True):
    """The model set in service."""

    number: int
    since: float
    """Seconds since 1970, UTC."""


class Trouble(msgspec.Struct, frozen=True):
    """Something that the server tries again and again."""

    what: str
    message: str


class Status(msgspec.Struct, frozen=True):
    """What the stream is doing now."""

    model_set: Service | None
    log: Log
    batches: Batches
    troubles: tuple[Trouble, ...] = ()


class Health(msgspec.Struct, frozen=True):
    """Whether the API can answer questions, and if not, why."""

    status: str
    reasons: tuple[str, ...]
    model_set: int | None

    @property
    def can_answer(self) -> bool:
        """Whether a model set is loaded; reasons may remain, when something behind it is in
        trouble.
        """
        return self.model_set is not None
