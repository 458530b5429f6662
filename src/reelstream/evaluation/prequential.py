"""The prequential record: every batch is predicted by the set in service before anybody learns from
it.

Test-then-train (Gama, Sebastião and Rodrigues, *On Evaluating Stream Learning Algorithms*, 2013):
with the live learning that the server does, of users and films; of users alone; and without any;
beside two baselines that know the same history.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from reelstream.evaluation.baselines import BiasBaseline, GlobalMean, ItemSums
from reelstream.evaluation.reports import BatchRanking, BatchScores, Scores, WindowScores
from reelstream.evaluation.sampled_lists import CandidateLists, questions_of_batch
from reelstream.evaluation.scores import score, score_points
from reelstream.models.model_set import ModelSet, Predictions
from reelstream.models.recommendation import live_choice_of
from reelstream.models.replay import predict_events, predict_live
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.effective import after_erasures
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale

Learns = Literal["nothing", "users", "users and films"]

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
    answers = _Answers.of(model_set, events, batch)
    live, static, live_users = answers.scores(batch.rating, scale)
    # A user who is forgotten within the batch has two histories: no list is made of them.
    listed = batch[~np.isin(batch.user_id, erasures.user_id)]
    return msgspec.structs.replace(
        scores,
        model_set=model_set.number,
        live=live,
        static=static,
        live_users=live_users,
        windows=_windows(answers, batch.rating, scale),
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
    events, is_query = _with_queries(learned, lists.queries())
    like = predict_events(model_set, events, is_query, ~is_query).like_probability
    return BatchRanking(
        n=len(questions),
        n_users=len(np.unique(lists.user_ids)),
        ndcg_10=float(lists.ndcg(like).mean()),
        popularity_ndcg_10=float(lists.popularity.mean()),
    )


class _Answers(NamedTuple):
    """Predictions of the same ratings, by what has learned of them before each."""

    live: Predictions
    static: Predictions
    live_users: Predictions

    @classmethod
    def of(cls, model_set: ModelSet, known: EventColumns, batch: EventColumns) -> _Answers:
        """Those of a batch, rising in time."""
        events, is_query = _with_queries(known, batch)
        every = np.ones(len(events), bool)
        live, live_users = predict_live(
            model_set, events, is_query, every, model_set.online_items()
        )
        static = predict_events(model_set, events, is_query, ~is_query)
        return cls(live=live, static=static, live_users=live_users)

    def scores(
        self, ratings: NDArray[np.float32], scale: RatingScale, place: slice = slice(None)
    ) -> list[Scores]:
        """Of each, on the ratings (n,) of a window."""
        return [score(each[place], ratings[place], scale) for each in self]


def _windows(
    answers: _Answers, ratings: NDArray[np.float32], scale: RatingScale
) -> list[WindowScores]:
    windows = []
    for place in _places(len(ratings)):
        live, static, live_users = answers.scores(ratings, scale, place)
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
    """Predictions of the ratings `queries`, in their order.

    `known` is learned; what else `learns` does so from each of them once it has been predicted, in
    order of time.
    """
    events, is_query = _with_queries(known, queries)
    is_update = ~is_query if learns == "nothing" else np.ones(len(events), bool)
    items = model_set.online_items() if learns == "users and films" else None
    return predict_events(model_set, events, is_query, is_update, items)


def _with_queries(
    known: EventColumns, queries: EventColumns
) -> tuple[EventColumns, NDArray[np.bool_]]:
    """Both in one, and which of them are queries."""
    events = EventColumns.concatenate([known, queries])
    return events, np.arange(len(events)) >= len(known)
