"""Predictions that need no model worth the name."""

from __future__ import annotations

import time
from dataclasses import dataclass

from peers.contest import Answer, Peer, Question
from reelstream.evaluation.baselines import BiasBaseline, GlobalMean


@dataclass(frozen=True)
class _Baseline:
    kind: type[GlobalMean | BiasBaseline]

    def answer(self, question: Question) -> Answer:
        started = time.perf_counter()
        model = self.kind.of(question.known, question.scale)
        seconds = time.perf_counter() - started
        return Answer(model.predict(question.asked.user_id, question.asked.item_id), seconds)


def mean() -> Peer:
    """One number for all."""
    return _Baseline(GlobalMean)


def biases() -> Peer:
    """The mean, and what is usual for the user and for the film."""
    return _Baseline(BiasBaseline)
