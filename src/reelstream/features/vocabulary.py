"""External ids, which are any int64, and the rows that stand for them in arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Vocabulary:
    """The rising external ids of an array's rows."""

    def __init__(self, ids: NDArray[np.int64]) -> None:
        """`ids` (n,): sorted, each once."""
        self.ids = ids

    @classmethod
    def of(cls, ids: NDArray[np.int64]) -> Vocabulary:
        """The vocabulary of any ids, repeated and in any order."""
        return cls(np.unique(ids))

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each id, -1 where the vocabulary lacks it."""
        if len(self.ids) == 0:
            return np.full(len(ids), -1, np.int64)
        rows = self.ids.searchsorted(ids)
        rows[rows == len(self.ids)] = 0  # any row that exists: the comparison below rejects it
        return np.where(self.ids[rows] == ids, rows, -1)
