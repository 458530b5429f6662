"""The prequential record: every batch is predicted by the set in service before anybody learns from it.

Test-then-train (Gama, Sebastião and Rodrigues, *On Evaluating Stream Learning Algorithms*, 2013), with and without the
live learning that the server does, beside two baselines that know the same history.
"""

from __future__ import annotations

import numpy as np

from reelstream.models.base import ModelSet, Predictions
from reelstream.ratings import RatingColumns, RatingScale
from reelstream.storage.history import History
from reelstream.storage.release import BatchScores
from reelstream.training.baselines import BiasBaseline, GlobalMean
from reelstream.training.scores import score, score_points


def replay_batch(
    number: int, batch: RatingColumns, history: History, model_set: ModelSet | None, scale: RatingScale
) -> BatchScores:
    """How batch `number` was predicted by `model_set`, which knew `history`, all ratings before the batch.

    Ratings are replayed in order of (timestamp, partition, offset); deletions are neither predicted nor learned.
    """
    batch = batch[~np.isnan(batch.rating)].in_time()
    live = static = None
    if model_set is not None:
        known = history.of_users(np.unique(batch.user_id))
        live = score(replay(model_set, known, batch, live=True), batch.rating, scale)
        static = score(replay(model_set, known, batch, live=False), batch.rating, scale)
    mean, biases = GlobalMean(history.ratings, scale), BiasBaseline(history.ratings, scale)
    return BatchScores(
        number,
        None if model_set is None else model_set.number,
        live,
        static,
        score_points(mean.predict(batch.user_id, batch.item_id), batch.rating, scale),
        score_points(biases.predict(batch.user_id, batch.item_id), batch.rating, scale),
    )


def replay(model_set: ModelSet, known: RatingColumns, asked: RatingColumns, live: bool) -> Predictions:
    """Answers for the `asked` ratings, in their order: each from what its user rated before.

    `known` is learned; with `live`, each asked rating is too, once it has been predicted.
    """
    events = RatingColumns.concatenate([known, asked])
    asks = np.arange(len(events)) >= len(known)
    _, predictions = model_set.ask_events(events, asks, np.ones(len(events), bool) if live else ~asks)
    return predictions
