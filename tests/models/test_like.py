"""The like model is calibrated, and stays without weights where it has too few ratings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reelstream.features.vocabulary import Vocabulary
from reelstream.models.like.fit import with_weights
from reelstream.models.like.model import LikeModel, Posterior
from reelstream.ratings.scale import RatingScale

THRESHOLD = RatingScale().like_threshold


def questions(n: int, seed: int = 0) -> tuple[Posterior, np.ndarray, np.ndarray]:
    """Posteriors that are too cautious by half, the films asked about, and what came."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.02, 0.98, n)
    cautious = 0.5 + (truth - 0.5) / 2
    counts = rng.integers(1, 50, n)
    posterior = Posterior(
        mean=3 + 2 * cautious,
        variance=np.full(n, 0.8),
        above=cautious,
        user_ratings=counts,
        user_likes=(counts * truth).astype(np.int64),
        like_offset=np.zeros(n),
        width_offset=np.zeros(n),
    )
    return posterior, rng.integers(0, 30, n), rng.random(n) < truth


def unfitted() -> LikeModel:
    rng = np.random.default_rng(5)
    counts = np.bincount(rng.integers(0, 25, 2000), minlength=25)
    return LikeModel.of_counts(
        Vocabulary(np.arange(25)), counts, rng.binomial(counts, 0.5), THRESHOLD
    )


def test_a_cautious_posterior_is_made_to_hold_what_it_says() -> None:
    fitted = with_weights(unfitted(), *questions(4000))
    posterior, items, liked = questions(20_000, seed=1)
    probability = fitted.probability(posterior, items)
    for low in np.arange(0.1, 0.9, 0.1):
        bin_ = (probability >= low) & (probability < low + 0.1)
        assert abs(probability[bin_].mean() - liked[bin_].mean()) < 0.05
    surprise = lambda p: -np.where(liked, np.log(p), np.log(1 - p)).mean()  # noqa: E731
    assert surprise(probability) < surprise(posterior.above) - 0.02


def test_too_few_ratings_or_one_class_leave_the_thresholded_posterior() -> None:
    for n, liked in ((400, None), (2000, True), (2000, False)):
        posterior, items, came = questions(n)
        came = came if liked is None else np.full(n, liked)
        model = with_weights(unfitted(), posterior, items, came)
        np.testing.assert_allclose(model.probability(posterior, items), posterior.above, rtol=1e-9)


def test_a_film_that_was_never_counted_has_the_average_share() -> None:
    model = with_weights(unfitted(), *questions(4000))
    posterior, _, _ = questions(10)
    known, unknown = np.zeros(10, np.int64), np.full(10, 10**12)
    assert np.isfinite(model.probability(posterior, unknown)).all()
    assert not np.array_equal(
        model.probability(posterior, known), model.probability(posterior, unknown)
    )


def test_a_saved_model_answers_alike(tmp_path: Path) -> None:
    model = with_weights(unfitted(), *questions(4000))
    model.save(tmp_path)
    posterior, items, _ = questions(50)
    np.testing.assert_array_equal(
        LikeModel.load(tmp_path).probability(posterior, items), model.probability(posterior, items)
    )
