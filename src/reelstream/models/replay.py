"""Many users' events at once: each user is filtered from the first event on, with queries wherever
they are wanted.

Trainer and evaluation use it; a server predicts for one user at a time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from reelstream.compute import threads
from reelstream.models.like.model import Posterior
from reelstream.models.model_set import ModelSet, Predictions
from reelstream.models.rating.online_items import ItemQueries, OnlineItems
from reelstream.models.replay_events import ChunkedUsers, ReplayEvents, UsersInTime
from reelstream.ratings.columns import EventColumns


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


def predict_live(
    model_set: ModelSet,
    events: EventColumns,
    is_query: NDArray[np.bool_],
    is_update: NDArray[np.bool_],
    items: OnlineItems,
) -> tuple[Predictions, Predictions]:
    """What `predict_events` answers with `items`, which are updated, and without them; in the time
    of one, since users are filtered alike.
    """
    replay = ReplayEvents.of(model_set, events, is_query, is_update)
    live, fitted = _answer_in_time(replay, items, model_set.online_items())
    order, item_ids = np.argsort(replay.query_order), events.item_id[is_query]
    posterior = _posterior(replay, live)
    posterior = _with_offsets(replay, posterior, items)
    return (
        model_set.predictions(posterior[order], item_ids),
        model_set.predictions(_posterior(replay, fitted)[order], item_ids),
    )


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
    With `items`, these are updated as well, and how likely likes are and how widely ratings spread
    at present, from events that are both query and update, in order of time over all users. With
    `looks_ahead` the updates after a query count too, which no server can know: for comparison with
    figures that do; then no event may be both query and update.
    """
    replay = ReplayEvents.of(model_set, events, is_query, is_update)
    if items is None:
        answers = _answer_in_chunks(replay, looks_ahead=looks_ahead)
        posterior = _posterior(replay, answers, looks_ahead=looks_ahead)
    else:
        posterior = _posterior(replay, _answer_in_time(replay, items, None)[0])
        posterior = _with_offsets(replay, posterior, items)
    return posterior[np.argsort(replay.query_order)]


def _posterior(
    replay: ReplayEvents, answers: NDArray[np.float64], *, looks_ahead: bool = False
) -> Posterior:
    """The answers (q, 3) to the queries as what the rating model says, without an offset."""
    likes = replay.is_update & (replay.ratings >= replay.model_set.scale.like_threshold)
    user_ratings, user_likes = (
        replay.counts(counted, looks_ahead=looks_ahead) for counted in (replay.is_update, likes)
    )
    return replay.model_set.posterior(answers, user_ratings, user_likes)


def _answer_in_chunks(replay: ReplayEvents, *, looks_ahead: bool) -> NDArray[np.float64]:
    """Answers (q, 3) to the queries by the items as fitted."""
    model_set, users = replay.model_set, ChunkedUsers(replay, looks_ahead=looks_ahead)
    items = model_set.online_items()
    rows = items.rows(replay.queries.item_id, own=False)
    answers = np.empty((len(rows), 3))

    def answer(chunk: slice) -> None:
        queries, which, beliefs = users.beliefs(chunk)
        asked = ItemQueries.without_updates(which, rows[queries])
        answers[queries] = model_set.query(asked, beliefs, items)

    with ThreadPoolExecutor(threads.count()) as pool:  # the filter does not hold Python's lock
        list(pool.map(answer, users.chunks()))
    return answers


def _answer_in_time(
    replay: ReplayEvents, items: OnlineItems, fitted: OnlineItems | None
) -> list[NDArray[np.float64]]:
    """Answers (q, 3) to the queries, all users' in order of time, by `items`, which are updated in
    between with what is trainable; and by `fitted`, which are not.
    """
    queries, model_set = replay.queries, replay.model_set
    is_update = replay.updates_items()
    centred = queries.rating.astype(np.float64) - model_set.rating.mean
    rows = items.rows(queries.item_id, own=True)
    fitted_rows = fitted.rows(queries.item_id, own=False) if fitted is not None else rows
    answers = [np.empty((len(queries), 3)) for _ in range(1 if fitted is None else 2)]
    for part, which, beliefs in UsersInTime(replay).parts():
        asked = ItemQueries(which, rows[part], centred[part], is_update[part])
        answers[0][part] = model_set.query(asked, beliefs, items)
        if fitted is not None:
            asked = ItemQueries.without_updates(which, fitted_rows[part])
            answers[1][part] = model_set.query(asked, beliefs, fitted)
    return answers


def _with_offsets(replay: ReplayEvents, posterior: Posterior, items: OnlineItems) -> Posterior:
    """The posterior (q,) with the offsets at each query; those of `items` learn by time."""
    order, queries = replay.order_in_time(), replay.queries
    in_time = replay.model_set.with_offsets(
        posterior[order],
        queries.item_id[order],
        queries.rating[order].astype(np.float64),
        replay.updates_items()[order],
        items,
    )
    return in_time[np.argsort(order)]
