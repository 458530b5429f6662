"""Simulated data: in the layout of ml-latest, repeatable, and of the shape of the real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelstream.datasets import detect, simulation
from reelstream.datasets.simulated_users import share_out
from reelstream.datasets.simulation import simulate
from reelstream.errors import DatasetError
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.effective import effective_ratings
from reelstream.ratings.scale import RatingScale

NAMES = ("ratings.csv", "movies.csv", "links.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "data"
    simulate(folder, users=500, items=900, ratings=50_000, seed=2)
    return folder


@pytest.fixture(scope="module")
def columns(folder: Path) -> EventColumns:
    return detect(folder).read_ratings()


def test_it_is_what_was_asked_for(folder: Path, columns: EventColumns) -> None:
    """So many ratings, users and films, on half stars, every film titled; nobody rates a film
    twice.
    """
    dataset = detect(folder)
    catalog = dataset.read_catalog().catalog
    assert (dataset.layout, dataset.scale) == ("ml-latest", RatingScale())
    assert (len(columns), len(np.unique(columns.user_id)), len(catalog)) == (50_000, 500, 900)
    assert len(np.unique(columns.user_id * 10_000 + columns.item_id)) == 50_000
    assert set(np.unique(columns.rating)) == set(RatingScale().values())
    assert len({film.title for film in catalog}) == 900
    assert all(film.title and film.year and film.imdb_id for film in catalog)
    assert len(catalog.genres) == 18


def test_it_looks_like_the_real_one(columns: EventColumns) -> None:
    """Mean and spread of the ratings, long tails of users and films, twenty years."""
    assert 3.3 < columns.rating.mean() < 3.7
    assert 0.9 < columns.rating.std() < 1.15
    per_user = np.bincount(columns.user_id)[1:]
    per_item = np.bincount(columns.item_id, minlength=901)[1:]
    assert per_user.min() >= 20
    assert per_user.mean() > 1.3 * np.median(per_user)
    assert per_item.mean() > 1.3 * np.median(per_item)
    assert 18 < (columns.timestamp.max() - columns.timestamp.min()) / 31_557_600 < 23


def test_users_rate_in_sessions_and_join_over_the_years(columns: EventColumns) -> None:
    """Most ratings follow the one before within a minute, and the last third in time comes mostly
    from new users.
    """
    history = columns.by_user()
    pauses = np.diff(history.timestamp)[np.diff(history.user_id) == 0]
    assert (pauses >= 0).all()
    assert np.median(pauses) < 60
    assert pauses.max() > 30 * 86_400
    in_time = columns.by_time()
    earlier, later = in_time[: 2 * len(in_time) // 3], in_time[2 * len(in_time) // 3 :]
    new = ~np.isin(np.unique(later.user_id), earlier.user_id)
    assert new.mean() > 0.6


def test_biases_and_tastes_are_in_it(columns: EventColumns) -> None:
    """User and film means explain much, and what they leave is not noise: it has a few strong
    directions.
    """
    users, items, rating = columns.user_id, columns.item_id, columns.rating.astype(float)
    n_users, n_items = users.max() + 1, items.max() + 1
    residual = rating - rating.mean()
    total = residual.var()
    for rows, n in ((items, n_items), (users, n_users)) * 3:
        residual = (
            residual - (np.bincount(rows, residual, n) / (np.bincount(rows, minlength=n) + 5))[rows]
        )
    assert residual.var() < 0.8 * total

    def strongest(values: np.ndarray) -> float:
        table = np.zeros((n_users, n_items))
        table[users, items] = values
        return float(np.linalg.svd(table, compute_uv=False)[0])

    assert strongest(residual) > 1.2 * strongest(np.random.default_rng(0).permutation(residual))


def test_a_seed_gives_the_same_files_in_chunks_of_any_size(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks are how it is written, not what is written."""
    monkeypatch.setattr(simulation, "_ROWS_AT_ONCE", 1_777)
    heard: list[int] = []
    simulate(
        tmp_path / "same", users=500, items=900, ratings=50_000, seed=2, on_progress=heard.append
    )
    assert all(
        (tmp_path / "same" / name).read_bytes() == (folder / name).read_bytes() for name in NAMES
    )
    assert heard == sorted(heard)
    assert (heard[-1], len(heard) > 10) == (50_000, True)
    simulate(tmp_path / "other", users=500, items=900, ratings=50_000, seed=3)
    assert (tmp_path / "other" / "ratings.csv").read_bytes() != (
        folder / "ratings.csv"
    ).read_bytes()


@pytest.mark.parametrize(
    ("users", "items", "ratings"), [(1, 1, 1), (5, 4, 20), (30, 10, 7), (3, 50, 149)]
)
def test_odd_sizes_work(tmp_path: Path, users: int, items: int, ratings: int) -> None:
    """Up to every user rating every film."""
    simulate(tmp_path / "odd", users=users, items=items, ratings=ratings, seed=0)
    columns = detect(tmp_path / "odd").read_ratings()
    assert len(columns) == len(effective_ratings(columns)) == ratings
    assert columns.user_id.max() <= users
    assert columns.item_id.max() <= items


def test_numbers_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    """And so is a folder with something in it."""
    with pytest.raises(DatasetError, match="at most 6 ratings"):
        simulate(tmp_path / "a", users=2, items=3, ratings=7, seed=0)
    with pytest.raises(DatasetError, match="at least 1"):
        simulate(tmp_path / "a", users=0, items=3, ratings=0, seed=0)
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(DatasetError, match="in use"):
        simulate(tmp_path, users=2, items=3, ratings=6, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_what_was_broken_off_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C in the middle: neither a half data set nor a temporary folder."""

    def interrupt(written: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "new", users=2, items=3, ratings=6, seed=0, on_progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_may_be_named(tmp_path: Path) -> None:
    """`mkdir` before `simulate` does no harm."""
    (tmp_path / "new").mkdir()
    simulate(tmp_path / "new", users=2, items=3, ratings=6, seed=0)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(NAMES)


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=20), st.integers(1, 30), st.data())
def test_ratings_are_shared_out_to_the_last_one(
    weights: list[float], most: int, data: st.DataObject
) -> None:
    """By weight, within bounds, and exactly as many as there are."""
    fewest = data.draw(st.integers(0, most))
    total = data.draw(st.integers(fewest * len(weights), most * len(weights)))
    counts = share_out(total, np.array(weights), fewest=fewest, most=most)
    assert (counts.sum(), counts.min() >= fewest, counts.max() <= most) == (total, True, True)
