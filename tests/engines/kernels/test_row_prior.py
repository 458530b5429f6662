"""The draw of a side's prior against what its rows were made with."""

from __future__ import annotations

import numpy as np

from reelstream.engines.kernels.row_prior import (
    RowSums,
    SideFeatures,
    draw_group_precisions,
    draw_prior,
    spread_out,
)

N, D, GROUPS = 4000, 3, np.array([-1, 0, 0, 1, 1])


def rows_of_a_known_prior() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features, rows and weights c of N rows, and G; the last two features say nothing."""
    rng = np.random.default_rng(0)
    features = np.column_stack([np.ones(N), rng.standard_normal((N, 4))])
    G = np.concatenate([rng.standard_normal((3, D)), np.zeros((2, D))])
    weights = rng.gamma(2.0, 0.5, N)
    rows = features @ G + rng.standard_normal((N, D)) / np.sqrt(4 * weights)[:, None]
    return features, rows.astype(np.float32), weights, G


def test_a_draw_is_near_the_prior_that_the_rows_have() -> None:
    features, rows, weights, G = rows_of_a_known_prior()
    prior = draw_prior(RowSums.of(features, rows, weights), N, np.ones(5), np.random.default_rng(1))
    np.testing.assert_allclose(prior.G, G, atol=0.05)
    np.testing.assert_allclose(prior.L, 4 * np.eye(D), atol=0.4)


def test_a_group_that_says_nothing_gets_a_high_precision() -> None:
    features, rows, weights, _ = rows_of_a_known_prior()
    generator = np.random.default_rng(1)
    precisions: tuple[float, ...] = (1.0, 1.0)
    for _ in range(20):
        Lambda = spread_out(precisions, GROUPS)
        prior = draw_prior(RowSums.of(features, rows, weights), N, Lambda, generator)
        precisions = draw_group_precisions(prior, GROUPS, generator)
    assert precisions[1] > 4 * precisions[0]
    assert spread_out(precisions, GROUPS)[0] == 1.0


def test_sums_add_up_and_sparse_features_give_the_same() -> None:
    features, rows, _, _ = rows_of_a_known_prior()
    features[:, 3] = np.arange(N) % 10 == 0
    whole, ones = RowSums.of(features, rows, np.ones(N)), np.ones(N // 2)
    halves = [
        RowSums.of(features[half], rows[half], ones) for half in (slice(N // 2), slice(N // 2, N))
    ]
    for ours, theirs in zip(RowSums.joined(halves), whole, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    for ours, theirs in zip(SideFeatures(features).sums(rows), whole, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
