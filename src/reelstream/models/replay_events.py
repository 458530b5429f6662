"""Events of many users in the order in which they are filtered, with queries wherever they are
wanted; and what is known of the users at the queries.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelstream.compute import threads
from reelstream.compute.arrays import Ints
from reelstream.features.holdout import is_trainable
from reelstream.models.model_set import ModelSet
from reelstream.models.rating.filter_input import (
    FilterEvents,
    FilterItems,
    UserSpans,
    slice_beliefs,
    slice_events,
)
from reelstream.models.rating.smoothing import smooth_users
from reelstream.models.rating.user_filter import filter_events, filter_users
from reelstream.models.rating.user_state import StateArrays, UserBeliefs, UserState
from reelstream.ratings.columns import EventColumns

# About how many ratings and queries a thread takes at once: some 10 MB, and some hundredths of a
# second.
CHUNK_EVENTS = 2_000
# In order of time, what is known at twice so many queries is kept at once, 21 kB each; and between
# them the states of so many users, 370 kB each. Others begin anew with their first event.
MAX_BELIEFS, MAX_STATES = 5_000, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayEvents:
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
    ) -> ReplayEvents:
        """The events in any order, see `posterior_of_events`."""
        times = [events.timestamp] if model_set.uses_times else [events.timestamp, is_query]
        order: NDArray[np.int64] = np.lexsort(
            (events.offset, events.partition, *times, events.user_id)
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

    def order_in_time(self) -> NDArray[np.int64]:
        """The queries (q,) of all users in order of time."""
        queries = self.queries
        return np.lexsort((queries.offset, queries.partition, queries.timestamp))

    def updates_items(self) -> NDArray[np.bool_]:
        """Whether each query (q,) updates its item once it is predicted."""
        return self.is_update[self.query_rows] & is_trainable(self.queries)

    def sees_more(self) -> NDArray[np.bool_]:
        """Whether each query (q,) may know more of its user than the one before it: between two at
        the same time that are no updates nothing happens.
        """
        rows, times = self.query_rows, self.events.times
        alike = rows[1:] == rows[:-1] + 1
        alike &= (times[rows[1:]] == times[rows[:-1]]) & ~self.is_update[rows[:-1]]
        sees_more = np.append(True, ~alike)[: len(rows)]
        first_query = self.spans.first_query
        sees_more[first_query[first_query < len(rows)]] = True
        return sees_more

    def counts(self, counted: NDArray[np.bool_], *, looks_ahead: bool = False) -> NDArray[np.int64]:
        """How many of the counted events (n,) of its user come before each query (q,), or with
        `looks_ahead` in all.
        """
        starts = self.spans.starts
        count = _counts_in_all if looks_ahead else _counts_before
        return count(counted, starts)[self.query_rows]


class BeliefsInChunks(NamedTuple):
    """What is known of some users at their queries."""

    queries: slice
    """Those of the users, among all."""
    which: NDArray[np.int64]
    """(q,): which of the beliefs each of these queries is answered from."""
    beliefs: UserBeliefs


class ChunkedUsers:
    """Filters users in chunks: the beliefs of all of them would fill the memory."""

    def __init__(self, replay: ReplayEvents, *, looks_ahead: bool) -> None:
        self._replay, self._looks_ahead = replay, looks_ahead
        sees_more = replay.sees_more()
        self._which = np.cumsum(sees_more) - 1
        is_query = np.zeros(len(replay.ratings), bool)
        is_query[replay.query_rows[sees_more]] = True
        self._events = replay.events._replace(is_query=is_query)
        n_before = np.append(0, np.cumsum(sees_more))
        self._spans = UserSpans(replay.spans.starts, n_before[replay.spans.first_query])

    def chunks(self) -> list[slice]:
        """The users in chunks of about CHUNK_EVENTS events, each as the slice of the spans that
        bounds it.
        """
        starts = self._spans.starts
        begins = np.searchsorted(starts, np.arange(0, starts[-1], CHUNK_EVENTS))
        edges = np.unique(np.append(begins, len(starts) - 1))
        return [slice(first, end + 1) for first, end in pairwise(edges.tolist())]

    def beliefs(self, users: slice) -> BeliefsInChunks:
        """Those of one chunk."""
        replay = self._replay
        starts, first_belief = (bounds[users] for bounds in self._spans)
        dynamics = replay.model_set.dynamics
        beliefs = UserBeliefs.allocate(int(first_belief[-1] - first_belief[0]), dynamics)
        spans = UserSpans(starts - starts[0], first_belief - first_belief[0])
        events = slice_events(self._events, starts[0], starts[-1])
        fill = smooth_users if self._looks_ahead else filter_users
        fill(spans, events, replay.items, dynamics, beliefs)
        queries = slice(*replay.spans.first_query[users][[0, -1]].tolist())
        return BeliefsInChunks(queries, self._which[queries] - first_belief[0], beliefs)


class BeliefsInTime(NamedTuple):
    """What is known of their users at some queries."""

    queries: NDArray[np.int64]
    """(m,): in order of time."""
    which: NDArray[np.int64]
    """(m,): which of the beliefs each is answered from."""
    beliefs: UserBeliefs


class UsersInTime:
    """Filters users as far as the time has come, for queries in order of time."""

    def __init__(self, replay: ReplayEvents) -> None:
        self._replay = replay
        self._prior = UserState.prior(replay.model_set.dynamics).arrays
        self._states: dict[int, tuple[StateArrays, int]] = {}
        """User -> the state, and the event that is next."""

    def parts(self) -> Iterator[BeliefsInTime]:
        """The beliefs at all queries, in parts of MAX_BELIEFS."""
        order = self._replay.order_in_time()
        starts = range(0, len(order) + MAX_BELIEFS, MAX_BELIEFS)  # the last part is empty
        parts = [order[start : start + MAX_BELIEFS] for start in starts]
        # One part ahead: while the queries of a part are answered, one after the other, the users
        # of the next are filtered.
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(self._beliefs_at, np.sort(parts[0]))
            for part, following in pairwise(parts):
                beliefs = coming.result()
                coming = ahead.submit(self._beliefs_at, np.sort(following))
                yield BeliefsInTime(part, np.searchsorted(np.sort(part), part), beliefs)

    def _beliefs_at(self, queries: NDArray[np.int64]) -> UserBeliefs:
        """Those at queries (m,), rising; later than all that were asked for before."""
        first_query = self._replay.spans.first_query
        beliefs = UserBeliefs.allocate(len(queries), self._replay.model_set.dynamics)
        edges = np.searchsorted(queries, first_query)
        users = np.flatnonzero(np.diff(edges))

        def filter_user(user: int) -> tuple[StateArrays, int]:
            first, end = edges[user : user + 2]
            return self._filter(user, queries[first:end], slice_beliefs(beliefs, first, end))

        with ThreadPoolExecutor(threads.count()) as pool:
            filtered = dict(zip(users.tolist(), pool.map(filter_user, users.tolist()), strict=True))
        last_query = queries[edges[users + 1] - 1]
        goes_on = last_query + 1 < first_query[users + 1]
        self._keep({user: filtered[user] for user in users[goes_on].tolist()}, users)
        return beliefs

    def _filter(
        self, user: int, queries: NDArray[np.int64], beliefs: UserBeliefs
    ) -> tuple[StateArrays, int]:
        """Fill the beliefs at a user's next queries; the state then, and the event after them."""
        replay, rows = self._replay, self._replay.query_rows
        start, end = int(replay.spans.starts[user]), int(rows[queries[-1]]) + 1
        state, first = self._states.get(user, (None, start))
        if state is None:
            state = StateArrays(*(array.copy() for array in self._prior))
        last = int(replay.events.times[start:first].max(initial=-1))
        events = slice_events(replay.events, first, end)
        # Who begins anew passes queries that are answered already.
        is_open = np.arange(first, end) >= rows[queries[0]]
        events = events._replace(is_query=events.is_query & is_open)
        filter_events(state, last, events, replay.items, replay.model_set.dynamics, beliefs)
        return state, end

    def _keep(self, going_on: dict[int, tuple[StateArrays, int]], users: Ints) -> None:
        """Keep the states that cost most to make again, of those before and these."""
        done = set(users.tolist())
        states = {user: kept for user, kept in self._states.items() if user not in done}
        states |= going_on
        starts = self._replay.spans.starts
        by_cost = sorted(states, key=lambda user: int(starts[user]) - states[user][1])
        self._states = {user: states[user] for user in by_cost[:MAX_STATES]}


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
