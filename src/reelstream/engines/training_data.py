"""Ratings as the sampler reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Side:
    """The ratings of one side, grouped by row: n rows, N ratings."""

    ids: NDArray[np.int64]
    """(n,): external ids; they key the noise."""
    starts: NDArray[np.int64]
    """(n + 1,): where each row's ratings begin."""
    others: NDArray[np.int32]
    """(N,): rows of the other side."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Ratings as the sampler reads them: in order of user and time, and again grouped by item."""

    users: Side
    items: Side
    centred: NDArray[np.float32]
    """(N,): ratings less their mean, by user and time."""
    gaps: NDArray[np.float32]
    """(N,): seconds since the user's rating before, by user and time; infinite at a user's
    first.
    """
    by_item: NDArray[np.uint32]
    """(N,): positions in that order, grouped by item."""
    mean: float

    @classmethod
    def of(
        cls,
        user_ids: NDArray[np.int64],
        user_rows: NDArray[np.int64],
        item_ids: NDArray[np.int64],
        item_rows: NDArray[np.int64],
        ratings: NDArray[np.float32],
        times: NDArray[np.int64],
        mean: float | None = None,
    ) -> TrainingData:
        """From ratings sorted by user and time, each with its user's and item's row; `mean` where
        they are not all.
        """
        mean = float(ratings.mean(dtype=np.float64)) if mean is None else mean
        by_item = np.argsort(item_rows, kind="stable").astype(np.uint32)
        starts = _starts(user_rows, len(user_ids))
        gaps = np.diff(times, prepend=times[:1]).astype(np.float32)
        gaps[starts[:-1]] = np.inf
        return cls(
            Side(user_ids, starts, item_rows.astype(np.int32)),
            Side(item_ids, _starts(item_rows, len(item_ids)), user_rows.astype(np.int32)[by_item]),
            ratings - np.float32(mean),
            gaps,
            by_item,
            mean,
        )


def _starts(rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))])
