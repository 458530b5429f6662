"""The films of the set in service, which go on learning while it serves."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reelstream.features.holdout import is_held_out
from reelstream.models.model_set import ModelSet, Predictions
from reelstream.models.rating.user_state import UserState
from reelstream.models.replay import posterior_of_events
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.events import Rated
from reelstream.serving.live_histories import LiveHistories

MAX_CATCH_UP_RATINGS = 20_000
"""Newest ratings that a set's films learn before it goes into service, of those that the set has
not learned from.
"""


class LiveItems:
    """Films as fitted, and what the ratings since have taught them; for threads that ask and one
    that teaches.

    What a film has learned depends on the order of arrival, so servers may differ a little; users
    never do, for their states rest on the films as fitted.

    One thread at a time predicts or teaches. To copy what the asked films have learned and predict
    from the copy, outside the lock, would take twice as long as to predict under it.
    """

    def __init__(self, model_set: ModelSet) -> None:
        self._model_set = model_set
        self._films = model_set.online_items()
        self._lock = threading.Lock()

    def predict(self, state: UserState, item_ids: NDArray[np.int64], at: int) -> Predictions:
        """See `ModelSet.predict`."""
        with self._lock:
            return self._model_set.predict(state, item_ids, at, self._films)

    def learn(self, state: UserState, rating: Rated) -> None:
        """Teach a film one rating by the user of `state`, who has not learned it yet; not one of
        the holdout.
        """
        if is_held_out(rating.user_id, rating.item_id):
            return
        at = rating.timestamp if state.last is None else max(rating.timestamp, state.last)
        with self._lock:
            self._model_set.update_item(state, rating.item_id, rating.rating, at, self._films)

    def catch_up(self, histories: LiveHistories, judged: Mapping[int, int]) -> None:
        """Learn the newest ratings that no set has been trained on yet, each as if it arrived now.

        judged: partition -> offset behind the newest release, refused or not. What lies before it
        the set has learned from, or it came with a batch that the gate refused and must teach
        nothing.
        """
        newer = histories.newest_behind(judged, MAX_CATCH_UP_RATINGS)
        if not len(newer):
            return
        events = EventColumns.concatenate(
            histories.of_user(user) for user in np.unique(newer.user_id).tolist()
        )
        with self._lock:
            posterior_of_events(
                self._model_set,
                events,
                is_query=events.is_among(newer),
                is_update=np.ones(len(events), bool),
                items=self._films,
            )
