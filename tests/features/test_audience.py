"""What a film's raters say of it, whatever they say."""

from __future__ import annotations

import numpy as np

from reelstream.features.audience import N_AUDIENCE, audience_features


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
    features = audience_features(users, items, 40, 40)
    near = features @ features.T
    same = np.equal.outer(np.arange(40) % 2, np.arange(40) % 2) & ~np.eye(40, dtype=bool)
    assert near[same].min() > near[~same & ~np.eye(40, dtype=bool)].max()


def test_a_film_with_one_rater_says_little() -> None:
    users, items = two_circles()
    features = audience_features(np.append(users, 0), np.append(items, 40), 40, 41)
    sizes = np.linalg.norm(features, axis=1)
    assert 0 < sizes[40] < sizes[:40].min() / 3


def test_the_order_of_ratings_changes_nothing() -> None:
    users, items = two_circles()
    order = np.random.default_rng(1).permutation(len(users))
    features = audience_features(users, items, 40, 40)
    assert np.array_equal(audience_features(users[order], items[order], 40, 40), features)


def test_few_users_leave_columns_empty() -> None:
    features = audience_features(np.array([0, 1, 1]), np.array([0, 0, 1]), 2, 2)
    assert features.shape == (2, N_AUDIENCE)
    assert features[:, :2].any() and not features[:, 2:].any()
