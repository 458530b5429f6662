"""The lists of films that users were shown: for their next pages, and to count what became of them.

A hit rate is honest when it counts what it misses: of all ratings by users who had been shown a
list, it is the share that was on it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

# Lists kept at most, and of one user; the oldest go first. A list of ten films takes some
# 500 bytes, one of a thousand films 40 kB.
MAX_LISTS = 5_000
MAX_OF_USER = 5


@dataclass(slots=True, kw_only=True)
class ShownList:
    """What one user was shown, in the order of its places."""

    list_id: str
    user_id: int
    item_ids: list[int] = field(default_factory=list)
    is_hit: bool = False
    """Whether one of its films was rated since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCounts:
    """What became of lists."""

    shown: int
    """Lists that were shown."""
    hit: int
    """Of them, those with a film that was rated since."""
    ratings: int
    """Ratings by users who had been shown a list that is still kept."""
    listed: int
    """Of them, those of films on such a list."""


class ShownLists:
    """The newest lists in memory, for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lists: OrderedDict[str, ShownList] = OrderedDict()
        self._of_users: dict[int, list[ShownList]] = {}
        self._shown = self._hit = self._ratings = self._listed = 0

    @property
    def counts(self) -> ListCounts:
        """Since the server's start."""
        with self._lock:
            return ListCounts(
                shown=self._shown, hit=self._hit, ratings=self._ratings, listed=self._listed
            )

    def before(self, list_id: str, user_id: int, offset: int) -> list[int] | None:
        """The first `offset` films of a list; None of one that is not this user's, or not kept."""
        with self._lock:
            found = self._lists.get(list_id)
            if found is None or found.user_id != user_id or len(found.item_ids) < offset:
                return None
            return found.item_ids[:offset]

    def show(
        self,
        user_id: int,
        item_ids: Sequence[int],
        list_id: str | None = None,
        before: Sequence[int] = (),
    ) -> str:
        """Note a page of a list: of a kept one, whose films are those before the page and it.

        Returns the list's id. A user who is shown the same again sees the same list.
        """
        shown = [*before, *item_ids]
        with self._lock:
            own = self._of_users.get(user_id, ())
            same = (each for each in own if each.item_ids[: len(shown)] == shown)
            found = self._lists.get(list_id or "") or next(same, None) or self._begin(user_id)
            if found.item_ids[: len(shown)] != shown:
                found.item_ids = shown
            return found.list_id

    def note_rating(self, user_id: int, item_id: int) -> None:
        """A user rated a film."""
        with self._lock:
            own = self._of_users.get(user_id)
            if not own:
                return
            hit = [each for each in own if item_id in each.item_ids]
            self._ratings += 1
            self._listed += bool(hit)
            for each in hit:
                self._hit += not each.is_hit
                each.is_hit = True

    def forget(self, user_id: int) -> None:
        """Drop the lists of an erased user."""
        with self._lock:
            for each in self._of_users.pop(user_id, ()):
                self._lists.pop(each.list_id, None)

    def _begin(self, user_id: int) -> ShownList:
        new = ShownList(list_id=uuid4().hex, user_id=user_id)
        own = self._of_users.setdefault(user_id, [])
        own.insert(0, new)
        self._lists[new.list_id] = new
        self._shown += 1
        if len(own) > MAX_OF_USER:
            self._lists.pop(own.pop().list_id)
        if len(self._lists) > MAX_LISTS:
            _, oldest = self._lists.popitem(last=False)
            others = [each for each in self._of_users[oldest.user_id] if each is not oldest]
            self._of_users[oldest.user_id] = others
            if not others:
                del self._of_users[oldest.user_id]
        return new
