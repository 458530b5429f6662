"""How good live answers are: what was expected of the newest ratings before they were known."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np

# Ratings that are scored: in a busy stream those of minutes.
MAX_SCORED = 10_000
# As scikit-learn does: a probability of 0 or 1 must not make the loss infinite.
MIN_PROBABILITY = 1e-15


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveScore:
    """Scores of the newest ratings; None where they cannot tell."""

    ratings: int
    rmse: float | None = None
    log_loss: float | None = None
    """Of the probability of a like."""
    auc: float | None = None
    """Likewise; None when all were liked, or none."""


class LiveScores:
    """Keeps what is needed of the newest ratings; for one thread that adds and any that read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest = deque[tuple[float, float, bool]](maxlen=MAX_SCORED)

    def note(self, error: float, like_probability: float, *, liked: bool) -> None:
        """A rating was this far from what was expected of it, and liked or not."""
        with self._lock:
            self._newest.append((error, like_probability, liked))

    def score(self) -> LiveScore:
        """Scores of what is kept."""
        with self._lock:
            newest = list(self._newest)
        if not newest:
            return LiveScore(ratings=0)
        errors, given, came = (np.array(column) for column in zip(*newest, strict=True))
        probability = np.clip(given, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
        losses = -np.log(np.where(came, probability, 1 - probability))
        liked, others = probability[came], np.sort(probability[~came])
        # The share of pairs in the right order, ties half (Mann and Whitney).
        below = others.searchsorted(liked) + others.searchsorted(liked, side="right")
        pairs = 2 * len(liked) * len(others)
        return LiveScore(
            ratings=len(newest),
            rmse=float(np.sqrt(np.mean(errors**2))),
            log_loss=float(losses.mean()),
            auc=float(below.sum() / pairs) if pairs else None,
        )
