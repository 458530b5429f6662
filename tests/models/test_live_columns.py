"""Columns that learn between two sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from reelstream.models.choice import live_columns
from reelstream.models.choice.columns import ItemColumns
from reelstream.models.choice.live_columns import LiveColumns
from reelstream.models.choice.new_films import BorrowedColumns
from reelstream.models.choice.ridge import RatedPairs, fit_columns

N_FITTED, N_FILMS = 20, 22
NEW = N_FILMS - 1
Ratings = list[tuple[int, list[int], list[int]]]


@pytest.fixture(scope="module")
def columns() -> ItemColumns:
    rated = np.random.default_rng(0).random((60, N_FITTED)) < 0.4
    user_rows, item_rows = np.nonzero(rated)
    return fit_columns(
        RatedPairs(user_rows=user_rows, item_rows=item_rows, n_users=60, n_items=N_FITTED)
    )


def learned(columns: ItemColumns, ratings: Ratings) -> LiveColumns:
    live = LiveColumns(columns, N_FILMS)
    for user, known, new in ratings:
        live.update(user, np.array(known, np.int64), np.array(new, np.int64))
    return live


def added(live: LiveColumns, history: list[int]) -> NDArray[np.float32]:
    """(N_FILMS,): what users since the set add to a history."""
    scores = np.zeros((1, N_FILMS), np.float32)
    live.add(np.array(history), np.ones((1, len(history)), np.float32), scores)
    return scores[0]


def dense(columns: ItemColumns) -> NDArray[np.float64]:
    weights = np.zeros((N_FILMS, N_FILMS))
    sources = np.repeat(np.arange(N_FITTED), np.diff(columns.starts))
    weights[sources, columns.targets] = columns.weights
    return weights


def test_a_rating_is_a_step_of_recursive_least_squares(columns: ItemColumns) -> None:
    """By the formula, entry by entry, for users who come one after the other."""
    ratings: Ratings = [(1, [0, 1, 2, 3], [7]), (2, [2, 3, 4], [NEW]), (3, [0, 2, 4, 9], [7])]
    live = learned(columns, ratings)
    variances = np.full(N_FILMS, columns.variances.max())
    variances[:N_FITTED] = columns.variances
    fitted = dense(columns)
    changed = fitted.copy()
    for _, own, (film,) in ratings:
        gains = variances[own] * (1 - fitted[own].sum(0)[own])
        changed[own, film] += gains * (1 - changed[own, film].sum()) / (1 + gains.sum())
    for history in ([0, 2], [3, 4, 9], [5]):
        expected = (changed - fitted)[history].sum(0)
        np.testing.assert_allclose(added(live, history), expected, rtol=1e-4, atol=1e-7)


def test_a_new_film_goes_with_what_its_first_users_rated(columns: ItemColumns) -> None:
    """The more of it somebody shares with them, the more; again and again it counts less."""
    live = learned(columns, [(1, [0, 1, 2], [NEW])])
    none, one, two = (added(live, history)[NEW] for history in ([9], [0], [0, 1]))
    assert none == 0 < one < two
    many = learned(columns, [(user, [0, 1, 2], [NEW]) for user in range(30)])
    assert two < added(many, [0, 1])[NEW] < 30 * two


def test_a_rating_counts_for_the_films_that_came_after_it(columns: ItemColumns) -> None:
    """What a user rates later speaks for nothing that he or she rated before; twice is once."""
    live = learned(columns, [(1, [0], [5, 6])])
    assert added(live, [5])[5] == 0
    assert added(live, [5])[6] != 0
    again = learned(columns, [(1, [0], [5]), (1, [0, 5], [5, 6]), (1, [0, 5, 6], [6])])
    np.testing.assert_array_equal(added(again, [0, 5]), added(live, [0, 5]))


def test_who_rated_longest_ago_makes_room(
    columns: ItemColumns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users and films of each are bounded."""
    monkeypatch.setattr(live_columns, "MAX_USERS", 2)
    monkeypatch.setattr(live_columns, "MAX_FILMS", 3)
    ratings: Ratings = [(1, [0], [5]), (2, [1], [6]), (1, [0, 5], [7]), (3, [2], [8])]
    live = learned(columns, ratings)
    assert added(live, [1])[6] == 0
    assert added(live, [0])[5] != 0
    assert added(live, [2])[8] != 0
    long = learned(columns, [(1, [0, 1, 2, 3], [5, 6])])
    assert added(long, [1])[6] == 0
    assert added(long, [3])[6] != 0


def test_nothing_is_kept_of_a_user_who_is_forgotten(columns: ItemColumns, tmp_path: Path) -> None:
    """His or her place is taken by the next."""
    live = learned(columns, [(1, [0], [5]), (2, [1], [6])])
    live.forget(1)
    live.forget(77)
    assert added(live, [0])[5] == 0
    assert added(live, [1])[6] != 0
    live.save(tmp_path)
    assert np.load(tmp_path / "live_users.npy").tolist() == [2]
    live.update(3, np.array([0]), np.array([7]))
    live.update(4, np.array([2]), np.array([8]))
    both = added(live, [0, 1, 2])
    assert both[5] == 0
    assert (both[[6, 7, 8]] != 0).all()


def test_rows_move_and_arrays_are_saved(columns: ItemColumns, tmp_path: Path) -> None:
    """Films of the set keep their rows, new ones get others."""
    live = learned(columns, [(1, [0, NEW], [5]), (2, [1], [NEW])])
    expected = added(live, [0, 1, NEW])
    rows = np.append(np.arange(N_FITTED), [N_FITTED + 1, N_FITTED])
    moved = live.in_rows(rows, N_FILMS)
    np.testing.assert_array_equal(added(moved, [0, 1, N_FITTED])[rows], expected)
    live.save(tmp_path)
    again = LiveColumns.load(tmp_path, columns, N_FILMS)
    np.testing.assert_array_equal(added(again, [0, 1, NEW]), expected)
    again.update(3, np.array([0]), np.array([6]))
    assert added(again, [0])[6] != 0
    (tmp_path / "live_users.npy").unlink()
    assert not added(LiveColumns.load(tmp_path, columns, N_FILMS), [0, 1]).any()


def test_a_film_without_a_column_is_scored_like_films_of_its_genres() -> None:
    """The mean over its genres of the mean over films with few ratings; others stay as they are."""
    counts = np.array([100, 3, 5, 2])
    of_genre = {
        "Drama": np.array([True, True, True, False, True, True, False]),
        "War": np.array([False, False, False, True, True, False, False]),
    }
    borrowed = BorrowedColumns.of(counts, of_genre)
    scores = np.array([[9.0, 0.2, 0.4, 0.7, 0.0, 0.0, 0.0]], np.float32)
    borrowed.add(scores)
    expected = [9.0, 0.2, 0.4, 0.7, (0.3 + 0.7) / 2, 0.3, 0.0]
    np.testing.assert_allclose(scores[0], expected, rtol=1e-6)


def test_nothing_is_borrowed_without_genres() -> None:
    scores = np.ones((2, 3), np.float32)
    BorrowedColumns.of(np.array([3, 0, 0]), {}).add(scores)
    assert (scores == 1).all()
