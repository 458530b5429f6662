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
from reelstream.storage.release import BatchScores, WindowScores
from reelstream.training.baselines import BiasBaseline, GlobalMean
from reelstream.training.scores import score, score_points

Learns = Literal["nothing", "users", "users and films"]

MOST_MOMENTS = 50_000
"""Ratings replayed at once where films learn: what was known of their users then is kept, 5 kB each."""


WINDOW = 2_000
"""Ratings that a moving window holds: enough for an RMSE to within 0.02."""
MOST_WINDOWS = 20
"""Places of the window in a batch: it moves by half its width, and by more through a long batch."""


def replay_batch(
    number: int, batch: RatingColumns, history: History, model_set: ModelSet | None, scale: RatingScale
) -> BatchScores:
    """How batch `number` was predicted by `model_set`, which knew `history`, all ratings before the batch.

    Ratings are replayed in order of (timestamp, partition, offset); deletions are neither predicted nor learned. Behind a
    message that forgets a user, the user begins anew; what is forgotten when it comes is passed over.
    """
    forgets, ratings = batch[batch.forgets], batch[~np.isnan(batch.rating)]
    before = history.deletions[history.deletions.forgets]
    batch = RatingColumns.concatenate([before, ratings]).remembered()
    batch = batch[~batch.forgets].in_time()
    live = live_users = static = None
    windows: list[WindowScores] = []
    if model_set is not None:
        known = RatingColumns.concatenate([history.of_users(np.unique(batch.user_id)), forgets])
        answers = [replay(model_set, known, batch, learns) for learns in ("users and films", "nothing", "users")]
        live, static, live_users = (score(each, batch.rating, scale) for each in answers)
        windows = [
            WindowScores(place.stop, *(score(each[place], batch.rating[place], scale) for each in answers))
            for place in _places(len(batch))
        ]
    mean, biases = GlobalMean(history.ratings, scale), BiasBaseline(history.ratings, scale)
    return BatchScores(
        number,
        None if model_set is None else model_set.number,
        live,
        static,
        score_points(mean.predict(batch.user_id, batch.item_id), batch.rating, scale),
        score_points(biases.predict(batch.user_id, batch.item_id), batch.rating, scale),
        live_users,
        windows,
    )


def _places(n_ratings: int) -> list[slice]:
    """The windows of a batch; the last ends with it."""
    step = max(WINDOW // 2, -(-n_ratings // MOST_WINDOWS))
    return [slice(end - WINDOW, end) for end in range(n_ratings, WINDOW - 1, -step)][::-1]


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
