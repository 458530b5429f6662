"""Baselines are simple, and as good as simple ones get."""

import numpy as np
import pytest

from events import event_columns
from reelstream.evaluation.baselines import BiasBaseline, GlobalMean, ItemSums
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.scale import RatingScale

SCALE = RatingScale()


def test_biases_of_users_and_items_are_found() -> None:
    """Ratings that are a sum of two biases are predicted almost exactly."""
    rng = np.random.default_rng(2)
    user, item = rng.integers(0, 60, 20_000), rng.integers(0, 50, 20_000)
    user_bias, item_bias = rng.normal(0, 0.5, 60), rng.normal(0, 0.5, 50)
    truth = 3.0 + user_bias[user] + item_bias[item]
    baseline = BiasBaseline.of(
        event_columns(user[:15_000], item[:15_000], truth[:15_000], [0] * 15_000), SCALE
    )
    errors = truth[15_000:] - baseline.predict(user[15_000:], item[15_000:])
    assert np.sqrt((errors**2).mean()) < 0.05


def test_strangers_get_the_mean() -> None:
    """A user and an item nobody knows add nothing; a few ratings are damped."""
    ratings = event_columns([1, 1, 2], [5, 6, 5], [5.0, 4.0, 3.0], [0, 0, 0])
    assert BiasBaseline.of(ratings, SCALE).predict(np.array([9]), np.array([9])).tolist() == [4.0]
    assert GlobalMean.of(ratings, SCALE).predict(np.array([9]), np.array([9])).tolist() == [4.0]
    generous = BiasBaseline.of(ratings, SCALE).predict(np.array([1]), np.array([9]))[0]
    assert generous == pytest.approx(4.0 + 1 / 7)


@pytest.mark.parametrize("baseline", [GlobalMean, BiasBaseline])
def test_without_ratings_the_middle_of_the_scale(
    baseline: type[GlobalMean] | type[BiasBaseline],
) -> None:
    """The first batch has no history before it, and is still predicted."""
    assert baseline.of(EventColumns.empty(), SCALE).predict(
        np.array([1]), np.array([2])
    ).tolist() == [2.75]


def test_sums_taken_in_parts_are_those_of_the_whole() -> None:
    """However a long history is cut; items come and go from part to part."""
    rng = np.random.default_rng(3)
    whole = event_columns(
        rng.integers(0, 9, 500), rng.integers(0, 40, 500), rng.integers(1, 11, 500) / 2, range(500)
    )
    sums = ItemSums()
    for first in range(0, 500, 7):
        sums.add(whole[first : first + 7])
    for name in ("ids", "counts", "sums"):
        np.testing.assert_array_equal(getattr(sums, name), getattr(ItemSums.of(whole), name))
