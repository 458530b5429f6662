"""The gate refuses a set that has become worse, and only such a one."""

import numpy as np
import pytest
from numpy.typing import NDArray

from reelstream.evaluation.gate import GateRatings, judge
from reelstream.evaluation.reports import RankingComparison


def answers(
    worse_by: dict[int, float],
    n: int = 1000,
    n_users: int = 100,
    spread: float = 1.05,
    seed: int = 0,
) -> GateRatings:
    """A champion whose errors have RMSE 0.9, and a challenger whose RMSE is `worse_by` larger in
    each batch.
    """
    rng = np.random.default_rng(seed)
    batches = np.repeat(list(worse_by), n)
    shared = rng.normal(0, 0.9, len(batches))
    factor = np.array([1 + worse_by[batch] / 0.9 for batch in batches])
    own: NDArray[np.float64] = rng.normal(0, 0.05, len(batches))
    return GateRatings(
        rng.integers(0, n_users, len(batches)),
        batches,
        3.5 + rng.normal(0, spread, len(batches)),
        shared,
        shared * factor + own,
    )


def test_a_set_that_is_as_good_is_accepted() -> None:
    """Differences within chance and tolerance are none."""
    for seed in range(20):
        assert judge(answers({1: 0.0, 2: 0.0, 3: -0.1}, seed=seed), {1, 2}).verdict == "accepted"


def test_worse_on_all_earlier_batches_is_refused_even_when_the_newest_is_better() -> None:
    """What is learned from a poisoned batch shows in the batches before it."""
    report = judge(answers({1: 0.03, 2: 0.03, 3: -0.2}), {1, 2})
    assert report.verdict == "refused"
    assert "earlier batches" in report.reason
    assert report.earlier is not None
    assert report.earlier.challenger_rmse - report.earlier.champion_rmse == pytest.approx(
        0.03, abs=0.01
    )


def test_worse_on_one_earlier_batch_is_refused() -> None:
    """A loss in one batch is not made up for by gains in the others."""
    report = judge(answers({1: 0.2, 2: -0.1, 3: -0.1, 4: -0.1, 5: 0.0}), {1, 2, 3, 4})
    assert report.verdict == "refused"
    assert "batch 1" in report.reason
    assert [number for number, batch in report.batches.items() if batch.worse] == [1]


def test_what_is_tolerated() -> None:
    """0.005 stars are allowed, however certain they are."""
    within, beyond = answers({1: 0.003}, n=100_000), answers({1: 0.012}, n=100_000)
    assert judge(within, {1}).verdict == "accepted"
    assert judge(beyond, {1}).verdict == "refused"


def test_one_user_is_one_cluster() -> None:
    """A loss that rests on one user of many ratings is not more than chance."""
    asked = answers({1: 0.0}, n_users=100)
    hit = asked.user_ids == 3
    asked.user_ids[:300], hit[:300] = 3, True
    asked.challenger_errors[hit] *= 1.2
    report = judge(asked, {1})
    assert report.earlier is not None
    assert report.earlier.challenger_rmse > report.earlier.champion_rmse + 0.03
    assert report.verdict == "accepted"


def test_a_batch_that_cannot_be_predicted_is_refused() -> None:
    """A set that learned a batch and still predicts it no better than its mean learned noise."""
    report = judge(answers({1: 0.0, 2: 0.2}, spread=1.0), {1})
    assert report.verdict == "refused"
    assert "batch 2" in report.reason


def test_too_few_ratings_decide_nothing() -> None:
    """Under 200 ratings of earlier batches the set is let through, and the report says so."""
    report = judge(answers({1: 1.0, 2: 0.0}, n=199), {1})
    assert report.verdict == "insufficient"
    assert "199" in report.reason
    assert judge(answers({2: 0.0}), set()).verdict == "insufficient"
    assert judge(answers({1: 1.0, 2: 0.0}, n=200), {1}).verdict == "refused"


def test_a_batch_of_few_ratings_is_not_judged_by_itself() -> None:
    """A small batch counts in the pool and is no test of its own."""
    small = answers({1: 0.8}, n=50)
    large = answers({2: -0.05}, n=2000)
    both = GateRatings(
        *(
            np.concatenate([getattr(small, name), getattr(large, name)])
            for name in GateRatings.__slots__
        )
    )
    report = judge(both, {1, 2})
    assert report.verdict == "accepted"
    assert not report.batches[1].worse


def test_no_ratings_at_all() -> None:
    """A first batch without held-out ratings is no error."""
    nothing = answers({1: 0.0}, n=0)
    assert judge(nothing, {1}).verdict == "insufficient"


@pytest.mark.parametrize(
    ("unexplained", "verdict"), [(0.97, "refused"), (0.9, "accepted"), (0.8, "accepted")]
)
def test_a_new_batch_must_be_about_as_predictable_as_the_earlier_ones(
    unexplained: float, verdict: str
) -> None:
    """Of the earlier batch's variance a third is explained; of the new one at least 0.4 of that
    must be.
    """
    rng = np.random.default_rng(2)
    n = 4000
    batches = np.repeat([1, 2], n // 2)
    errors = rng.normal(0, np.where(batches == 1, 0.8, unexplained))
    ratings = GateRatings(np.arange(n) % 300, batches, 3.5 + rng.normal(0, 1.0, n), errors, errors)
    assert judge(ratings, {1}).verdict == verdict


def test_a_set_that_recommends_worse_is_refused() -> None:
    """However well it predicts stars."""
    ranking = RankingComparison(
        n_users=100,
        champion_ndcg_10=0.06,
        challenger_ndcg_10=0.04,
        standard_error=0.005,
        worse=True,
    )
    as_good = answers({1: -0.1, 2: 0.0})
    report = judge(as_good, {1}, ranking)
    assert (report.verdict, report.ranking) == ("refused", ranking)
    assert "NDCG@10 0.0400" in report.reason
    assert judge(as_good, {1}).verdict == "accepted"
