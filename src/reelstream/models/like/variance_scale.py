"""How much wider or narrower a rating's variance is than the rating model says.

The posterior's variance rests on a normal law and on draws of one chain; for newcomers it comes out
too small. Its logarithm is corrected by a linear function of itself, of how many ratings the user
and the item have, and of the mean, fitted to held-out ratings by maximum likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

N_COLUMNS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceScale:
    """The correction: `log variance += weights . (columns - centre) / scale`."""

    centre: NDArray[np.float64]
    """(N_COLUMNS,)"""
    scale: NDArray[np.float64]
    """(N_COLUMNS,)"""
    weights: NDArray[np.float64]
    """(N_COLUMNS,)"""

    @classmethod
    def none(cls) -> Self:
        """The correction that changes nothing."""
        return cls(
            centre=np.zeros(N_COLUMNS), scale=np.ones(N_COLUMNS), weights=np.zeros(N_COLUMNS)
        )

    def factors(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """What to multiply variances by (n,), given their `variance_columns` (n, N_COLUMNS)."""
        factors: NDArray[np.float64] = np.exp((columns - self.centre) / self.scale @ self.weights)
        return factors


def variance_columns(
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    user_ratings: NDArray[np.int64],
    item_ratings: NDArray[np.int64],
) -> NDArray[np.float64]:
    """The columns (n, N_COLUMNS) of the correction, from what is known of n queries."""
    return np.column_stack(
        [
            np.ones(len(mean)),
            np.log(variance),
            np.log1p(user_ratings),
            np.log1p(item_ratings),
            mean,
        ]
    )
