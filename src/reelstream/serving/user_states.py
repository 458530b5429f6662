"""The users that one model set has folded in, kept for their next query."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from reelstream.models.model_set import KnownUsers, ModelSet
from reelstream.models.rating.user_state import UserState
from reelstream.ratings.columns import EventColumns
from reelstream.serving.live_histories import HistoryVersion, LiveHistories, Position

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
    before: dict[Position, KnownUsers] = field(default_factory=dict)
    """For the ratings of `history` that no item has learned yet: what was known just before."""


@dataclass(slots=True)
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    user: FoldedUser | None = None


class UserStates:
    """States of users under one model set, each a function of (set, history) and of nothing else.

    A rating that its item has yet to learn says more about it the more is known of its user without
    it. So whoever updates a state with such a rating, a query or the learner of items, notes that.

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
        self.hits = self.misses = 0
        """Queries that found the user's state, and those for which the user was folded in."""
        self._lock = threading.Lock()
        self._slots: OrderedDict[int, _Slot] = OrderedDict()

    @contextmanager
    def of_user(self, user_id: int, *, is_query: bool = True) -> Iterator[FoldedUser]:
        """The user with every rating up to now, for the caller alone.

        A user whom nobody has a query about takes no other's place among those kept.
        """
        slot = self._slot(user_id, is_query=is_query)
        with slot.lock:  # a lock for each user: others need not wait while one is folded in
            # Should an update fail half-way, the next query starts afresh.
            user, slot.user = slot.user, None
            if is_query:
                self._count(is_hit=user is not None)
            slot.user = self._up_to_date(user_id, user)
            yield slot.user

    def is_ready(self, user_id: int) -> bool:
        """Whether `of_user` would neither wait nor compute: nobody has the user, whose ratings are
        all in the state.
        """
        slot = self._slots.get(user_id)
        user = None if slot is None else slot.user
        return user is not None and user.version == self._histories.version_of(user_id)

    def holds(self, user_id: int) -> bool:
        """Whether a user was folded in, and is perhaps to be updated."""
        slot = self._slots.get(user_id)
        return slot is not None and slot.user is not None

    def recent(self, limit: int) -> list[int]:
        """The users that were used last, the latest first."""
        with self._lock:
            return list(reversed(self._slots))[:limit]

    def _count(self, *, is_hit: bool) -> None:
        with self._lock:  # users are queried by several threads at once
            self.hits, self.misses = self.hits + is_hit, self.misses + (not is_hit)

    def _slot(self, user_id: int, *, is_query: bool) -> _Slot:
        with self._lock:
            slot = self._slots.get(user_id)
            is_new, slot = slot is None, slot or _Slot()
            is_full = (len(self._slots) + is_new) * self._state_bytes > self._limit
            if is_query:
                self._slots[user_id] = slot
                self._slots.move_to_end(user_id)
                if is_full:
                    self._slots.popitem(last=False)
            elif is_new and not is_full:
                self._slots[user_id] = slot
                self._slots.move_to_end(user_id, last=False)
        return slot

    def _up_to_date(self, user_id: int, user: FoldedUser | None) -> FoldedUser:
        # Before the history: what comes in between is compared again at the next query.
        version = self._histories.version_of(user_id)
        if user is not None and user.version == version:
            return user
        history = None
        if user is not None:
            history = self._histories.extended(user_id, user.history, user.version)
        if history is None:
            history = self._histories.of_user(user_id)
        if user is None or not _begins_with(history, user.history):
            user = self._fold_in(history, version)
        newer = history[len(user.history) :]
        if len(newer):
            wanted = self._histories.is_unlearned(newer)
            known = self._model_set.update(user.state, newer, wanted)
            new = {place: known.at(n) for n, place in enumerate(_positions(newer[wanted]))}
            # Some may have been passed over since.
            ends = self._histories.learned_end_offsets
            waiting = {at: each for at, each in user.before.items() if at[1] >= ends.get(at[0], 0)}
            user.before = waiting | new
        user.history, user.version, user.live = history, version, None
        return user

    def _fold_in(self, history: EventColumns, version: HistoryVersion) -> FoldedUser:
        """The user up to the first rating that an item has yet to learn."""
        unlearned = np.flatnonzero(self._histories.is_unlearned(history))
        learned = history[: unlearned[0]] if len(unlearned) else history
        state = self._model_set.fold_in(learned)
        self._state_bytes = state.nbytes
        return FoldedUser(state, learned, version)


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


def _positions(events: EventColumns) -> list[Position]:
    return list(zip(events.partition.tolist(), events.offset.tolist(), strict=True))
