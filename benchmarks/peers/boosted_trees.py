"""LightGBM on what a person would compute from ratings: counts, smoothed means, genres, times."""

from __future__ import annotations

import time
from dataclasses import dataclass

import lightgbm
import numpy as np

from peers.contest import Answer, Peer, Question
from peers.rating_features import features_of

PARAMETERS = {
    "objective": "regression",
    "learning_rate": 0.03,
    "num_leaves": 31,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "seed": 0,
    "deterministic": True,
    "verbosity": -1,
}
ROUNDS, PATIENCE, VALIDATION_SHARE = 3000, 60, 0.1


@dataclass(frozen=True)
class _Trees:
    has_times: bool

    def answer(self, question: Question) -> Answer:
        n = len(question.known)
        started = time.perf_counter()
        table = features_of(question, has_times=self.has_times)
        judges = np.random.default_rng(0).random(n) < VALIDATION_SHARE
        rated = question.known.rating.astype(np.float64)
        learned = lightgbm.Dataset(table[:n][~judges], rated[~judges])
        trees = lightgbm.train(
            PARAMETERS,
            learned,
            ROUNDS,
            valid_sets=[lightgbm.Dataset(table[:n][judges], rated[judges], reference=learned)],
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )
        seconds = time.perf_counter() - started
        return Answer(np.asarray(trees.predict(table[n:]), np.float64), seconds)


def without_times() -> Peer:
    """Counts, smoothed means and genres."""
    return _Trees(has_times=False)


def with_times() -> Peer:
    """When the rating is given, and how the user rated just before, besides."""
    return _Trees(has_times=True)
