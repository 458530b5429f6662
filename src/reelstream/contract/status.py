"""What the API answers about the stream and about itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reelstream.contract.base import Answer


class LogStatus(Answer):
    """How far the stream has come, in messages over all partitions."""

    end: Annotated[int, Field(ge=0, description="In the log.")]
    batched: Annotated[int, Field(ge=0, description="Of these, in closed batches.")]
    trained: Annotated[int, Field(ge=0, description="Of these, seen by the model set in service.")]
    followed: Annotated[int, Field(ge=0, description="Of those in the log, read by this server.")]


class PartitionStatus(Answer):
    """One partition of the log, in offsets."""

    partition: int
    first: Annotated[int, Field(description="The first offset that the log still holds.")]
    end: Annotated[int, Field(description="The end offset: one past the last.")]
    unbatched: Annotated[int, Field(ge=0, description="Not in a batch yet.")]
    untrained: Annotated[int, Field(ge=0, description="Not seen by the model set in service.")]
    unread: Annotated[int, Field(ge=0, description="Not read by this server yet.")]


class ServiceStatus(Answer):
    """The model set in service."""

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
    ratings: Annotated[int, Field(ge=0, description="In all of them, deletions included.")]
    rejected: Annotated[int, Field(ge=0, description="Rejected rows, in all of them.")]
    repeats: Annotated[
        int, Field(ge=0, description="Records skipped because a source's row came twice.")
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
            description="How differently the newest batch's ratings are distributed than those of "
            "the ten before it: Jensen-Shannon distance, 0 to 1; notable from 0.2 on. null: too "
            "few ratings to say."
        ),
    ]


class NewestSet(Answer):
    """The model set that was published last, in service or refused."""

    number: int
    verdict: str


class HistoryStatus(Answer):
    """What is known of users."""

    users: Annotated[int, Field(ge=0)]
    live: Annotated[
        int, Field(ge=0, description="Ratings read from the log since the server started.")
    ]


class Failure(Answer):
    """Something that fails at present and is tried again and again."""

    what: Annotated[str, Field(description="What the server follows: the log, model sets, ….")]
    message: str


class ListStatus(Answer):
    """What became of the lists of films that this server recommended, since its start."""

    shown: Annotated[int, Field(ge=0, description="Lists that users were shown.")]
    hit: Annotated[int, Field(ge=0, description="Of them, those with a film that was rated since.")]
    ratings: Annotated[
        int, Field(ge=0, description="Ratings by users who had been shown a list, of any film.")
    ]
    listed: Annotated[
        int, Field(ge=0, description="Of them, those of films on such a list: the honest hit rate.")
    ]


class StreamState(Answer):
    """Whether answers follow the log."""

    stream: Annotated[
        Literal["live", "stale"],
        Field(description="`stale` while the log cannot be read: answers stay as they were."),
    ] = "live"
    stream_age: Annotated[
        float, Field(ge=0, description="Seconds since the log was read, while it cannot be.")
    ] = 0.0


class StatusAnswer(StreamState):
    """What the stream is doing now."""

    model_set: ServiceStatus | None
    newest_set: NewestSet | None
    swaps: Annotated[int, Field(ge=0, description="Sets put into service since the start.")]
    scale: ScaleStatus
    log: LogStatus
    partitions: list[PartitionStatus]
    batches: BatchStatus
    histories: HistoryStatus
    lists: ListStatus = ListStatus(shown=0, hit=0, ratings=0, listed=0)
    failures: list[Failure]


class HealthAnswer(StreamState):
    """Whether the server can answer queries."""

    status: Literal["live", "ready", "degraded", "waiting"]
    reasons: Annotated[list[str], Field(description="Why it is not simply ready.")]
    model_set: Annotated[int | None, Field(description="The number of the set that answers.")]
    rejected: Annotated[
        int, Field(ge=0, description="Rows of the log that the closed batches rejected.")
    ] = 0
