"""What a film's raters say of it, whatever they say."""

from __future__ import annotations

import numpy as np

from reelstream.features.audience import (
    MAX_COLUMNS,
    MIN_COLUMNS,
    SHRINKAGE_EXPOSURE,
    audience_columns,
    audience_features,
    exposure_features,
    exposure_vectors,
)


def two_circles(n_users: int = 40, n_items: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Users and films in two halves; everybody rates three quarters of the films of his or her
    half.
    """
    rng = np.random.default_rng(0)
    users, items = np.indices((n_users, n_items)).reshape(2, -1)
    rated = (users % 2 == items % 2) & (rng.random(len(users)) < 0.75)
    return users[rated], items[rated]


def test_films_with_the_same_kind_of_raters_lie_together() -> None:
    users, items = two_circles()
    features = audience_features(users, items, 40, np.arange(40), 6)
    near = features @ features.T
    same = np.equal.outer(np.arange(40) % 2, np.arange(40) % 2) & ~np.eye(40, dtype=bool)
    assert near[same].min() > near[~same & ~np.eye(40, dtype=bool)].max()


def test_a_film_with_one_rater_says_little() -> None:
    users, items = two_circles()
    features = audience_features(np.append(users, 0), np.append(items, 40), 40, np.arange(41), 6)
    sizes = np.linalg.norm(features, axis=1)
    assert 0 < sizes[40] < sizes[:40].min() / 3


def test_the_order_of_ratings_changes_nothing() -> None:
    users, items = two_circles()
    order = np.random.default_rng(1).permutation(len(users))
    features = audience_features(users, items, 40, np.arange(40), 6)
    assert np.array_equal(
        audience_features(users[order], items[order], 40, np.arange(40), 6), features
    )


def test_few_users_leave_columns_empty() -> None:
    features = audience_features(np.array([0, 1, 1]), np.array([0, 0, 1]), 2, np.arange(2), 6)
    assert features.shape == (2, 6)
    assert features[:, :2].any() and not features[:, 2:].any()


def test_users_who_choose_the_same_kind_of_films_lie_together() -> None:
    """In a direction that tells the two halves apart, each half has a sign of its own; a user
    without ratings has nothing but the intercept.
    """
    users, items = two_circles()
    order = np.argsort(users, kind="stable")
    starts = np.searchsorted(users[order], np.arange(41))
    counts = np.bincount(items, minlength=40)
    vectors = exposure_vectors(audience_features(users, items, 40, np.arange(40), 6), counts, 40)
    features = exposure_features(np.append(starts, starts[-1]), items[order], vectors)
    assert features.shape == (41, 7) and (features[:, 0] == 1).all()
    assert not features[40, 1:].any()
    halves = features[:40, 1:].reshape(20, 2, 6).mean(0)
    assert np.abs(halves[0] - halves[1]).max() > 1


def test_a_user_of_few_ratings_is_close_to_the_average() -> None:
    vectors = np.ones((3, 1))
    features = exposure_features(np.array([0, 1, 4]), np.array([0, 0, 1, 2]), vectors)
    np.testing.assert_allclose(
        features[:, 1], [1 / (1 + SHRINKAGE_EXPOSURE), 3 / (3 + SHRINKAGE_EXPOSURE)]
    )


def test_columns_grow_with_the_users() -> None:
    columns = [audience_columns(n) for n in (1, 600, 3000, 10**6)]
    assert columns == [MIN_COLUMNS, MIN_COLUMNS, 50, MAX_COLUMNS]
