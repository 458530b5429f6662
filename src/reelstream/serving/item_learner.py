"""Lets items learn the ratings that the log follower has taken: beside it, so that no rating waits
until others are learned.
"""

from __future__ import annotations

from typing import ClassVar

from reelstream.serving.follower import Follower
from reelstream.serving.predictor import Predictor

# Ratings gather for so long: many cost less together than one by one, and nobody waits for what an
# item learns.
GATHER_SECONDS = 0.02


class ItemLearner(Follower):
    """Follows what a predictor has taken."""

    name: ClassVar[str] = "items"
    pause_seconds: ClassVar[float] = GATHER_SECONDS

    def __init__(self, predictor: Predictor) -> None:
        super().__init__(predictor.activity)
        self._predictor = predictor

    def follow(self) -> None:
        """See `Predictor.learn`."""
        self._predictor.learn()
