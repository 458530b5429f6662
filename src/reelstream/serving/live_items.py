"""The items of the set in service, which are updated while it serves."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from reelstream.errors import MissingFamilyError
from reelstream.features.holdout import is_trainable
from reelstream.models.choice.model import ChoiceModel
from reelstream.models.model_set import KnownUsers, ModelSet, Predictions
from reelstream.models.rating.user_state import UserState
from reelstream.models.recommendation import (
    GroupRecommendations,
    LiveFilms,
    Member,
    RecommendationQuery,
    Recommendations,
    SimilarItems,
    live_choice_of,
)
from reelstream.models.replay import posterior_of_events
from reelstream.ratings.columns import EventColumns
from reelstream.serving.live_histories import LiveHistories
from reelstream.strategies import GroupRule

# Of the ratings that a set has not learned from, so many of the newest are given to its items
# before it goes into service.
MAX_CATCH_UP_RATINGS = 20_000


class LiveItems:
    """Items as fitted, updated with the ratings since; for threads that predict and one that
    updates.

    What an item has learned depends on the order of arrival, so servers may differ a little; users
    never do, for their states rest on the items as fitted.

    One thread at a time predicts or updates. To copy the wanted items and predict from the copy,
    outside the lock, would take twice as long as to predict under it.
    """

    def __init__(self, model_set: ModelSet) -> None:
        self._model_set = model_set
        self._items = model_set.online_items()
        choice = live_choice_of(model_set)
        self._films = (
            LiveFilms(model_set=model_set, choice=choice, items=self._items) if choice else None
        )
        self._lock = threading.Lock()
        self.caught_up: Mapping[int, int] = {}
        """Partition -> end offset of the log up to which `catch_up` has learned."""

    def predict(self, state: UserState, item_ids: NDArray[np.int64], at: int) -> Predictions:
        """See `ModelSet.predict`, of items that the set knows."""
        belief = self._model_set.belief_at(state, at)
        with self._lock:
            posterior = self._model_set.posterior_of(state, belief, item_ids, self._items)
        return self._model_set.predictions(posterior, item_ids)

    def row_of(self, item_id: int) -> NDArray[np.float32]:
        """See `OnlineItems.row_of`."""
        with self._lock:
            return self._items.row_of(item_id)

    @property
    def is_busy(self) -> bool:
        """Whether somebody predicts or updates now, so that others would wait."""
        return self._lock.locked()

    def prepare(self) -> None:
        """Compile what a recommendation needs, so that none waits for it."""
        if self._films is not None:
            model_set = self._model_set
            item = model_set.rating.item_ids[:1]
            history = EventColumns.of([0], item, [model_set.rating.mean], [0])
            self.recommend(model_set.fold_in(history), history, RecommendationQuery(n=1), 0)
            choice = live_choice_of(model_set)
            assert choice is not None
            choice.update(history, history[:0])

    def recommend(
        self, state: UserState, history: EventColumns, query: RecommendationQuery, at: int
    ) -> Recommendations:
        """See `LiveFilms.recommend`. Raises MissingFamilyError."""
        with self._lock:
            return self._with_choice().recommend(state, history, query, at)

    def recommend_to_group(
        self, members: Sequence[Member], query: RecommendationQuery, at: int, rule: GroupRule
    ) -> GroupRecommendations:
        """See `LiveFilms.recommend_to_group`. Raises MissingFamilyError."""
        with self._lock:
            return self._with_choice().recommend_to_group(members, query, at, rule)

    def similar(self, item_id: int, n: int) -> SimilarItems:
        """See `LiveFilms.similar`. Raises MissingFamilyError."""
        with self._lock:
            return self._with_choice().similar(item_id, n)

    def questions(
        self, state: UserState, history: EventColumns, n: int, at: int
    ) -> NDArray[np.int64]:
        """See `LiveFilms.questions`. Raises MissingFamilyError."""
        with self._lock:
            return self._with_choice().questions(state, history, n, at)

    def count(self, ratings: EventColumns) -> None:
        """Let what is popular follow further ratings: cheap enough for any number of them."""
        if self._films is not None:
            with self._lock:
                self._films.choice.count(ratings)

    def update_choice(self, ratings: EventColumns, known: EventColumns) -> None:
        """See `LiveChoice.update`; nothing without a choice model."""
        if self._films is not None:
            with self._lock:
                self._films.choice.update(ratings, known)

    def forget(self, user_id: int) -> None:
        """See `LiveChoice.forget`."""
        if self._films is not None:
            with self._lock:
                self._films.choice.forget(user_id)

    def learn(self, ratings: EventColumns, known: KnownUsers) -> Predictions:
        """Update items with ratings (n,), in their order, given what was known of each one's user
        before; returns what was expected of them. Those of the holdout change nothing.
        """
        with self._lock:
            posterior = self._model_set.learn(
                ratings.item_id,
                ratings.rating.astype(np.float64),
                known,
                is_trainable(ratings),
                self._items,
            )
        return self._model_set.predictions(posterior, ratings.item_id)

    def catch_up(self, histories: LiveHistories, judged: Mapping[int, int]) -> None:
        """Update items with the newest ratings that no set has been trained on, each as if it
        arrived now.

        judged: the end offsets of the newest release, refused or not. What lies before them the set
        has learned from, or it came with a batch that the gate refused and must change no item.
        """
        self.caught_up = histories.log_end_offsets
        newest = histories.newest_since(judged, MAX_CATCH_UP_RATINGS)
        if not len(newest):
            return
        # Whole histories: what is predicted of a rating rests on all ratings of its user before it.
        events = EventColumns.concatenate(
            histories.of_user(user) for user in np.unique(newest.user_id).tolist()
        )
        self.update_choice(newest, events)
        with self._lock:
            posterior_of_events(
                self._model_set,
                events,
                is_query=events.is_among(newest),
                is_update=np.ones(len(events), bool),
                items=self._items,
            )

    def _with_choice(self) -> LiveFilms:
        if self._films is None:
            # For the exception: of_type says what is missing, and since when.
            self._model_set.models.of_type(ChoiceModel)
            raise MissingFamilyError("this model set has no ChoiceModel")
        return self._films
