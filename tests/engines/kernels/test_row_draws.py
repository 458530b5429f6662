"""A row's draw against a dense solve of the same regression in double precision."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from reelstream.compute import threads
from reelstream.engines.kernels import counter_rng
from reelstream.engines.kernels.grams import CHUNK, RowRatings
from reelstream.engines.kernels.lane_solver import LANES, RowDraws, RowTerms
from reelstream.engines.kernels.row_draws import draw_rows, fill_regressors

N_ROWS, N_OTHERS, D = LANES + 8, 30, 6


class Regressions:
    """Rows with ratings of others, some with none, and what `draw_rows` makes of them."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        counts = rng.integers(0, 25, N_ROWS)
        counts[5] = 2 * CHUNK + 3
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        n = int(self.starts[-1])
        self.others = rng.integers(0, N_OTHERS, n).astype(np.int32)
        self.targets = rng.standard_normal(n).astype(np.float32)
        self.other = rng.standard_normal((N_OTHERS, D)).astype(np.float32)
        self.weight = rng.uniform(0.5, 3, N_ROWS).astype(np.float32)
        self.root_weight = rng.uniform(0.5, 1.5, N_OTHERS).astype(np.float32)
        root = rng.standard_normal((D, D))
        self.precision = (root @ root.T + np.eye(D)).astype(np.float32)
        self.prior_terms = rng.standard_normal((N_ROWS, D)).astype(np.float32)
        self.prior_weight = rng.uniform(0.3, 3, N_ROWS).astype(np.float32)
        self.ids = np.arange(N_ROWS) * 17

    def draw(self, sweep: int, first: int = 0) -> tuple[np.ndarray, ...]:
        """Of the rows from `first` on."""
        n = N_ROWS - first
        draws, means = np.empty((2, n, D), np.float32)
        covs, squares = np.empty((n, D, D), np.float32), np.empty(n, np.float32)
        regressors = np.empty((N_OTHERS, D + 1), np.float32)
        threads.share(fill_regressors, self.other, self.root_weight, regressors)
        stream = counter_rng.stream_of(0, sweep, counter_rng.USER_ROW)
        threads.share(
            draw_rows,
            RowRatings(self.starts[first:], self.others, self.targets, regressors),
            RowTerms(
                self.weight[first:],
                self.precision,
                self.prior_terms[first:],
                self.prior_weight[first:],
            ),
            counter_rng.RowKeys(stream, self.ids[first:]),
            RowDraws(draws, means, covs, squares),
        )
        return draws, means, covs, squares

    def of_row(self, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y and the other side's weights of one row's ratings."""
        chosen = slice(self.starts[row], self.starts[row + 1])
        other = self.other[self.others[chosen]].astype(np.float64)
        x = np.column_stack([np.ones(len(other)), other[:, 1:]])
        return (
            x,
            self.targets[chosen] - other[:, 0],
            self.root_weight[self.others[chosen]].astype(np.float64) ** 2,
        )

    def dense(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of one row, as the docstring's formula says."""
        x, y, weights = self.of_row(row)
        weights = weights * self.weight[row]
        prior_weight = float(self.prior_weight[row])
        cov = np.linalg.inv(prior_weight * self.precision + (x.T * weights) @ x)
        return cov @ (prior_weight * self.prior_terms[row] + (x.T * weights) @ y), cov


@pytest.fixture(scope="module")
def regressions() -> Regressions:
    return Regressions()


def test_mean_and_covariance_are_those_of_the_regression(regressions: Regressions) -> None:
    _, means, covs, _ = regressions.draw(0)
    for row in range(N_ROWS):
        mean, cov = regressions.dense(row)
        np.testing.assert_allclose(means[row], mean, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(covs[row], cov, rtol=1e-3, atol=1e-4)


def test_squares_are_those_of_the_drawn_row(regressions: Regressions) -> None:
    draws, _, _, squares = regressions.draw(1)
    for row in range(N_ROWS):
        x, y, weights = regressions.of_row(row)
        np.testing.assert_allclose(
            squares[row], (weights * (y - x @ draws[row]) ** 2).sum(), rtol=1e-4, atol=1e-4
        )


def test_draws_scatter_about_the_mean_with_that_covariance(regressions: Regressions) -> None:
    mean, cov = regressions.dense(3)
    drawn = np.array([regressions.draw(sweep)[0][3] for sweep in range(4000)])
    whitened = (drawn - mean) @ np.linalg.cholesky(np.linalg.inv(cov))
    np.testing.assert_allclose(whitened.mean(0), 0, atol=0.08)
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(D), atol=0.12)


def test_the_number_of_threads_changes_no_bit(
    regressions: Regressions, use_threads: Callable[[int], None]
) -> None:
    drawn = []
    for number in (1, 3):
        use_threads(number)
        drawn.append(b"".join(array.tobytes() for array in regressions.draw(5)))
    assert drawn[0] == drawn[1]


def test_a_row_does_not_depend_on_the_rows_that_are_drawn_beside_it(
    regressions: Regressions,
) -> None:
    together = regressions.draw(6)
    for first in (1, 40, N_ROWS - 1):
        for ours, theirs in zip(regressions.draw(6, first), together, strict=True):
            assert ours.tobytes() == theirs[first:].tobytes()
