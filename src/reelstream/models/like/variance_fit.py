"""Fits `VarianceScale` to held-out ratings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from reelstream.models.like.model import Posterior
from reelstream.models.like.variance_scale import VarianceScale

# Precision of the weights' normal prior: a direction that few ratings speak for stays near zero.
WEIGHT_PRECISION = 10.0
# Smallest variance of a rating on its scale, in squared stars: its logarithm is taken.
MIN_VARIANCE = 1e-3


def fit_variance_scale(
    posterior: Posterior,
    columns: NDArray[np.float64],
    ratings: NDArray[np.float64],
    values: NDArray[np.float64],
) -> VarianceScale:
    """The correction that makes n held-out ratings (n,) most likely, given their `posterior`.

    columns (n, N_COLUMNS): see `variance_columns`; values: those of the scale, rising. The
    likelihood is that of a normal with the variance that a rating has on its scale, which is the
    width that answers give. All widths are then multiplied by one factor, so that as many ratings
    as should be lie within them.
    """
    from scipy.optimize import minimize  # noqa: PLC0415  (slow to import; a server never fits)

    centre, scale = columns.mean(0), np.maximum(columns.std(0), 1e-9)
    centre[0], scale[0] = 0.0, 1.0
    x = (columns - centre) / scale
    squares = (ratings - posterior.mean) ** 2

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        variance, slope = _variance_on_scale(
            posterior.mean, posterior.variance * np.exp(x @ weights), values
        )
        total = 0.5 * (np.log(variance) + squares / variance).sum()
        gradient = x.T @ (0.5 * slope * (1 - squares / variance) / variance)
        penalty = 0.5 * WEIGHT_PRECISION * weights @ weights
        return float(total + penalty), gradient + WEIGHT_PRECISION * weights

    weights = minimize(loss, np.zeros(x.shape[1]), jac=True, method="BFGS").x
    variance, _ = _variance_on_scale(
        posterior.mean, posterior.variance * np.exp(x @ weights), values
    )
    weights[0] += 2 * np.log(_width_factor(np.sqrt(squares / variance)))
    return VarianceScale(centre=centre, scale=scale, weights=weights)


def _width_factor(errors: NDArray[np.float64]) -> float:
    """What to multiply every standard deviation by, given errors (n,) in these units.

    Errors have heavier tails than a normal law, so that one width cannot hold the normal shares
    within one and within two standard deviations: this one is between those that do.
    """
    within = np.quantile(errors, ndtr([1.0, 2.0]) - ndtr([-1.0, -2.0])) / [1.0, 2.0]
    return float(np.sqrt(within.prod()))


def _variance_on_scale(
    mean: NDArray[np.float64], variance: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The variance (n,) of `rating_distribution`, and its derivative by the logarithm of the
    normal's variance (n,).
    """
    z = ((values[1:] + values[:-1]) / 2 - mean[:, None]) / np.sqrt(variance)[:, None]
    # Of a sum over values times probabilities, summed by parts: each step counts what lies above.
    above, slopes = ndtr(-z), 0.5 * z * np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    steps, square_steps = np.diff(values), np.diff(values**2)
    expected = values[0] + above @ steps
    on_scale = values[0] ** 2 + above @ square_steps - expected**2
    slope = slopes @ square_steps - 2 * expected * (slopes @ steps)
    return np.maximum(on_scale, MIN_VARIANCE), slope
