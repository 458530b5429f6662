"""Recommendations, scored: nothing is learned before it is to be found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reelstream.datasets import detect
from reelstream.engines.interface import FitParameters
from reelstream.engines.local import fit_for_evaluation
from reelstream.errors import InputError
from reelstream.evaluation.choice_calibration import ChoiceCalibration
from reelstream.evaluation.offline_ranking import (
    RankingEvaluation,
    evaluate_ranking_for_anonymous_users,
    evaluate_ranking_in_time,
)
from reelstream.evaluation.ranking_scores import FilmPopularity, ListScores, best_rows
from reelstream.ratings.columns import EventColumns

QUICK = FitParameters(n_factors=2, sweeps=10, burn_in=4)


def scored(*lists: tuple[int, list[int], list[int]]) -> ListScores:
    scores = ListScores(FilmPopularity.of(np.array([50, 30, 20, 10, 5, 0])))
    for user, top, targets in lists:
        scores.add(user, np.array(top), np.array(targets))
    return scores


def test_scores_of_a_list() -> None:
    """By hand: of two films to be found one is at the second place."""
    scores = scored((1, [0, 1, 2], [1, 5])).scores()
    gain = 1 / np.log2(3)
    assert scores.ndcg_10 == pytest.approx(gain / (1 + gain))
    assert scores.ndcg_100 == pytest.approx(gain / (1 + gain))
    assert (scores.recall_20, scores.mrr) == (0.5, 0.5)
    assert scores.coverage == 0.5


def test_users_count_alike_by_user() -> None:
    """However many questions each has."""
    scores = scored((1, [0], [0]), (1, [0], [0]), (1, [0], [0]), (2, [0], [1])).scores()
    assert (scores.ndcg_10, scores.ndcg_10_by_user) == (0.75, 0.5)


def test_thirds_of_popularity() -> None:
    """The most rated films have a third of all ratings, and each third is scored by itself."""
    popularity = FilmPopularity.of(np.array([50, 30, 20, 10, 5, 0]))
    assert popularity.thirds.tolist() == [0, 1, 2, 2, 2, 2]
    scores = scored((1, [0, 5], [0, 5])).scores()
    assert scores.ndcg_100_by_popularity == (1.0, None, pytest.approx(1 / np.log2(3)))


def test_the_best_rows_leave_out_what_was_seen() -> None:
    assert best_rows(np.array([0.1, 0.9, 0.5, 0.7]), np.array([1]), 2).tolist() == [3, 2]
    assert best_rows(np.array([0.1, 0.9]), np.array([0, 1]), 2).tolist() == []


def evaluated(folder: Path, *, by_users: bool) -> RankingEvaluation:
    dataset = detect(folder)
    ratings, catalog = dataset.read_ratings(), dataset.read_catalog().catalog
    fit = fit_for_evaluation(catalog, dataset.scale, QUICK)
    if by_users:
        return evaluate_ranking_for_anonymous_users(ratings, 0.2, 1, catalog, dataset.scale, fit)
    return evaluate_ranking_in_time(ratings, 0.1, catalog, dataset.scale, fit)


@pytest.mark.slow
@pytest.mark.parametrize("by_users", [False, True], ids=["time", "users"])
def test_all_figures_are_there(small_dataset: Path, by_users: bool) -> None:
    """Ours and the baselines answer the same questions; by time also what learns nothing."""
    figures = evaluated(small_dataset, by_users=by_users).as_dict()
    wanted = {"ndcg_10", "ndcg_10_by_user", "ndcg_100", "recall_20", "recall_50", "mrr"}
    assert set(figures["baselines"]) == {"popularity", "stars", "ease"}
    for scores in (figures, *figures["baselines"].values()):
        assert wanted <= set(scores)
        assert all(0 <= scores[name] <= 1 for name in wanted)
        assert scores["n"] == figures["n"]
    assert ("static" in figures) != by_users
    bins = figures.get("choice_calibration", [])
    assert bool(bins) != by_users
    assert all(0 <= each["predicted"] <= each["below"] for each in bins)


def test_calibration_compares_what_was_predicted_with_what_came() -> None:
    """Films rated at one time share one choice; what was rated before is not asked about."""
    calibration = ChoiceCalibration()
    calibration.add(np.array([0.5, 0.2, 0.2, 0.1, -1.0]), np.array([0, 3, 4]))
    calibration.add(np.array([0.5, 0.2, 0.2, 0.1, -1.0]), np.array([1]))
    middle, high = calibration.bins()
    assert (middle.n, middle.below, middle.came) == (6, 0.3, pytest.approx(1.5 / 6))
    assert middle.predicted == pytest.approx(1 / 6)
    assert (high.n, high.predicted, high.came) == (2, 0.5, 0.25)


def test_an_empty_part_is_an_error(small_dataset: Path) -> None:
    dataset = detect(small_dataset)
    catalog = dataset.read_catalog().catalog
    fit = fit_for_evaluation(catalog, dataset.scale, QUICK)
    with pytest.raises(InputError, match="empty"):
        evaluate_ranking_in_time(EventColumns.empty(), 0.3, catalog, dataset.scale, fit)
