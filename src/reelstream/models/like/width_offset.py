"""How much wider or narrower ratings spread at present than the corrected variance says.

The correction is fitted to ratings of all the time that a set learned from; users who come later,
newcomers above all, may be easier or harder to predict. The logarithm of a factor on every standard
deviation follows them, one number for each group of users by how many of their ratings are known.
It is a random walk, of which every rating is an observation: whether it lies within one standard
deviation, within two, or farther away, against the shares of a normal law (an extended Kalman
filter of a categorical observation: Fahrmeir, *Posterior Mode Estimation by Extended Kalman
Filtering for Multivariate Dynamic Generalized Linear Models*, JASA 1992). Shares, not squares,
since errors have heavier tails than a normal law.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

# Ratings known of a user from which the next group begins.
GROUP_STARTS = (1, 6, 21, 101)
N_GROUPS = len(GROUP_STARTS) + 1
# Before the first rating: standard deviation of each logarithm, and how alike neighbours are. Where
# the training part of MovieLens is split in time once more, ratings are as likely with 0.1 as with
# 0.3, and with 0.5 as with 0.95, to 0.001 in the log.
START_SD, NEIGHBOURS = 0.1, 0.8
# Ratings of a group after which one of it counts for a third.
MEMORY_RATINGS = 1_000.0

# A normal law's shares within one standard deviation, within two, and beyond; and their derivatives
# by the logarithm of the standard deviation.
_EDGES = (1.0, 2.0)
_SHARES = np.diff([0.0, *(2 * ndtr(_EDGES) - 1), 1.0])
_DENSITIES = np.exp(-0.5 * np.square(_EDGES)) / math.sqrt(2 * math.pi)
_SLOPES = np.diff([0.0, *(-2 * np.array(_EDGES) * _DENSITIES), 0.0])
_SCORES = (_SLOPES / _SHARES).tolist()
_INFORMATION = float((_SLOPES**2 / _SHARES).sum())


def _start_cov() -> NDArray[np.float64]:
    apart = np.abs(np.subtract.outer(np.arange(N_GROUPS), np.arange(N_GROUPS)))
    return START_SD**2 * NEIGHBOURS**apart


@dataclass(slots=True)
class WidthOffset:
    """The logarithms of the factors, and how sure they are."""

    mean: NDArray[np.float64] = field(default_factory=lambda: np.zeros(N_GROUPS))
    """(N_GROUPS,)"""
    cov: NDArray[np.float64] = field(default_factory=_start_cov)
    """(N_GROUPS, N_GROUPS)"""

    def of(self, user_ratings: int) -> float:
        """The logarithm for a user of whom so many ratings are known."""
        return float(self.mean[bisect_right(GROUP_STARTS, user_ratings)])

    def at(self, user_ratings: NDArray[np.int64]) -> NDArray[np.float64]:
        """The logarithms for n users of whom so many ratings are known, (n,)."""
        return self.mean[np.searchsorted(GROUP_STARTS, user_ratings, side="right")]

    def update(self, user_ratings: int, error: float) -> None:
        """Learn from a rating that was so many standard deviations off, without the offset."""
        group = bisect_right(GROUP_STARTS, user_ratings)
        cell = bisect_right(_EDGES, abs(error) * math.exp(-self.mean[group]))
        # With a step of this variance, a rating comes to have the weight 1 / MEMORY_RATINGS.
        self.cov[group, group] += 1 / (_INFORMATION * MEMORY_RATINGS**2)
        along = self.cov[group].copy()
        gain = along / (1 + along[group] * _INFORMATION)
        self.mean += gain * _SCORES[cell]
        self.cov -= np.outer(gain, along) * _INFORMATION
