"""The users that one model set has folded in, kept for their next question."""

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
from reelstream.serving.live_histories import LiveHistories

MAX_STATES = 500
"""States kept, of some 80 kB each: the least recently asked goes first."""


@dataclass(slots=True)
class FoldedUser:
    """One user as one model set sees him or her; hold its lock to use it."""

    state: UserState
    history: EventColumns
    """What the state has learned, oldest first."""
    version: int
    """Of the histories, when `history` was last compared with them."""


@dataclass(slots=True)
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    user: FoldedUser | None = None


class UserStates:
    """States of users under one model set, each a function of (set, history) and of nothing else.

    A state is good as long as its ratings are the first of the user's history: then it learns the
    rest. A late, changed or deleted rating, or an excluded batch, breaks that, and the user is
    folded in again.
    """

    def __init__(
        self, model_set: ModelSet, histories: LiveHistories, most: int = MAX_STATES
    ) -> None:
        self._model_set, self._histories, self._most = model_set, histories, most
        self._lock = threading.Lock()
        self._slots: OrderedDict[int, _Slot] = OrderedDict()

    @contextmanager
    def of_user(self, user_id: int) -> Iterator[FoldedUser]:
        """The user with every rating up to this moment, for the caller alone."""
        slot = self._slot(user_id)
        with slot.lock:
            # should an update fail half-way, the next question starts afresh
            user, slot.user = slot.user, None
            slot.user = self._up_to_date(user_id, user)
            yield slot.user

    def recent(self, most: int) -> list[int]:
        """The users asked about last, the latest first."""
        with self._lock:
            return list(reversed(self._slots))[:most]

    def _slot(self, user_id: int) -> _Slot:
        with self._lock:
            slot = self._slots.setdefault(user_id, _Slot())
            self._slots.move_to_end(user_id)
            if len(self._slots) > self._most:
                self._slots.popitem(last=False)
        return slot

    def _up_to_date(self, user_id: int, user: FoldedUser | None) -> FoldedUser:
        # before the history: what comes in between is looked at again
        version = self._histories.version
        if user is not None and user.version == version:
            return user
        history = self._histories.of_user(user_id)
        if user is None or not _begins_with(history, user.history):
            return FoldedUser(self._model_set.fold_in(history), history, version)
        newer = history[len(user.history) :]
        if len(newer):
            self._model_set.update(user.state, newer)
        user.history, user.version = history, version
        return user


def _begins_with(history: EventColumns, earlier: EventColumns) -> bool:
    """Whether `earlier` is the first part of `history`: a rating is known by its place in the
    log.
    """
    n = len(earlier)
    return (
        n <= len(history)
        and np.array_equal(history.offset[:n], earlier.offset)
        and np.array_equal(history.partition[:n], earlier.partition)
    )
