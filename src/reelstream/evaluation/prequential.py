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

import msgspec
import numpy as np

from reelstream.evaluation.baselines import BiasBaseline, GlobalMean, ItemSums
from reelstream.evaluation.reports import BatchRanking, BatchScores, WindowScores
from reelstream.evaluation.sampled_lists import CandidateLists, questions_of_batch
from reelstream.evaluation.scores import score, score_points
from reelstream.models.model_set import ModelSet, Predictions
from reelstream.models.rating.online_items import OnlineItems
from reelstream.models.recommendation import live_choice_of
from reelstream.models.replay import predict_events
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.effective import after_erasures
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale

Learns = Literal["nothing", "users", "users and films"]

# What learns from a batch, in the order in which its scores are unpacked: live, static, live_users.
_LEARNS: tuple[Learns, ...] = ("users and films", "nothing", "users")

# Ratings replayed at once where films learn: what was known of their users is kept, 21 kB each.
MAX_BELIEFS = 12_000

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
    nor learned. After an erasure its user begins anew; a rating from before an erasure in
    `history` is passed over. `items` are the sums of everybody's ratings before the batch.
    """
    erasures, ratings = batch[batch.is_erasure], batch[batch.is_rating]
    before = history.tombstones[history.tombstones.is_erasure]
    batch = after_erasures(EventColumns.concatenate([before, ratings]))
    batch = batch[batch.is_rating].by_time()
    known = history.of_users(np.unique(batch.user_id))
    baselines = GlobalMean(items, scale), BiasBaseline(items, known, scale)
    mean, biases = (
        score_points(baseline.predict(batch.user_id, batch.item_id), batch.rating, scale)
        for baseline in baselines
    )
    scores = BatchScores(
        batch=number, model_set=None, live=None, static=None, global_mean=mean, biases=biases
    )
    if model_set is None:
        return scores
    events = EventColumns.concatenate([known, erasures])
    answers = [replay(model_set, events, batch, learns) for learns in _LEARNS]
    live, static, live_users = (score(each, batch.rating, scale) for each in answers)
    # A user who is forgotten within the batch has two histories: no list is made of them.
    listed = batch[~np.isin(batch.user_id, erasures.user_id)]
    return msgspec.structs.replace(
        scores,
        model_set=model_set.number,
        live=live,
        static=static,
        live_users=live_users,
        windows=_windows(answers, batch, scale),
        ranking=_ranking(model_set, events, history, listed),
    )


def _ranking(
    model_set: ModelSet, known: EventColumns, history: Histories, batch: EventColumns
) -> BatchRanking | None:
    """What the set recommends at a sample of times in the batch, users and popularity live."""
    choice = live_choice_of(model_set)
    questions = questions_of_batch(batch, history, model_set.scale.like_threshold)
    if choice is None or not questions:
        return None
    lists = CandidateLists.of(choice, questions, batch)
    # Only their users learn: others tell nothing of these lists.
    learned = EventColumns.concatenate([known, batch])
    learned = learned[np.isin(learned.user_id, lists.user_ids)]
    events = EventColumns.concatenate([learned, lists.queries()])
    is_query = np.arange(len(events)) >= len(learned)
    like = predict_events(model_set, events, is_query, ~is_query).like_probability
    return BatchRanking(
        n=len(questions),
        n_users=len(np.unique(lists.user_ids)),
        ndcg_10=float(lists.ndcg(like).mean()),
        popularity_ndcg_10=float(lists.popularity.mean()),
    )


def _windows(
    answers: Sequence[Predictions], batch: EventColumns, scale: RatingScale
) -> list[WindowScores]:
    """`answers`: one for each of _LEARNS."""
    windows = []
    for place in _places(len(batch)):
        live, static, live_users = (
            score(each[place], batch.rating[place], scale) for each in answers
        )
        windows.append(
            WindowScores(ratings=place.stop, live=live, static=static, live_users=live_users)
        )
    return windows


def _places(n_ratings: int) -> list[slice]:
    """The windows of a batch; the last ends with it."""
    step = max(WINDOW // 2, -(-n_ratings // MAX_WINDOWS))
    return [slice(end - WINDOW, end) for end in range(n_ratings, WINDOW - 1, -step)][::-1]


def replay(
    model_set: ModelSet, known: EventColumns, queries: EventColumns, learns: Learns
) -> Predictions:
    """Predictions of the ratings `queries`, in their order; by time where films learn.

    `known` is learned; what else `learns` does so from each of them once it has been predicted.
    """
    if learns != "users and films":
        return _replay(model_set, known, queries, learns == "users", None)
    films = model_set.online_items()
    parts = []
    for first in range(0, max(len(queries), 1), MAX_BELIEFS):
        # Users are filtered again from the first event on; films keep what they have learned.
        before = EventColumns.concatenate([known, queries[:first]])
        parts.append(_replay(model_set, before, queries[first : first + MAX_BELIEFS], True, films))
    return Predictions(
        *(
            np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Predictions)
        )
    )


def _replay(
    model_set: ModelSet,
    known: EventColumns,
    queries: EventColumns,
    live: bool,
    films: OnlineItems | None,
) -> Predictions:
    events = EventColumns.concatenate([known, queries])
    is_query = np.arange(len(events)) >= len(known)
    return predict_events(
        model_set, events, is_query, np.ones(len(events), bool) if live else ~is_query, films
    )
