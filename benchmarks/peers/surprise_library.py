"""Surprise (https://surpriselib.com): its algorithms with the parameters that its own published
benchmark uses.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import surprise

from peers.contest import Answer, Peer, Question
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.scale import RatingScale

SEED = 0


@dataclass(frozen=True)
class _Algorithm:
    make: Callable[[], Any]

    def answer(self, question: Question) -> Answer:
        known = _trainset(question.known, question.scale)
        algorithm = self.make()
        started = time.perf_counter()
        algorithm.fit(known)
        seconds = time.perf_counter() - started
        pairs = zip(question.asked.user_id.tolist(), question.asked.item_id.tolist(), strict=True)
        return Answer(
            np.array([algorithm.predict(user, item).est for user, item in pairs]), seconds
        )


def _trainset(ratings: EventColumns, scale: RatingScale) -> Any:
    table = pd.DataFrame(
        {"user": ratings.user_id, "item": ratings.item_id, "rating": ratings.rating.astype(float)}
    )
    reader = surprise.Reader(rating_scale=(scale.lowest, scale.highest))
    return surprise.Dataset.load_from_df(table, reader).build_full_trainset()


def baseline_only() -> Peer:
    """Biases by alternating least squares."""
    return _Algorithm(lambda: surprise.BaselineOnly(verbose=False))


def svd() -> Peer:
    """Biased matrix factorization by stochastic gradient descent."""
    return _Algorithm(lambda: surprise.SVD(random_state=SEED))


def svd_pp() -> Peer:
    """The same with implicit feedback (Koren, KDD 2008), in its faster setting."""
    return _Algorithm(lambda: surprise.SVDpp(random_state=SEED, cache_ratings=True))


def knn_baseline() -> Peer:
    """Neighbours, beside biases; between films and by Pearson's shrunk correlation, as its
    documentation advises.
    """
    similarity = {"name": "pearson_baseline", "user_based": False}
    return _Algorithm(
        lambda: surprise.KNNBaseline(sim_options=similarity, bsl_options={}, verbose=False)
    )
