"""The prequential record: every batch is predicted by the set in service before anybody learns from
it.

Test-then-train (Gama, Sebastião and Rodrigues, *On Evaluating Stream Learning Algorithms*, 2013):
with the live learning that the server does, of users and films; of users alone; and without any;
beside two baselines that know the same history.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Literal

import numpy as np

from reelstream.evaluation.baselines import BiasBaseline, GlobalMean, ItemSums
from reelstream.evaluation.reports import BatchScores, WindowScores
from reelstream.evaluation.scores import score, score_points
from reelstream.models.model_set import ModelSet, Predictions
from reelstream.models.rating.online_items import OnlineItems
from reelstream.models.replay import predict_events
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.effective import after_erasures
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale

Learns = Literal["nothing", "users", "users and films"]

# Ratings replayed at once where films learn: what was known of their users then is kept, 5 kB each.
MAX_BELIEFS = 50_000

# Ratings that a moving window holds: enough for an RMSE to within 0.02.
WINDOW = 2_000
# Places of the window in a batch: it moves by half its width, and by more through a long batch.
MAX_WINDOWS = 20


def replay_batch(
    number: int,
    batch: EventColumns,
    history: Histories,
    items: ItemSums,
    model_set: ModelSet | None,
    scale: RatingScale,
) -> BatchScores:
    """How `batch`, of batch `number`, was predicted by `model_set`, which knew the `history` of its
    users before it.

    Ratings are replayed in order of (timestamp, partition, offset); deletions are neither predicted
    nor learned. Behind a message that erases a user, the user begins anew; what is forgotten when
    it comes is passed over. `items` are the sums of everybody's ratings before the batch.
    """
    erasures, ratings = batch[batch.is_erasure], batch[batch.is_rating]
    before = history.tombstones[history.tombstones.is_erasure]
    batch = after_erasures(EventColumns.concatenate([before, ratings]))
    batch = batch[batch.is_rating].by_time()
    known = history.of_users(np.unique(batch.user_id))
    live = live_users = static = None
    windows: list[WindowScores] = []
    if model_set is not None:
        events = EventColumns.concatenate([known, erasures])
        answers = [
            replay(model_set, events, batch, learns)
            for learns in ("users and films", "nothing", "users")
        ]
        live, static, live_users = (score(each, batch.rating, scale) for each in answers)
        windows = [
            WindowScores(
                place.stop, *(score(each[place], batch.rating[place], scale) for each in answers)
            )
            for place in _places(len(batch))
        ]
    baselines = GlobalMean(items, scale), BiasBaseline(items, known, scale)
    mean, biases = (
        score_points(baseline.predict(batch.user_id, batch.item_id), batch.rating, scale)
        for baseline in baselines
    )
    asked_set = None if model_set is None else model_set.number
    return BatchScores(number, asked_set, live, static, mean, biases, live_users, windows)


def _places(n_ratings: int) -> list[slice]:
    """The windows of a batch; the last ends with it."""
    step = max(WINDOW // 2, -(-n_ratings // MAX_WINDOWS))
    return [slice(end - WINDOW, end) for end in range(n_ratings, WINDOW - 1, -step)][::-1]


def replay(
    model_set: ModelSet, known: EventColumns, asked: EventColumns, learns: Learns
) -> Predictions:
    """Answers for the `asked` ratings, in their order, which is that of time where films learn.

    `known` is learned; what else `learns` does so from each asked rating once it has been
    predicted.
    """
    if learns != "users and films":
        return _replay(model_set, known, asked, learns == "users", None)
    films = model_set.online_items()
    parts = []
    for first in range(0, max(len(asked), 1), MAX_BELIEFS):
        before = EventColumns.concatenate([known, asked[:first]])
        parts.append(_replay(model_set, before, asked[first : first + MAX_BELIEFS], True, films))
    return Predictions(
        *(
            np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Predictions)
        )
    )


def _replay(
    model_set: ModelSet,
    known: EventColumns,
    asked: EventColumns,
    live: bool,
    films: OnlineItems | None,
) -> Predictions:
    events = EventColumns.concatenate([known, asked])
    asks = np.arange(len(events)) >= len(known)
    return predict_events(
        model_set, events, asks, np.ones(len(events), bool) if live else ~asks, films
    )
