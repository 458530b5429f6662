"""The served path, scored: better than its baselines, and nothing leaks from test to train."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reelstream.catalog import Catalog
from reelstream.datasets import detect
from reelstream.engines.interface import FitParameters
from reelstream.engines.local import fit_for_evaluation
from reelstream.errors import InputError
from reelstream.evaluation.offline import (
    Fit,
    Split,
    evaluate,
    split_at_random,
    split_in_time,
    split_of,
)
from reelstream.models.bundle import ModelBundle
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale

SCALE = RatingScale()
QUICK = FitParameters(n_factors=4, sweeps=40, burn_in=20)


def quick_fit(catalog: Catalog) -> Fit:
    return fit_for_evaluation(catalog, SCALE, QUICK)


@pytest.fixture(scope="module")
def ratings(small_dataset: Path) -> EventColumns:
    return detect(small_dataset).read_ratings()


@pytest.fixture(scope="module")
def catalog(small_dataset: Path) -> Catalog:
    return detect(small_dataset).read_catalog().catalog


def test_the_random_split_is_numpys_permutation_in_order_of_the_file(ratings: EventColumns) -> None:
    split = split_at_random(ratings, 0.2, 42)
    order = np.random.default_rng(42).permutation(len(ratings))
    assert split.train.item_id.tolist() == ratings.item_id[order[:2400]].tolist()
    assert split.test.user_id.tolist() == ratings.user_id[order[2400:]].tolist()


def test_the_time_split_asks_only_about_what_came_later(ratings: EventColumns) -> None:
    split = split_in_time(ratings, 0.333)
    assert split.train.timestamp.max() <= split.test.timestamp.min()
    assert split.learns_test


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["random", "time"])
def test_nothing_leaks_from_test_to_train(
    kind: str, ratings: EventColumns, catalog: Catalog
) -> None:
    """Shuffling the values of the test ratings changes no bit of any model."""
    fitted: list[ModelBundle] = []

    fit = fit_for_evaluation(catalog, SCALE, QUICK)

    def keep(histories: Histories, *, use_times: bool, is_short: bool = False) -> ModelBundle:
        models = fit(histories, use_times=use_times, is_short=is_short)
        fitted.append(models)
        return models

    split = split_at_random(ratings, 0.2, 1) if kind == "random" else split_in_time(ratings, 0.333)
    shuffled = replace(split.test, rating=np.random.default_rng(0).permutation(split.test.rating))
    assert not np.array_equal(shuffled.rating, split.test.rating)
    for test in (split.test, shuffled):
        evaluate(Split(split.train, test, split.learns_test), catalog, SCALE, keep, "use")
    before, after = fitted[1], fitted[3]  # each evaluation fits once to compile
    assert before.rating.draws.means.tobytes() == after.rating.draws.means.tobytes()
    assert before.like.weights.tobytes() == after.like.weights.tobytes()
    assert before.segment.centroids.tobytes() == after.segment.centroids.tobytes()


def test_with_times_ignored_they_change_nothing(ratings: EventColumns, catalog: Catalog) -> None:
    split = split_at_random(ratings, 0.2, 1)
    moved = replace(split.train, timestamp=split.train.timestamp[::-1].copy())
    one = evaluate(split, catalog, SCALE, quick_fit(catalog), "ignore").scores
    other = evaluate(
        Split(moved, split.test, False),
        catalog,
        SCALE,
        fit_for_evaluation(catalog, SCALE, QUICK),
        "ignore",
    ).scores
    assert one == other


def test_the_figures_are_one_line_of_json(ratings: EventColumns, catalog: Catalog) -> None:
    figures = json.loads(
        json.dumps(
            evaluate(
                split_in_time(ratings, 0.333),
                catalog,
                SCALE,
                fit_for_evaluation(catalog, SCALE, QUICK),
                "use",
            ).as_dict()
        )
    )
    wanted = (
        "rmse mae auc log_loss log_likelihood ece coverage_1sd coverage_2sd fit_seconds"
        " compile_seconds"
    )
    assert set(wanted.split()) <= set(figures)
    assert (figures["n_train"], figures["n_test"]) == (2001, 999)
    assert set(figures["baselines"]) == {"global_mean", "biases"}
    assert figures["static"]["rmse"] != figures["rmse"] and figures["live_users"]["rmse"]


def test_an_empty_part_is_an_error_that_says_what_to_do(
    ratings: EventColumns, catalog: Catalog
) -> None:
    with pytest.raises(InputError, match="--test-share"):
        evaluate(
            split_of(ratings, ratings[:0]),
            catalog,
            SCALE,
            fit_for_evaluation(catalog, SCALE, QUICK),
            "ignore",
        )


@pytest.mark.slow
def test_the_model_is_better_than_its_baselines_and_learning_live_helps(movielens: Path) -> None:
    """On real ratings, in the band that MovieLens is known for; on simulated ones, ahead of the
    biases.
    """
    dataset = detect(movielens)
    ratings, catalog = dataset.read_ratings(), dataset.read_catalog().catalog
    short = FitParameters(n_factors=7, n_draws=2, n_audience=10, sweeps=30, burn_in=16)
    random = evaluate(
        split_at_random(ratings, 0.2, 42),
        catalog,
        SCALE,
        fit_for_evaluation(catalog, SCALE, short),
        "ignore",
    )
    assert random.scores.rmse < random.baselines["biases"].rmse - 0.02
    assert 0.64 < random.scores.coverage_1sd < 0.76 and random.scores.ece < 0.03
    stream = evaluate(
        split_in_time(ratings, 1 / 3),
        catalog,
        SCALE,
        fit_for_evaluation(catalog, SCALE, short),
        "use",
    )
    assert stream.scores.rmse < stream.static.rmse - 0.05
    assert stream.scores.auc > stream.static.auc
    if dataset.name == "ml-latest-small":
        assert random.scores.rmse < 0.812 and random.scores.auc > 0.81
        assert stream.scores.rmse < 0.80 and stream.scores.auc > 0.82
