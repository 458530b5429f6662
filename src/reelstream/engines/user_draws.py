"""The users of a chain, as the last sweep drew them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class UserDraws:
    """What is drawn of each user: n of them, D numbers a row."""

    rows: NDArray[np.float32]
    """(n, D)"""
    noise: NDArray[np.float64]
    """(n,): lam_u."""
    scale: NDArray[np.float64]
    """(n,): k_u."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: slice | NDArray[np.int64]) -> UserDraws:
        """The chosen users: views for a slice, copies for an array of rows."""
        return UserDraws(self.rows[chosen], self.noise[chosen], self.scale[chosen])

    @classmethod
    def joined(cls, parts: Sequence[UserDraws]) -> UserDraws:
        """Several users' draws, one after the other."""
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.noise for part in parts]),
            np.concatenate([part.scale for part in parts]),
        )
