"""Scores of live answers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from reelstream.serving.live_scores import MAX_SCORED, LiveScore, LiveScores


def test_scores_are_those_of_the_library() -> None:
    """With ties, and certainties that came true."""
    rng = np.random.default_rng(1)
    probability = np.append(rng.random(50).round(1), [0.0, 1.0])
    liked = np.append(rng.random(50) < probability[:50], [False, True])
    errors = rng.normal(size=52)
    scores = LiveScores()
    for error, chance, came in zip(errors, probability, liked, strict=True):
        scores.note(error, chance, liked=bool(came))
    found = scores.score()
    assert found.ratings == 52
    assert found.rmse == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert found.log_loss == pytest.approx(log_loss(liked, probability))
    assert found.auc == pytest.approx(roc_auc_score(liked, probability))


def test_what_cannot_be_told_is_none() -> None:
    """Nothing from no rating, and no order from likes alone."""
    scores = LiveScores()
    assert scores.score() == LiveScore(ratings=0)
    scores.note(0.5, 0.9, liked=True)
    assert scores.score().auc is None and scores.score().rmse == 0.5


def test_only_the_newest_count() -> None:
    scores = LiveScores()
    scores.note(100.0, 0.5, liked=True)
    for _ in range(MAX_SCORED):
        scores.note(1.0, 0.5, liked=False)
    assert scores.score().rmse == 1.0
