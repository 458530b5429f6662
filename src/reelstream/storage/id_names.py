"""The texts of ids, where these are texts: each batch has a file of those that it is the first to
hold.

A manifest names the file, so a text is known whenever an event with its id is. Batch writers write
them; servers and commands read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from reelstream.catalog import Catalog
from reelstream.errors import RatingError
from reelstream.ratings.columns import NO_ITEM, EventColumns
from reelstream.ratings.ids import Ids, NumberIds, TextIds
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.manifest import IdNames, Manifest


class StoredNames:
    """What the batches name, and which ids that concerns."""

    def __init__(self, folder: BatchFolder, ids: Ids) -> None:
        self.ids = ids
        self._folder = folder
        self._read: set[tuple[int, int]] = set()
        self._users: set[int] = set()
        self._items: set[int] = set()

    def refresh(self, manifests: Sequence[Manifest]) -> None:
        """Learn what the files of these manifests name, which are all. Raises DamagedError."""
        wanted = {(each.number, each.revision): each for each in manifests}
        # A batch was revised: what it named may be named no longer.
        if not self._read <= wanted.keys():
            self._read, self._users, self._items = set(), set(), set()
        for key in wanted.keys() - self._read:
            names = self._folder.read_names(wanted[key])
            self._users |= _learned(self.ids.user, names.user)
            self._items |= _learned(self.ids.item, names.item)
            self._read.add(key)

    def new_in(self, events: EventColumns) -> IdNames:
        """The texts of the ids in `events` that no file names, in order of their first event."""
        return IdNames(
            user=_new(self.ids.user, events.user_id, self._users),
            item=_new(self.ids.item, events.item_id, self._items),
        )


def open_ids(ids: Ids, folder: BatchFolder, catalog: Catalog) -> Ids:
    """The same ids, knowing all texts of a work folder. Raises DamagedError, StorageError."""
    StoredNames(folder, ids).refresh(folder.manifests())
    learn_films(ids, catalog)
    return ids


def learn_films(ids: Ids, catalog: Catalog) -> None:
    """Know the ids of a catalogue's films; what somebody rated counts before them."""
    for film in catalog:
        if film.text_id is not None:
            with suppress(RatingError):
                ids.item.read(film.text_id)


def _learned(ids: NumberIds | TextIds, texts: Iterable[str]) -> set[int]:
    if not isinstance(ids, TextIds):
        return set()
    ids.learn(texts)
    return set(map(ids.read, texts))


def _new(ids: NumberIds | TextIds, numbers: NDArray[np.int64], stored: set[int]) -> tuple[str, ...]:
    if not isinstance(ids, TextIds):
        return ()
    # A dict keeps the order: the file reads as the stream does.
    unique = dict.fromkeys(numbers.tolist())
    return tuple(
        ids.write(number) for number in unique if number not in stored and number != NO_ITEM
    )
