"""What an evaluation reports: scores, lines of the prequential record, and the gate's verdict.

Releases store these records, so they import nothing that computes.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["first", "accepted", "insufficient", "refused"]


class Scores(msgspec.Struct, frozen=True, omit_defaults=True):
    """What predictions scored; None where the ratings cannot tell, or nothing was predicted that
    could be scored.
    """

    n: int
    """Ratings that were scored."""
    rmse: float | None = None
    """Root mean squared error in stars, predictions clipped to the scale."""
    mae: float | None = None
    """Mean absolute error in stars, predictions clipped to the scale."""
    auc: float | None = None
    """Area under the ROC curve for rating >= like threshold; None when all ratings are on one side
    of it.
    """
    log_loss: float | None = None
    """Mean negative log of the probability given to what came: liked or not."""
    log_likelihood: float | None = None
    """Mean log density of the ratings under N(mean, sd^2), unclipped."""
    ece: float | None = None
    """Expected calibration error of the like probability over 10 bins of equal width (Naeini et
    al., AAAI 2015).
    """
    coverage_1sd: float | None = None
    """Share of ratings within one standard deviation of the mean; 0.683 when errors are normal and
    sd is right.
    """
    coverage_2sd: float | None = None
    """The same within two; 0.954."""
    ndcg_10: float | None = None
    """Of ten recommended films, one list for each of a sample of users; what is held out and liked
    is to be found. On the holdout alone.
    """


class RankingScores(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What lists of recommendations scored; None where nothing was to be found."""

    n: int
    """Lists that were scored."""
    n_users: int
    """Users they were for."""
    ndcg_10: float | None = None
    """Normalized discounted cumulative gain of the first ten: the mean over lists."""
    ndcg_10_by_user: float | None = None
    """The same, first within each user."""
    ndcg_100: float | None = None
    recall_20: float | None = None
    """Share of what was to be found, or of 20, that is among the first 20."""
    recall_50: float | None = None
    mrr: float | None = None
    """Mean reciprocal rank of the first film found, zero where none of the first 100 is."""
    ndcg_100_by_popularity: tuple[float | None, ...] = ()
    """NDCG@100 where only films count that have the most rated third of all ratings, the middle
    one, the last: held-out ratings reward what is popular (Smucker and Chamani, SIGIR 2025).
    """
    novelty: float | None = None
    """Of the first ten: bits of surprise that a random rating is of this film."""
    coverage: float | None = None
    """Share of all films that are among the first ten of any list."""


class ChoiceBin(msgspec.Struct, frozen=True, kw_only=True):
    """Films whose probability to be chosen next was predicted to be in some range, over all moments
    of a test part.
    """

    below: float
    """The range's upper end; it begins where the one before ends."""
    n: int
    """Films, counted again at each moment."""
    predicted: float
    """Their mean probability."""
    came: float
    """How many of them were chosen: films rated at one time share one choice."""


class WindowScores(msgspec.Struct, frozen=True):
    """What the last so many ratings scored at one point of a batch."""

    ratings: int
    """Of the batch, up to that point."""
    live: Scores
    static: Scores
    live_users: Scores


class BatchRanking(msgspec.Struct, frozen=True, kw_only=True):
    """What recommendations scored at a sample of the times at which a user of a batch liked
    something: ten films, before any of it was learned.
    """

    n: int
    """Lists that were scored."""
    n_users: int
    ndcg_10: float
    """The mean over lists."""
    popularity_ndcg_10: float
    """Of the most liked films at the time, on the same questions."""


class BatchScores(msgspec.Struct, frozen=True):
    """One line of the prequential record: a batch predicted by the set in service before anybody
    learned from it.
    """

    batch: int
    model_set: int | None
    """The set that predicted; None for a batch that came before the first set."""
    live: Scores | None
    """Each rating learned by its user and its film before the next is predicted: what the server
    does.
    """
    static: Scores | None
    """Without that: users as they were when the batch began."""
    global_mean: Scores
    """The mean of all ratings before the batch."""
    biases: Scores
    """Damped user and item biases of all ratings before the batch."""
    live_users: Scores | None = None
    """Each rating learned by its user alone: films as they were when the set was fitted."""
    windows: list[WindowScores] = []
    """A window that moves through the batch in order of time; none in a batch that is shorter."""
    ranking: BatchRanking | None = None
    """None where nothing was liked, or the set has no choice model."""


class Comparison(msgspec.Struct, frozen=True):
    """Challenger and champion on the same ratings."""

    n: int
    """Ratings compared."""
    n_users: int
    spread: float
    """Standard deviation of the ratings: the RMSE that their own mean would have."""
    champion_rmse: float
    challenger_rmse: float
    standard_error: float | None
    """Of the difference of the two, clustered by user; None with fewer than two users."""
    worse: bool
    """Whether the challenger is worse by more than chance and more than is tolerated."""


class RankingComparison(msgspec.Struct, frozen=True, kw_only=True):
    """What challenger and champion recommend to the same users, one list each."""

    n_users: int
    champion_ndcg_10: float
    challenger_ndcg_10: float
    standard_error: float
    """Of the difference."""
    worse: bool
    """Whether the challenger is worse by more than chance and more than is tolerated."""


class GateReport(msgspec.Struct, frozen=True):
    """Why a set may serve, or may not."""

    verdict: Verdict
    reason: str
    """One sentence for a person."""
    earlier: Comparison | None = None
    """All batches together that the champion has learned from: what the verdict rests on."""
    batches: dict[int, Comparison] = {}
    """Each batch by itself, the newest included."""
    ranking: RankingComparison | None = None
    """Of what is held out of the earlier batches; None with too few users, or where one of the sets
    has no choice model.
    """
