"""Whether films are taken as often as the choice model says."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reelstream.evaluation.reports import ChoiceBin

# Probabilities are told apart by these: of nearly all films they are far below one in a hundred.
EDGES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)


@dataclass(slots=True)
class ChoiceCalibration:
    """What was predicted and what came, by predicted probability, as moments pass by."""

    _films: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(EDGES) + 1, np.int64))
    _predicted: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(EDGES) + 1))
    _taken: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(EDGES) + 1))

    def add(self, choice: NDArray[np.floating], taken: NDArray[np.int64]) -> None:
        """One moment: the probability of each film (N,) to be the next, negative for a film that
        was rated before, and the rows of those that were rated at that moment, which share it.
        """
        bins = np.searchsorted(EDGES, choice, side="right")
        is_asked = choice >= 0
        size = len(EDGES) + 1
        self._films += np.bincount(bins[is_asked], minlength=size)
        self._predicted += np.bincount(bins[is_asked], choice[is_asked], minlength=size)
        taken = taken[choice[taken] >= 0]
        if len(taken):
            # One choice a moment, however many films were rated at once.
            shares = np.full(len(taken), 1 / len(taken))
            self._taken += np.bincount(bins[taken], shares, minlength=size)

    def bins(self) -> list[ChoiceBin]:
        """Those with a film, rising."""
        return [
            ChoiceBin(
                below=below,
                n=int(films),
                predicted=float(predicted / films),
                came=float(taken / films),
            )
            for below, films, predicted, taken in zip(
                (*EDGES, 1.0), self._films, self._predicted, self._taken, strict=True
            )
            if films
        ]
