"""A film's audience as features: who rated it, whatever the rating, says much about its kind.

Of the matrix R of users and films, one where there is a rating, the leading right singular vectors
are computed by a randomized range finder with power iterations (Halko, Martinsson and Tropp,
*Finding Structure with Randomness*, SIAM Review 2011). Films that the same people watch so get
similar features before any of their stars count: the item side of what SVD++ does for users (Koren,
*Factorization Meets the Neighborhood*, KDD 2008). The same vectors, added up over the films that a
user has rated, say what the user chooses to rate: implicit information on both sides (Rendle, Zhang
and Koren, *On the Difficulty of Evaluating Baselines*, 2019).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

# Users for each column: with fewer, a direction says who these users are and not what kinds there
# are. The number of columns stays between the two limits.
USERS_PER_COLUMN, MIN_COLUMNS, MAX_COLUMNS = 60, 30, 100
# Ratings at which a film's audience counts half. Without shrinkage, films with a single rating
# dominate the leading singular vectors.
SHRINKAGE_RATINGS = 20.0
# Directions beyond the features, and power iterations, of the range finder.
OVERSAMPLING, POWER_ITERATIONS = 10, 2
# Films at which what a user chose to rate counts half.
SHRINKAGE_EXPOSURE = 50.0


def audience_columns(n_users: int) -> int:
    """How many features the films of so many users get."""
    return min(max(n_users // USERS_PER_COLUMN, MIN_COLUMNS), MAX_COLUMNS)


def audience_features(
    user_rows: NDArray[np.int64],
    item_rows: NDArray[np.int64],
    n_users: int,
    item_keys: NDArray[np.int64],
    n_columns: int,
) -> NDArray[np.float64]:
    """Features (n_items, n_columns) from the user's and the film's row of each rating (n,).

    item_keys (n_items,): see `features_of_products`. Columns beyond the smaller of n_users and
    n_items are zeros.
    """
    n_items = len(item_keys)
    rated = csr_array((np.ones(len(user_rows)), (user_rows, item_rows)), shape=(n_users, n_items))
    counts = np.bincount(item_rows, minlength=n_items)
    return features_of_products(
        lambda x: rated.T @ (rated @ x), counts, n_users, item_keys, n_columns
    )


def features_of_products(
    multiply: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    counts: NDArray[np.int64],
    n_users: int,
    item_keys: NDArray[np.int64],
    n_columns: int,
) -> NDArray[np.float64]:
    """The same features, given only how to multiply by R'R: R may be spread over a cluster.

    multiply: takes (n_items, k) and returns R'R times it. counts (n_items,): ratings of each film.
    item_keys (n_items,), each once: films take their random numbers in this order.
    """
    n_items = len(counts)
    # A film's column of R has length sqrt(n): this makes it n / (n + SHRINKAGE_RATINGS).
    shrinkage = (np.sqrt(counts) / (counts + SHRINKAGE_RATINGS))[:, None]
    n_found = min(n_columns, n_users, n_items)
    # A fixed seed: the features must be the same in every engine and on every machine.
    directions = np.empty((n_items, min(n_found + OVERSAMPLING, n_items)))
    directions[np.argsort(item_keys)] = np.random.default_rng(0).standard_normal(directions.shape)
    for _ in range(POWER_ITERATIONS):
        # Orthonormal again after each round, or all directions would turn to the leading one.
        directions, _ = np.linalg.qr(shrinkage * multiply(shrinkage * directions))
    # Rayleigh-Ritz: the eigenvectors within the subspace that was found.
    squares, turns = np.linalg.eigh(directions.T @ (shrinkage * multiply(shrinkage * directions)))
    largest = squares.argsort()[::-1][:n_found]
    directions = directions @ turns[:, largest]
    # A singular vector's sign is arbitrary: the largest entry is made positive.
    signs = np.sign(directions[np.abs(directions).argmax(0), np.arange(n_found)])
    features = np.zeros((n_items, n_columns))
    features[:, :n_found] = directions * signs * np.sqrt(np.maximum(squares[largest], 0))
    return features


def exposure_vectors(
    audience: NDArray[np.float64], counts: NDArray[np.int64], n_users: int
) -> NDArray[np.float64]:
    """What each film adds to the features of a user who rates it: (n_items, n_columns).

    Of a film with ratings n and unit singular vectors d, `d sqrt(n) / (n + SHRINKAGE_RATINGS)`,
    centred over all ratings. A column's weight is its singular value over the second, at most one:
    small directions are noise for a user of few ratings. audience and counts as in
    `features_of_products`.
    """
    singular = np.sqrt((audience**2).sum(0))
    # The first direction is that of all ratings; the second is the largest that tells users apart.
    limit = singular[min(1, len(singular) - 1)]
    shrinkage = np.sqrt(counts) / (counts + SHRINKAGE_RATINGS)
    divisors = np.maximum(singular, max(limit, 1e-9)) * np.maximum(singular, 1e-9)
    vectors: NDArray[np.float64] = audience * shrinkage[:, None] / divisors
    vectors -= counts @ vectors / counts.sum()
    # Divided by n + SHRINKAGE_EXPOSURE, the sum over a user's films is then of about unit size.
    vectors *= np.sqrt(n_users) * (counts.sum() / n_users + SHRINKAGE_EXPOSURE)
    return vectors


def exposure_features(
    starts: NDArray[np.int64], items: NDArray[np.integer], vectors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Features (n_users, 1 + n_columns) of users from the films that they chose to rate.

    The first is one. starts (n_users + 1,): where each user's ratings begin; items (n,): rows of
    films.
    """
    n = np.diff(starts)
    rated = csr_array((np.ones(len(items)), items, starts), shape=(len(n), len(vectors)))
    features = np.ones((len(n), 1 + vectors.shape[1]))
    features[:, 1:] = (rated @ vectors) / (n + SHRINKAGE_EXPOSURE)[:, None]
    return features
