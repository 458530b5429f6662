"""May a new set serve? Challenger and champion answer for the same held-out ratings, batch by
batch.

A poisoned batch shows in two places. What a set learned from it spoils its answers for the batches
before, which the champion has learned from, even when the set is better on the newest. And the
poisoned ratings have nothing in common with each other: a model that learned nineteen in twenty of
them predicts the rest no better than their mean does. The second is the sharper test, because the
models learn from erratic users cautiously: shuffling all ratings of a third batch of
ml-latest-small costs 0.005 stars on the first two.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from reelstream.evaluation.reports import Comparison, GateReport, RankingComparison

# Stars of RMSE that a set may be worse by.
RMSE_TOLERANCE = 0.005
# Of the difference, by which it must be worse besides.
STANDARD_ERRORS = 2.0
# Of a new batch's variance the share that must be explained, as a part of that explained of the
# earlier batches.
#
# Ordinary batches of MovieLens and simulated ones come to 0.74 and more, one with nine ratings in
# ten shuffled to 0.14.
MIN_EXPLAINED_SHARE = 0.4
# The part of the champion's NDCG@10 by which recommendations may be worse, and the users below
# which they decide nothing.
#
# Both are asked about earlier batches, and a set that follows the stream names less of what was
# liked then: up to a fifth less than the set in service, of ordinary batches, real and simulated.
# What does not recommend at all is far beyond a quarter.
RANKING_TOLERANCE = 0.25
MIN_RANKED_USERS = 50
# Ratings below which nothing is decided: of all earlier batches, or of a batch that is judged by
# itself.
MIN_RATINGS = 200


@dataclass(frozen=True, slots=True)
class GateRatings:
    """The gate's half of the holdout, as both sets answered for it: n ratings."""

    user_ids: NDArray[np.int64]
    """(n,)"""
    batches: NDArray[np.int64]
    """(n,): the number of the batch that each rating came in."""
    ratings: NDArray[np.floating]
    """(n,)"""
    champion_errors: NDArray[np.float64]
    """(n,): stars, after clipping to the scale."""
    challenger_errors: NDArray[np.float64]
    """(n,)"""


def judge(
    asked: GateRatings, earlier: Collection[int], ranking: RankingComparison | None = None
) -> GateReport:
    """The verdict on a challenger; `earlier`: numbers of the batches that the champion has learned
    from; `ranking`: what both recommend.

    Refused when all earlier batches together are worse by more than 0.005 RMSE and two standard
    errors, or one of them by itself, at the level of two standard errors shared out among them
    (Bonferroni); or when the challenger explains of a new batch's variance less than 0.4 of the
    share that it explains of the earlier ones; or when its recommendations are worse.
    """
    pooled = np.isin(asked.batches, list(earlier))
    batches = _compare_batches(asked, earlier)
    n = int(pooled.sum())
    if n < MIN_RATINGS:
        reason = (
            f"{n} held-out ratings of earlier batches are too few to compare sets: {MIN_RATINGS}"
            " are needed"
        )
        return GateReport(
            "insufficient", reason, _compare(asked, pooled, None) if n else None, batches, ranking
        )
    together = _compare(asked, pooled, 1)
    reasons = _objections(together, batches, earlier)
    if ranking is not None and ranking.worse:
        reasons.append(
            f"recommends worse: NDCG@10 {ranking.challenger_ndcg_10:.4f} where the set in service"
            f" has {ranking.champion_ndcg_10:.4f}"
        )
    if reasons:
        return GateReport("refused", "; ".join(reasons), together, batches, ranking)
    reason = f"not worse on earlier batches: {_figures(together)}"
    return GateReport("accepted", reason, together, batches, ranking)


def compare_rankings(
    champion: NDArray[np.float64], challenger: NDArray[np.float64]
) -> RankingComparison | None:
    """NDCG@10 of both sets' lists for the same users (n,), one each; None with fewer than
    MIN_RANKED_USERS.

    Worse: by more than RANKING_TOLERANCE of the champion's and by two standard errors of the paired
    difference.
    """
    n = len(champion)
    if n < MIN_RANKED_USERS:
        return None
    # Paired: users differ far more from each other than two sets do for one user.
    lost = champion - challenger
    standard_error = float(lost.std(ddof=1) / np.sqrt(n))
    tolerated = max(RANKING_TOLERANCE * champion.mean(), STANDARD_ERRORS * standard_error)
    return RankingComparison(
        n_users=n,
        champion_ndcg_10=float(champion.mean()),
        challenger_ndcg_10=float(challenger.mean()),
        standard_error=standard_error,
        worse=bool(lost.mean() > tolerated),
    )


def _compare_batches(asked: GateRatings, earlier: Collection[int]) -> dict[int, Comparison]:
    """Each batch by itself; only earlier ones with enough ratings are judged."""
    numbers, n_ratings = np.unique(asked.batches, return_counts=True)
    counts = dict(zip(numbers.tolist(), n_ratings.tolist(), strict=True))
    judged = {batch for batch, count in counts.items() if batch in earlier and count >= MIN_RATINGS}
    # All judged batches are tests of one hypothesis: each gets its share of the level.
    return {
        batch: _compare(asked, asked.batches == batch, len(judged) if batch in judged else None)
        for batch in counts
    }


def _objections(
    together: Comparison, batches: Mapping[int, Comparison], earlier: Collection[int]
) -> list[str]:
    reasons = [f"worse on earlier batches: {_figures(together)}"] if together.worse else []
    for number, batch in batches.items():
        if batch.worse:
            reasons.append(f"worse on earlier batch {number}: {_figures(batch)}")
        # The champion has not seen a new batch, so there is nothing to compare it with.
        is_judged = number not in earlier and batch.n >= MIN_RATINGS
        if is_judged and _explained(batch) < MIN_EXPLAINED_SHARE * _explained(together):
            reasons.append(
                f"batch {number} can hardly be predicted, even by the set that learned from it: "
                f"RMSE {batch.challenger_rmse:.4f} where its own mean has {batch.spread:.4f}"
            )
    return reasons


def _explained(compared: Comparison) -> float:
    """The share of the ratings' variance that the challenger explains; all of it where there is
    none.
    """
    return 1.0 - (compared.challenger_rmse / compared.spread) ** 2 if compared.spread else 1.0


def _figures(compared: Comparison) -> str:
    return (
        f"RMSE {compared.challenger_rmse:.4f} where the set in service has"
        f" {compared.champion_rmse:.4f}"
    )


def _compare(asked: GateRatings, chosen: NDArray[np.bool_], tests: int | None) -> Comparison:
    """Both sets on the chosen ratings; `tests`: among how many tests the level is shared, None for
    no verdict.

    The standard error of the difference of two RMSE is by the delta method, with a user's ratings
    as one cluster: one user's taste moves all of them.
    """
    champion, challenger = asked.champion_errors[chosen] ** 2, asked.challenger_errors[chosen] ** 2
    champion_rmse, challenger_rmse = np.sqrt(champion.mean()), np.sqrt(challenger.mean())
    _, cluster = np.unique(asked.user_ids[chosen], return_inverse=True)
    n_users = int(cluster.max()) + 1
    # Where all predictions are right, the RMSE is 0 and so is each rating's influence on it.
    tiny = np.finfo(float).tiny
    influence = (challenger - challenger_rmse**2) / (2 * challenger_rmse + tiny)
    influence -= (champion - champion_rmse**2) / (2 * champion_rmse + tiny)
    standard_error, worse = None, False
    if n_users > 1:
        sums = np.bincount(cluster, influence)
        standard_error = float(np.sqrt(n_users / (n_users - 1) * (sums**2).sum()) / len(champion))
        if tests is not None:
            errors_needed = t.isf(norm.sf(STANDARD_ERRORS) / tests, n_users - 1)
            worse = challenger_rmse - champion_rmse > max(
                RMSE_TOLERANCE, errors_needed * standard_error
            )
    return Comparison(
        n=len(champion),
        n_users=n_users,
        spread=float(asked.ratings[chosen].std()),
        champion_rmse=float(champion_rmse),
        challenger_rmse=float(challenger_rmse),
        standard_error=standard_error,
        worse=bool(worse),
    )
