"""The users that one model set has folded in, kept for their next query."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from reelstream.models.model_set import ModelSet
from reelstream.models.rating.user_state import UserState
from reelstream.ratings.columns import EventColumns
from reelstream.serving.live_histories import HistoryVersion, LiveHistories

# Memory for states, of some 360 kB each: the one used least recently is dropped first. Folding a
# user in takes a hundred times as long as a prediction.
CACHE_BYTES = 256 * 1024**2


@dataclass(slots=True)
class FoldedUser:
    """One user as one model set sees them, for the holder of the user's lock."""

    state: UserState
    history: EventColumns
    """What the state was updated with, oldest first."""
    version: HistoryVersion
    """Of the user's history, when `history` was last compared with it."""
    live: int | None = None
    """How many of `history` came after the set was trained; None until somebody wants to know."""


@dataclass(slots=True)
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    user: FoldedUser | None = None


class UserStates:
    """States of users under one model set, each a function of (set, history) and of nothing else.

    As long as a state's ratings are the first of the user's history, it is updated with the rest.
    After a late, changed or deleted rating, or an excluded batch, they are not, and the user is
    folded in again.
    """

    def __init__(
        self, model_set: ModelSet, histories: LiveHistories, limit_bytes: int = CACHE_BYTES
    ) -> None:
        self._model_set, self._histories, self._limit = model_set, histories, limit_bytes
        # All states of one set have the same size; known from the first one on.
        self._state_bytes = 0
        self._lock = threading.Lock()
        self._slots: OrderedDict[int, _Slot] = OrderedDict()

    @contextmanager
    def of_user(self, user_id: int) -> Iterator[FoldedUser]:
        """The user with every rating up to now, for the caller alone."""
        slot = self._slot(user_id)
        with slot.lock:  # a lock for each user: others need not wait while one is folded in
            # Should an update fail half-way, the next query starts afresh.
            user, slot.user = slot.user, None
            slot.user = self._up_to_date(user_id, user)
            yield slot.user

    def is_ready(self, user_id: int) -> bool:
        """Whether `of_user` would neither wait nor compute: nobody has the user, whose ratings are
        all in the state.
        """
        slot = self._slots.get(user_id)
        user = None if slot is None else slot.user
        return user is not None and user.version == self._histories.version_of(user_id)

    def recent(self, limit: int) -> list[int]:
        """The users that were used last, the latest first."""
        with self._lock:
            return list(reversed(self._slots))[:limit]

    def _slot(self, user_id: int) -> _Slot:
        with self._lock:
            slot = self._slots.setdefault(user_id, _Slot())
            self._slots.move_to_end(user_id)
            if len(self._slots) * self._state_bytes > self._limit:
                self._slots.popitem(last=False)
        return slot

    def _up_to_date(self, user_id: int, user: FoldedUser | None) -> FoldedUser:
        # Before the history: what comes in between is compared again at the next query.
        version = self._histories.version_of(user_id)
        if user is not None and user.version == version:
            return user
        history = self._histories.of_user(user_id)
        if user is None or not _begins_with(history, user.history):
            state = self._model_set.fold_in(history)
            self._state_bytes = state.nbytes
            return FoldedUser(state, history, version)
        newer = history[len(user.history) :]
        if len(newer):
            self._model_set.update(user.state, newer)
        user.history, user.version, user.live = history, version, None
        return user


def _begins_with(history: EventColumns, earlier: EventColumns) -> bool:
    """Whether `earlier` is the first part of `history`: a rating is known by its position in
    the log.
    """
    n = len(earlier)
    return (
        n <= len(history)
        and np.array_equal(history.offset[:n], earlier.offset)
        and np.array_equal(history.partition[:n], earlier.partition)
    )
