"""Many users' ratings at once: each filtered from his or her first event on, asked where wanted.

Trainer and evaluation use it; a server asks about one user at a time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reelstream.compute import threads
from reelstream.features.holdout import in_holdout
from reelstream.models.like.model import Posterior
from reelstream.models.model_set import ModelSet, Predictions
from reelstream.models.rating.online_items import ItemQueries, OnlineItems
from reelstream.models.rating.smoothing import smooth_users
from reelstream.models.rating.user_filter import (
    UserBeliefs,
    UserState,
    events_between,
    filter_users,
    moments_between,
)
from reelstream.ratings.columns import EventColumns

CHUNK_EVENTS = 2_000
"""About how many ratings and questions a thread takes at once: some 10 MB, and some hundredths of a
second.
"""


def predict_events(
    model_set: ModelSet,
    events: EventColumns,
    asks: NDArray[np.bool_],
    learns: NDArray[np.bool_],
    films: OnlineItems | None = None,
    *,
    looks_ahead: bool = False,
) -> Predictions:
    """Answers to the events that ask, in the order of `events`; see `posterior_of_events`."""
    posterior = posterior_of_events(model_set, events, asks, learns, films, looks_ahead=looks_ahead)
    return model_set.predictions(posterior, events.item_id[asks])


def posterior_of_events(
    model_set: ModelSet,
    events: EventColumns,
    asks: NDArray[np.bool_],
    learns: NDArray[np.bool_],
    films: OnlineItems | None = None,
    *,
    looks_ahead: bool = False,
) -> Posterior:
    """What the rating model says of the events that ask (n,), in the order of `events`.

    `events` in any order; within a user they are taken in order of time. An event that asks is
    predicted from all of the user's events before it that `learns`; where the set takes no notice
    of time, those that do not ask come first. One that forgets its user must not ask; behind it the
    user begins anew. With `films`, these learn as well, from events that both ask and learn, in
    order of time over all users. What `looks_ahead` is predicted from the events after it too, as
    no server can: for comparison with figures that know them; then no event may both ask and learn.
    """
    time = events.timestamp if model_set.uses_times else asks.astype(np.int64)
    order = np.lexsort((events.offset, events.partition, time, events.user_id))
    erasures = events.is_erasure[order]
    order, forgotten = order[~erasures], np.cumsum(erasures)[~erasures]
    ordered, asks, learns = events[order], asks[order], learns[order]
    begins = (ordered.user_id[1:] != ordered.user_id[:-1]) | (forgotten[1:] != forgotten[:-1])
    starts = (
        np.append(np.flatnonzero(np.append(True, begins)), len(ordered))
        if len(ordered)
        else np.zeros(1, np.int64)
    )
    asked = np.flatnonzero(asks)
    first_asked = np.searchsorted(asked, starts)
    set_items, set_rows = model_set.set_items(ordered.item_id)
    everything = model_set.events(ordered, set_rows, asks, learns)
    online = films if films is not None else model_set.online_items()
    rows = online.rows(ordered.item_id[asked], learn=films is not None)
    answers = np.empty((len(asked), 3))
    prior = UserState.prior(model_set.dynamics)
    kept = UserBeliefs.room_for(len(asked) if films is not None else 0, model_set.dynamics)

    def some_users(users: slice) -> None:
        places, questions = starts[users], first_asked[users]
        own = events_between(everything, places[0], places[-1])
        first, after = questions[0], questions[-1]
        n = after - first
        moments = (
            UserBeliefs.room_for(n, model_set.dynamics)
            if films is None
            else moments_between(kept, first, after)
        )
        users_events = (
            places - places[0],
            questions - questions[0],
            own,
            set_items,
            model_set.dynamics,
            moments,
        )
        if looks_ahead:
            smooth_users(*users_events)
        else:
            filter_users(prior.mean, prior.cov, prior.log_weight, *users_events)
        if films is None:  # answered at once: the moments of all would fill the memory
            ask = ItemQueries(np.arange(n), rows[first:after], np.zeros(n), np.zeros(n, bool))
            answers[first:after] = model_set.ask(ask, moments, online)

    with ThreadPoolExecutor(threads.count()) as pool:  # the filter holds no lock of Python's
        list(pool.map(some_users, _chunks(starts)))
    if films is not None:
        answers = _in_time(model_set, ordered[asked], learns[asked], rows, kept, films)
    likes = learns & (ordered.rating >= model_set.scale.like_threshold)
    count = _counts_in_all if looks_ahead else _counts_before
    user_ratings, user_likes = (count(counted, starts)[asked] for counted in (learns, likes))
    back = np.argsort(order[asked])
    return model_set.posterior(answers[back], user_ratings[back], user_likes[back])


def _in_time(
    model_set: ModelSet,
    asked: EventColumns,
    learns: NDArray[np.bool_],
    rows: NDArray[np.int64],
    moments: UserBeliefs,
    films: OnlineItems,
) -> NDArray[np.float64]:
    """Answers (n, 3) to the asked events, all users' in order of time, films learning what is not
    held out.
    """
    order = np.lexsort((asked.offset, asked.partition, asked.timestamp))
    centred = asked.rating.astype(np.float64) - model_set.rating.mean
    film_learns = learns & ~in_holdout(asked.user_id, asked.item_id)
    answers = np.empty((len(asked), 3))
    questions = ItemQueries(order, rows[order], centred[order], film_learns[order])
    answers[order] = model_set.ask(questions, moments, films)
    return answers


def _chunks(starts: NDArray[np.int64]) -> list[slice]:
    """The users in chunks of about CHUNK_EVENTS events, each as the slice of `starts` (n_users +
    1,) that bounds it.
    """
    begins = np.searchsorted(starts, np.arange(0, starts[-1], CHUNK_EVENTS))
    edges = np.unique(np.append(begins, len(starts) - 1))
    return [slice(first, after + 1) for first, after in pairwise(edges.tolist())]


def _counts_before(counted: NDArray[np.bool_], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many counted events of the same user lie before each event."""
    running: NDArray[np.int64] = np.concatenate([[0], np.cumsum(counted)])
    before: NDArray[np.int64] = running[:-1] - np.repeat(running[starts[:-1]], np.diff(starts))
    return before


def _counts_in_all(counted: NDArray[np.bool_], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many counted events the user of each event has."""
    return np.repeat(np.add.reduceat(counted, starts[:-1], dtype=np.int64), np.diff(starts))
