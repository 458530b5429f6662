"""How users and items are named decides nothing: numbers, or the hashes of texts, in any order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from reelstream.catalog import Catalog
from reelstream.datasets import detect
from reelstream.engines.interface import FitContext, FitParameters
from reelstream.engines.local import fit_models
from reelstream.evaluation.sampled_lists import questions_of_batch
from reelstream.features.holdout import in_holdout
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.models.recommendation import live_choice_of
from reelstream.models.replay import predict_events
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.ratings.ids import hash_of
from reelstream.ratings.scale import RatingScale

QUICK = FitParameters(
    n_factors=4, sweeps=24, burn_in=12, n_draws=3, warm_sweeps=12, warm_burn_in=6, n_audience=5
)
LATER = 2_000_000_000


def renamed(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array([hash_of(f"{number}-text") for number in ids.tolist()])


class Fits:
    """A first set of two thirds of the ratings, and a second of all, warm-started from it."""

    def __init__(self, ratings: EventColumns, catalog: Catalog) -> None:
        context = FitContext(catalog=catalog, scale=RatingScale(), parameters=QUICK)
        first = fit_models(Histories.of(ratings[: len(ratings) * 2 // 3]), context)
        self.ratings = ratings
        self.model_set = ModelSet(
            number=2,
            models=fit_models(Histories.of(ratings), context, first),
            catalog=catalog,
            scale=RatingScale(),
            trained_on=TrainedOn({0: len(ratings)}, {}),
        )


@pytest.fixture(scope="module")
def as_numbers(small_dataset: Path) -> Fits:
    dataset = detect(small_dataset)
    return Fits(dataset.read_ratings(), dataset.read_catalog().catalog)


@pytest.fixture(scope="module")
def as_texts(as_numbers: Fits) -> Fits:
    """The same ratings at the same places of the log."""
    ratings = as_numbers.ratings
    films = [
        msgspec.structs.replace(film, item_id=hash_of(f"{film.item_id}-text"))
        for film in as_numbers.model_set.catalog
    ]
    return Fits(
        replace(ratings, user_id=renamed(ratings.user_id), item_id=renamed(ratings.item_id)),
        Catalog(films),
    )


def test_predictions_are_the_same(as_numbers: Fits, as_texts: Fits) -> None:
    """Of what is held out, from what is not."""
    answers = []
    for fits in (as_numbers, as_texts):
        held_out = in_holdout(fits.ratings)
        answers.append(predict_events(fits.model_set, fits.ratings, held_out, ~held_out))
    numbers, texts = answers
    assert len(numbers.mean) > 100
    # Chains agree to rounding, which a random number at an edge may make a little larger.
    for name in ("mean", "sd", "like_probability"):
        np.testing.assert_allclose(getattr(texts, name), getattr(numbers, name), atol=2e-4)


def test_the_same_films_are_chosen(as_numbers: Fits, as_texts: Fits) -> None:
    items = as_numbers.model_set.rating.item_ids
    scores = []
    for fits, ids, user in ((as_numbers, items, 7), (as_texts, renamed(items), hash_of("7-text"))):
        choice = live_choice_of(fits.model_set)
        assert choice is not None
        history = Histories.of(fits.ratings).of_user(user)
        scores.append(choice.score(history, LATER).choice[choice.rows(ids)])
    numbers, texts = scores
    assert numbers.max() > 2 * numbers.mean()
    # Weights are kept in half precision, and reasons that explain alike share by little.
    np.testing.assert_allclose(texts, numbers, atol=2e-3)


def test_segments_are_the_same(as_numbers: Fits, as_texts: Fits) -> None:
    numbers, texts = (fits.model_set.segment for fits in (as_numbers, as_texts))
    assert len(numbers.centroids) > 1
    np.testing.assert_allclose(texts.centroids, numbers.centroids, atol=1e-6)
    assert [each.size for each in texts.segments] == [each.size for each in numbers.segments]


def test_the_record_makes_the_same_lists(as_numbers: Fits, as_texts: Fits) -> None:
    at = []
    for fits in (as_numbers, as_texts):
        half = len(fits.ratings) // 2
        known = Histories.of(fits.ratings[:half])
        questions = questions_of_batch(fits.ratings[half:], known, 4.0)
        at.append([(question.at, len(question.liked)) for question in questions])
    assert at[0] == at[1]
