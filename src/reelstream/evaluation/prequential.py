"""The prequential record: every batch is predicted by the set in service before anybody learns from
it.

Test-then-train (Gama, Sebastião and Rodrigues, *On Evaluating Stream Learning Algorithms*, 2013):
with the live learning that the server does, of users and films; of users alone; and without any;
beside two baselines that know the same history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Literal

import numpy as np

from reelstream.evaluation.baselines import BiasBaseline, GlobalMean, ItemSums
from reelstream.evaluation.scores import score, score_points
from reelstream.models.model_set import ModelSet, Predictions
from reelstream.models.rating.online_items import OnlineItems
from reelstream.models.replay import predict_events
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.effective import after_erasures, effective_ratings
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale
from reelstream.storage.batch_files import BatchFolder, Manifest
from reelstream.storage.release import BatchScores, WindowScores
from reelstream.storage.snapshot_reader import SnapshotReader

Learns = Literal["nothing", "users", "users and films"]

MAX_ROWS = 1_000_000
"""Of the users who are replayed, all ratings together: half a minute's work, and less memory than
the films of a set.
"""
MAX_BELIEFS = 50_000
"""Ratings replayed at once where films learn: what was known of their users then is kept, 5 kB
each.
"""

WINDOW = 2_000
"""Ratings that a moving window holds: enough for an RMSE to within 0.02."""
MAX_WINDOWS = 20
"""Places of the window in a batch: it moves by half its width, and by more through a long batch."""


def replay_batches(
    folder: BatchFolder,
    new: Sequence[Manifest],
    stored: SnapshotReader,
    model_set: ModelSet | None,
    scale: RatingScale,
) -> list[BatchScores]:
    """How each of the `new` batches was predicted by `model_set`, which knew `stored` and the new
    batches before it.

    Of more users than have MAX_ROWS ratings together, stored and new, an even sample is asked:
    filtering all would take longer than a fit. Raises DamagedError.
    """
    if not new:  # a set made because batches were excluded
        return []
    users = np.empty(0, np.int64)
    for manifest in new:
        users = np.union1d(users, folder.read(manifest).user_id)
    n_rows = stored.ratings_of(users) + sum(manifest.rows for manifest in new)
    users = users[:: n_rows // MAX_ROWS + 1]
    known, items = stored.of_users(users), ItemSums()
    for chunk in stored.ratings():
        items.add(chunk)
    record = []
    for manifest in new:
        batch = folder.read(manifest)
        asked = batch[np.isin(batch.user_id, users)]
        record.append(replay_batch(manifest.number, asked, known, items, model_set, scale))
        known = known.merge(asked)
        items.add(effective_ratings(batch))
    return record


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
