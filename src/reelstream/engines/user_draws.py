"""The users of a chain, as the last sweep drew them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

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
    prior_weight: NDArray[np.float64]
    """(n,): c_u."""

    @classmethod
    def start(cls, rows: NDArray[np.float32]) -> UserDraws:
        """Users of ordinary steadiness with these rows (n, D)."""
        n = len(rows)
        return cls(rows, np.ones(n), np.ones(n), np.ones(n))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: slice | NDArray[np.int64]) -> UserDraws:
        """The chosen users: views for a slice, copies for an array of rows."""
        return UserDraws(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[UserDraws]) -> UserDraws:
        """Several users' draws, one after the other."""
        return cls(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            )
        )
