"""The prequential record: every batch is predicted by the set in service before anybody learns from it.

Test-then-train (Gama, Sebastião and Rodrigues, *On Evaluating Stream Learning Algorithms*, 2013): with the live learning
that the server does, of users and films; of users alone; and without any; beside two baselines that know the same history.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Literal

import numpy as np

from reelstream.models.base import ModelSet, Predictions
from reelstream.models.film_posterior import OnlineFilms
from reelstream.models.replay import predict_events
from reelstream.ratings import RatingColumns, RatingScale
from reelstream.storage.history import History
from reelstream.storage.release import BatchScores
from reelstream.training.baselines import BiasBaseline, GlobalMean
from reelstream.training.scores import score, score_points

Learns = Literal["nothing", "users", "users and films"]

MOST_MOMENTS = 50_000
"""Ratings replayed at once where films learn: what was known of their users then is kept, 5 kB each."""


def replay_batch(
    number: int, batch: RatingColumns, history: History, model_set: ModelSet | None, scale: RatingScale
) -> BatchScores:
    """How batch `number` was predicted by `model_set`, which knew `history`, all ratings before the batch.

    Ratings are replayed in order of (timestamp, partition, offset); deletions are neither predicted nor learned.
    """
    batch = batch[~np.isnan(batch.rating)].in_time()
    live = live_users = static = None
    if model_set is not None:
        known = history.of_users(np.unique(batch.user_id))
        live = score(replay(model_set, known, batch, "users and films"), batch.rating, scale)
        live_users = score(replay(model_set, known, batch, "users"), batch.rating, scale)
        static = score(replay(model_set, known, batch, "nothing"), batch.rating, scale)
    mean, biases = GlobalMean(history.ratings, scale), BiasBaseline(history.ratings, scale)
    return BatchScores(
        number,
        None if model_set is None else model_set.number,
        live,
        static,
        score_points(mean.predict(batch.user_id, batch.item_id), batch.rating, scale),
        score_points(biases.predict(batch.user_id, batch.item_id), batch.rating, scale),
        live_users,
    )


def replay(model_set: ModelSet, known: RatingColumns, asked: RatingColumns, learns: Learns) -> Predictions:
    """Answers for the `asked` ratings, in their order, which is that of time where films learn.

    `known` is learned; what else `learns` does so from each asked rating once it has been predicted.
    """
    if learns != "users and films":
        return _replay(model_set, known, asked, learns == "users", None)
    films = model_set.online_films()
    parts = []
    for first in range(0, max(len(asked), 1), MOST_MOMENTS):
        before = RatingColumns.concatenate([known, asked[:first]])
        parts.append(_replay(model_set, before, asked[first : first + MOST_MOMENTS], True, films))
    return Predictions(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Predictions))
    )


def _replay(
    model_set: ModelSet, known: RatingColumns, asked: RatingColumns, live: bool, films: OnlineFilms | None
) -> Predictions:
    events = RatingColumns.concatenate([known, asked])
    asks = np.arange(len(events)) >= len(known)
    return predict_events(model_set, events, asks, np.ones(len(events), bool) if live else ~asks, films)
