"""What the API answers about model sets: how good they were, and which one is in service."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from reelstream.contract.base import Answer


def _score(description: str) -> Any:
    """A score that may be absent; the JSON then omits it."""
    return Field(default=None, description=description, exclude_if=lambda value: value is None)


class Scores(Answer):
    """What predictions scored. A score is absent where the ratings cannot tell, or where nothing
    was predicted that could be scored.
    """

    # Other answers write every field; here an absent score is omitted, so none is required.
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    n: Annotated[int, Field(description="Ratings that were scored.")]
    rmse: float | None = _score("Root mean squared error, in stars.")
    mae: float | None = _score("Mean absolute error, in stars.")
    auc: float | None = _score("Area under the ROC curve, for ratings that count as liked.")
    log_loss: float | None = _score("Mean negative log of the probability of like or not.")
    log_likelihood: float | None = _score("Mean log density of the ratings.")
    ece: float | None = _score("Expected calibration error of the like probability.")
    coverage_1sd: float | None = _score("Share of ratings within one sd of the prediction.")
    coverage_2sd: float | None = _score("The same within two.")
    ndcg_10: float | None = _score(
        "NDCG@10 of recommendations for a sample of users: what is held out and liked is to be"
        " found. On the holdout alone."
    )


class WindowScores(Answer):
    """What a window of the newest ratings scored, at one position in a batch."""

    ratings: Annotated[int, Field(description="Of the batch, up to that position.")]
    live: Scores
    static: Scores
    live_users: Scores


class BatchRanking(Answer):
    """What recommendations scored at a sample of the times at which a user of a batch liked
    something, before any of it was learned.
    """

    n: Annotated[int, Field(description="Lists of ten films that were scored.")]
    n_users: int
    ndcg_10: Annotated[float, Field(description="The mean over lists.")]
    popularity_ndcg_10: Annotated[
        float, Field(description="Of the most liked films at the time, on the same lists.")
    ]


class BatchScores(Answer):
    """One line of the prequential record: a batch, predicted before any of it was learned."""

    batch: int
    model_set: Annotated[
        int | None,
        Field(description="The set that predicted; null for a batch before the first set."),
    ]
    live: Annotated[
        Scores | None, Field(description="Users and films learn each rating before the next.")
    ]
    static: Annotated[
        Scores | None, Field(description="Nobody learns: users as they were before the batch.")
    ]
    global_mean: Annotated[Scores, Field(description="The mean of all ratings before the batch.")]
    biases: Annotated[Scores, Field(description="Damped user and item biases, from the same.")]
    live_users: Annotated[
        Scores | None, Field(description="Users learn each rating, films do not.")
    ]
    windows: Annotated[
        list[WindowScores],
        Field(description="In order of time; none in a batch shorter than the window."),
    ]
    ranking: Annotated[
        BatchRanking | None,
        Field(description="Null where nothing was liked, or the set has no choice model."),
    ] = None


class Comparison(Answer):
    """Challenger and champion on the same ratings."""

    n: Annotated[int, Field(description="Ratings compared.")]
    n_users: int
    spread: Annotated[float, Field(description="Standard deviation of the ratings.")]
    champion_rmse: float
    challenger_rmse: float
    standard_error: Annotated[
        float | None, Field(description="Of the difference; null with fewer than two users.")
    ]
    worse: Annotated[
        bool, Field(description="Whether the challenger is worse by more than is tolerated.")
    ]


class RankingComparison(Answer):
    """What challenger and champion recommend to the same users, one list each."""

    n_users: int
    champion_ndcg_10: float
    challenger_ndcg_10: float
    standard_error: Annotated[float, Field(description="Of the difference.")]
    worse: Annotated[
        bool, Field(description="Whether the challenger is worse by more than is tolerated.")
    ]


class GateReport(Answer):
    """Whether a model set may serve, and why."""

    verdict: Annotated[str, Field(description="first, accepted, insufficient or refused.")]
    reason: str
    earlier: Annotated[
        Comparison | None,
        Field(description="On all batches that the champion has learned from, together."),
    ]
    batches: Annotated[
        dict[int, Comparison], Field(description="On each batch, the newest included.")
    ]
    ranking: Annotated[
        RankingComparison | None,
        Field(description="Of what is held out of earlier batches; null with too few users."),
    ] = None


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
    scores: Annotated[Scores, Field(description="On ratings that nothing was fitted to.")]
    gate: GateReport
    record: Annotated[
        list[BatchScores],
        Field(description="Each batch since the set before, as the set in service predicted it."),
    ]


class ModelSetsAnswer(Answer):
    """All releases, newest first."""

    in_service: Annotated[int | None, Field(description="The number of the set that answers.")]
    model_sets: list[ModelSetAnswer]


class ChosenSetAnswer(Answer):
    """Which set serves from now on."""

    current: Annotated[int | None, Field(description="The set that should serve.")]
    pinned: Annotated[
        int | None, Field(description="The set that somebody chose; null: the newest serves.")
    ]
    in_service: Annotated[
        int | None,
        Field(description="The set that this server answers from, until it has loaded the other."),
    ]
