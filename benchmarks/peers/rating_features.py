"""What a person would compute from ratings for trees: counts, smoothed means, genres, times.

What a rating's features say of its user and film never holds the rating itself. On the random split
they rest on the known ratings of the other nine folds: leaving out just the one would let the trees
find out what was left. In time they rest on the ratings before, questions already answered among
them: so these features are up to date at every question.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from peers.contest import Question
from reelstream.catalog import Catalog
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.events import MAX_CLOCK_LEAD_SECONDS

Array = NDArray[np.float64]

DAMPING = 5.0
FOLDS = 10
RECENT = 5
"""Ratings that say how the user rates lately."""


def features_of(question: Question, *, has_times: bool) -> Array:
    """The features (n_known + n_asked, n_features)."""
    both = EventColumns.concatenate([question.known, question.asked])
    counts = (np.arange(len(both)) < len(question.known)) | question.in_time
    mean = float(question.known.rating.mean(dtype=np.float64))
    in_time = np.lexsort((both.offset, both.timestamp)) if question.in_time else None
    item_n, item_mean = _others(both.item_id, both.rating - mean, counts, in_time)
    residual = both.rating - mean - item_mean
    user_n, user_mean = _others(both.user_id, residual, counts, in_time)
    spread = _others(both.user_id, residual**2, counts, in_time)[1]
    genres, year = _film_table(both, question.catalog)
    taste = np.column_stack(
        [
            _others(both.user_id, residual - user_mean, counts & (genre > 0), in_time)[1] * genre
            for genre in genres.T
        ]
    )
    columns = [item_n, item_mean, user_n, user_mean, spread, item_mean + user_mean]
    columns += [taste.sum(axis=1) / np.maximum(genres.sum(axis=1), 1), year]
    if has_times:
        columns += _time_columns(both, residual, counts)
    return np.column_stack([*columns, genres])


def _others(
    key: NDArray[np.int64],
    value: NDArray[np.floating],
    counts: NDArray[np.bool_],
    in_time: NDArray[np.int64] | None,
) -> tuple[Array, Array]:
    """How many ratings of other folds that count share the key, and their damped mean value; with
    an order, those before.
    """
    _, group = np.unique(key, return_inverse=True)
    n: Array = counts.astype(np.float64)
    total: Array = np.where(counts, value, 0.0)
    if in_time is None:
        # What does not count is in a fold of its own, and misses nothing.
        fold = np.where(counts, np.random.default_rng(1).integers(FOLDS, size=len(key)), FOLDS)
        in_fold = group * (FOLDS + 1) + fold
        n, total = (_sums(each, group) - _sums(each, in_fold) for each in (n, total))
    else:
        order = in_time[np.argsort(group[in_time], kind="stable")]
        n, total = (_running(each[order], group[order], order) for each in (n, total))
    return n, total / (n + DAMPING)


def _sums(value: Array, group: NDArray[np.int64]) -> Array:
    """The sum of all values of its group, for each."""
    sums: Array = np.bincount(group, value).astype(np.float64)
    return sums[group]


def _running(value: Array, group: NDArray[np.int64], order: NDArray[np.int64]) -> Array:
    """The sum of the values before each in its group, put back from `order`."""
    before = np.concatenate([[0.0], np.cumsum(value)[:-1]])
    first = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    sums = np.empty(len(value))
    sums[order] = before - np.repeat(before[first], np.diff(np.append(first, len(group))))
    return sums


def _time_columns(both: EventColumns, residual: Array, counts: NDArray[np.bool_]) -> list[Array]:
    """When, how long since the user's rating before, and the mean residual of the user's last
    ratings before.
    """
    order = np.lexsort((both.offset, both.timestamp, both.user_id))
    user, seconds, counted = both.user_id[order], both.timestamp[order], counts[order]
    before: NDArray[np.int64] = np.cumsum(counted) - counted
    first = np.flatnonzero(np.append(True, user[1:] != user[:-1]))
    start: NDArray[np.int64] = np.repeat(before[first], np.diff(np.append(first, len(user))))
    sums = np.concatenate([[0.0], np.cumsum(residual[order][counted])])
    since = np.maximum(before - RECENT, start)
    last = np.append(seconds[counted], 0)[np.maximum(before - 1, 0)]
    known = before > start
    columns = [
        seconds / MAX_CLOCK_LEAD_SECONDS,
        seconds % MAX_CLOCK_LEAD_SECONDS / 3600,
        np.where(known, seconds - last, -1),
        (before - start).astype(np.float64),
        (sums[before] - sums[since]) / np.maximum(before - since, 1),
        np.where(known, residual[order][counted][np.maximum(before - 1, 0)], 0.0),
    ]
    back = np.argsort(order)
    return [column[back].astype(np.float64) for column in columns]


def _film_table(both: EventColumns, catalog: Catalog) -> tuple[Array, Array]:
    """Genres (n, n_genres) as zeros and ones, and the year (n,), NaN where it is not known."""
    items, row = np.unique(both.item_id, return_inverse=True)
    films = [catalog.get(int(item)) for item in items]
    held = [set(film.genres) if film else set() for film in films]
    genres = np.array([[float(genre in of_film) for genre in catalog.genres] for of_film in held])
    year = np.array([film.year if film and film.year else np.nan for film in films], np.float64)
    return genres[row], year[row]
