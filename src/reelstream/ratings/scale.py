"""The ratings that a data set allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

# How far, in steps, a rating may be from the nearest step: single precision rounds.
STEP_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class RatingScale:
    """The ratings that a data set allows, and from which one on an item counts as liked.

    >>> RatingScale().holds(4.5), RatingScale().holds(4.25)
    (True, False)
    """

    lowest: float = 0.5
    highest: float = 5.0
    step: float = 0.5
    like_threshold: float = 4.0

    @overload
    def holds(self, rating: float) -> bool: ...
    @overload
    def holds(self, rating: NDArray[np.float64]) -> NDArray[np.bool_]: ...
    def holds(self, rating: float | NDArray[np.float64]) -> bool | NDArray[np.bool_]:
        """Whether one rating, or each of (n,), lies on the scale; NaN and infinities do not."""
        steps = (rating - self.lowest) / self.step
        # Distance from the nearest step: `round` takes no array, `np.rint` is slow with one number.
        off = (steps + 0.5) % 1 - 0.5
        return (
            (rating >= self.lowest)
            & (rating <= self.highest)
            & (off > -STEP_TOLERANCE)
            & (off < STEP_TOLERANCE)
        )

    def values(self) -> NDArray[np.float64]:
        """All ratings of the scale, rising."""
        return np.arange(self.lowest, self.highest + self.step / 2, self.step)
