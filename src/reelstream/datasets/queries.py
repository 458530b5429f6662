"""Queries as a program puts them: ids and times in arrays, where one value may stand for all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reelstream.datasets.tables import ids_in, seconds_in
from reelstream.errors import InputError
from reelstream.ratings.ids import NUMBERS, Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Queries:
    """n queries: what a user would rate an item at a time."""

    user_id: NDArray[np.int64]
    """(n,)"""
    item_id: NDArray[np.int64]
    """(n,)"""
    at: NDArray[np.int64]
    """(n,): seconds since 1970, UTC."""

    def __len__(self) -> int:
        return len(self.user_id)

    @classmethod
    def of(
        cls, users: ArrayLike, items: ArrayLike, at: ArrayLike | datetime, ids: Ids = NUMBERS
    ) -> Queries:
        """Queries from as many values of each, or one. Raises RatingError, InputError."""
        if isinstance(at, datetime):
            # As numpy and polars have it: without a time zone it is UTC.
            at = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
        columns = (
            ids_in("user", np.atleast_1d(users), ids.user),
            ids_in("item", np.atleast_1d(items), ids.item),
            seconds_in("at", np.atleast_1d(at)),
        )
        try:
            user_id, item_id, times = np.broadcast_arrays(*columns)
        except ValueError as error:
            lengths = ", ".join(str(len(column)) for column in columns)
            raise InputError(
                f"users, items and times have the lengths {lengths}: give one, or as many of each"
            ) from error
        return cls(user_id=user_id, item_id=item_id, at=times)

    def by_user_and_time(self) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
        """Each user and time, with the rows of their queries."""
        if not len(self):
            return
        order = np.lexsort((self.at, self.user_id))
        is_new = (np.diff(self.user_id[order]) != 0) | (np.diff(self.at[order]) != 0)
        for rows in np.split(order, np.flatnonzero(is_new) + 1):
            yield int(self.user_id[rows[0]]), int(self.at[rows[0]]), rows
