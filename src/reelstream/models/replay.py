"""Many users' events at once: each user is filtered from the first event on, with queries wherever
they are wanted.

Trainer and evaluation use it; a server predicts for one user at a time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reelstream.compute import threads
from reelstream.compute.arrays import Ints
from reelstream.features.holdout import is_trainable
from reelstream.models.like.model import Posterior
from reelstream.models.model_set import ModelSet, Predictions
from reelstream.models.rating.filter_input import (
    FilterEvents,
    FilterItems,
    UserSpans,
    slice_beliefs,
    slice_events,
)
from reelstream.models.rating.online_items import ItemQueries, OnlineItems
from reelstream.models.rating.smoothing import smooth_users
from reelstream.models.rating.user_filter import filter_users
from reelstream.models.rating.user_state import UserBeliefs
from reelstream.ratings.columns import EventColumns

# About how many ratings and queries a thread takes at once: some 10 MB, and some hundredths of a
# second.
CHUNK_EVENTS = 2_000


def predict_events(
    model_set: ModelSet,
    events: EventColumns,
    is_query: NDArray[np.bool_],
    is_update: NDArray[np.bool_],
    items: OnlineItems | None = None,
    *,
    looks_ahead: bool = False,
) -> Predictions:
    """Answers to the queries, in the order of `events`; see `posterior_of_events`."""
    posterior = posterior_of_events(
        model_set, events, is_query, is_update, items, looks_ahead=looks_ahead
    )
    return model_set.predictions(posterior, events.item_id[is_query])


def posterior_of_events(
    model_set: ModelSet,
    events: EventColumns,
    is_query: NDArray[np.bool_],
    is_update: NDArray[np.bool_],
    items: OnlineItems | None = None,
    *,
    looks_ahead: bool = False,
) -> Posterior:
    """What the rating model says of those of n events that are queries, in the order of `events`.

    `events` may come in any order; within a user they are taken in order of time. A query is
    predicted from all of its user's updates before it; where the set takes no notice of time, those
    that are no queries come first. An erasure must not be a query; after it the user begins anew.
    With `items`, these are updated as well, and how likely likes are at present, from events that
    are both query and update, in order of time over all users. With `looks_ahead` the updates after
    a query count too, which no server can know: for comparison with figures that do; then no event
    may be both query and update.
    """
    replay = _Replay.of(model_set, events, is_query, is_update)
    online = items if items is not None else model_set.online_items()
    rows = online.rows(replay.queries.item_id, own=items is not None)
    if items is None:
        answers = _answer_in_chunks(replay, rows, online, looks_ahead=looks_ahead)
    else:
        beliefs = _beliefs_at_queries(replay, looks_ahead=looks_ahead)
        answers = _answer_in_time(replay, rows, beliefs, items)
    count = _counts_in_all if looks_ahead else _counts_before
    likes = replay.is_update & (replay.ratings >= model_set.scale.like_threshold)
    user_ratings, user_likes = (
        count(counted, replay.spans.starts)[replay.query_rows]
        for counted in (replay.is_update, likes)
    )
    no_offset = np.zeros(len(answers))
    posterior = model_set.posterior(answers, user_ratings, user_likes, no_offset)
    if items is not None:
        posterior = replace(posterior, like_offset=_like_offsets(replay, posterior, items))
    return posterior[np.argsort(replay.query_order)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Replay:
    """n events, ordered by user and time and without erasures, q of them queries; as the filter
    takes them.
    """

    model_set: ModelSet
    events: FilterEvents
    items: FilterItems
    spans: UserSpans
    ratings: NDArray[np.float32]
    """(n,)"""
    is_update: NDArray[np.bool_]
    """(n,)"""
    queries: EventColumns
    """(q,)"""
    query_rows: NDArray[np.int64]
    """(q,): rows of the queries among the n events."""
    query_order: NDArray[np.int64]
    """(q,): rows of the queries in the order in which the events were given."""

    @classmethod
    def of(
        cls,
        model_set: ModelSet,
        events: EventColumns,
        is_query: NDArray[np.bool_],
        is_update: NDArray[np.bool_],
    ) -> _Replay:
        """The events in any order, see `posterior_of_events`."""
        time = events.timestamp if model_set.uses_times else is_query.astype(np.int64)
        order: NDArray[np.int64] = np.lexsort(
            (events.offset, events.partition, time, events.user_id)
        )
        erasures = events.is_erasure[order]
        lives = np.cumsum(erasures, dtype=np.int64)[~erasures]
        order = order[~erasures]
        ordered, is_query, is_update = events[order], is_query[order], is_update[order]
        starts = _starts(ordered.user_id, lives)
        query_rows = np.flatnonzero(is_query)
        items, rows = model_set.filter_items(ordered.item_id)
        return cls(
            model_set=model_set,
            events=model_set.filter_events(ordered, rows, is_query, is_update),
            items=items,
            spans=UserSpans(starts, np.searchsorted(query_rows, starts)),
            ratings=ordered.rating,
            is_update=is_update,
            queries=ordered[query_rows],
            query_rows=query_rows,
            query_order=order[query_rows],
        )

    def fill_beliefs(self, users: slice, beliefs: UserBeliefs, *, looks_ahead: bool) -> None:
        """Fill the beliefs at the queries of some users; `users` is the slice of the spans that
        bounds them.
        """
        starts, first_query = (bounds[users] for bounds in self.spans)
        spans = UserSpans(starts - starts[0], first_query - first_query[0])
        events = slice_events(self.events, starts[0], starts[-1])
        dynamics = self.model_set.dynamics
        if looks_ahead:
            smooth_users(spans, events, self.items, dynamics, beliefs)
        else:
            filter_users(spans, events, self.items, dynamics, beliefs)

    def queries_of(self, users: slice) -> tuple[int, int]:
        """The first query of some users, and the first after theirs."""
        first_query = self.spans.first_query[users]
        return int(first_query[0]), int(first_query[-1])

    def order_in_time(self) -> NDArray[np.int64]:
        """The queries (q,) of all users in order of time."""
        queries = self.queries
        return np.lexsort((queries.offset, queries.partition, queries.timestamp))

    def updates_items(self) -> NDArray[np.bool_]:
        """Whether each query (q,) updates its item once it is predicted."""
        return self.is_update[self.query_rows] & is_trainable(self.queries)

    def chunks(self) -> list[slice]:
        """The users in chunks of about CHUNK_EVENTS events, each as the slice of the spans that
        bounds it.
        """
        starts = self.spans.starts
        begins = np.searchsorted(starts, np.arange(0, starts[-1], CHUNK_EVENTS))
        edges = np.unique(np.append(begins, len(starts) - 1))
        return [slice(first, end + 1) for first, end in pairwise(edges.tolist())]


def _answer_in_chunks(
    replay: _Replay, rows: NDArray[np.int64], items: OnlineItems, *, looks_ahead: bool
) -> NDArray[np.float64]:
    """Answers (q, 3) to the queries, given the row (q,) of each in `items`, which stay as they
    are.
    """
    answers = np.empty((len(rows), 3))

    def answer(users: slice) -> None:
        # Each chunk is answered at once: the beliefs of all users would fill the memory.
        first, end = replay.queries_of(users)
        beliefs = UserBeliefs.allocate(end - first, replay.model_set.dynamics)
        replay.fill_beliefs(users, beliefs, looks_ahead=looks_ahead)
        queries = ItemQueries.without_updates(np.arange(end - first), rows[first:end])
        answers[first:end] = replay.model_set.query(queries, beliefs, items)

    with ThreadPoolExecutor(threads.count()) as pool:  # the filter does not hold Python's lock
        list(pool.map(answer, replay.chunks()))
    return answers


def _beliefs_at_queries(replay: _Replay, *, looks_ahead: bool) -> UserBeliefs:
    """What was known of the users at each of the q queries."""
    beliefs = UserBeliefs.allocate(len(replay.queries), replay.model_set.dynamics)

    def fill(users: slice) -> None:
        own = slice_beliefs(beliefs, *replay.queries_of(users))
        replay.fill_beliefs(users, own, looks_ahead=looks_ahead)

    with ThreadPoolExecutor(threads.count()) as pool:
        list(pool.map(fill, replay.chunks()))
    return beliefs


def _answer_in_time(
    replay: _Replay, rows: NDArray[np.int64], beliefs: UserBeliefs, items: OnlineItems
) -> NDArray[np.float64]:
    """Answers (q, 3) to the queries, all users' in order of time; `items` are updated in between
    with what is trainable.
    """
    queries, model_set = replay.queries, replay.model_set
    order, is_update = replay.order_in_time(), replay.updates_items()
    centred = queries.rating.astype(np.float64) - model_set.rating.mean
    answers = np.empty((len(queries), 3))
    in_time = ItemQueries(order, rows[order], centred[order], is_update[order])
    answers[order] = model_set.query(in_time, beliefs, items)
    return answers


def _like_offsets(replay: _Replay, posterior: Posterior, items: OnlineItems) -> NDArray[np.float64]:
    """The offset (q,) at each query, given the `posterior` (q,); that of `items` learns in order of
    time.
    """
    queries, model_set = replay.queries, replay.model_set
    log_odds = model_set.like.log_odds(posterior, queries.item_id).tolist()
    liked = (queries.rating >= model_set.scale.like_threshold).tolist()
    is_update = replay.updates_items().tolist()
    offsets = np.empty(len(queries))
    for query in replay.order_in_time().tolist():
        offsets[query] = items.like_offset.value
        if is_update[query]:
            items.like_offset.update(log_odds[query], liked=liked[query])
    return offsets


def _starts(user_ids: NDArray[np.int64], lives: Ints) -> NDArray[np.int64]:
    """Where each user's events begin among sorted events (n,), and their number; after an erasure
    the user begins another life.
    """
    if not len(user_ids):
        return np.zeros(1, np.int64)
    begins = (user_ids[1:] != user_ids[:-1]) | (lives[1:] != lives[:-1])
    return np.append(np.flatnonzero(np.append(True, begins)), len(user_ids))


def _counts_before(counted: NDArray[np.bool_], starts: Ints) -> NDArray[np.int64]:
    """How many counted events of the same user come before each event."""
    running: NDArray[np.int64] = np.concatenate([[0], np.cumsum(counted)])
    before: NDArray[np.int64] = running[:-1] - np.repeat(running[starts[:-1]], np.diff(starts))
    return before


def _counts_in_all(counted: NDArray[np.bool_], starts: Ints) -> NDArray[np.int64]:
    """How many counted events the user of each event has."""
    return np.repeat(np.add.reduceat(counted, starts[:-1], dtype=np.int64), np.diff(starts))
