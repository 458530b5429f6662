"""A made-up data set that looks like MovieLens: for machines without the real one, and for sizes it
does not have.

Every user has a random stream of his or her own, so that neither the number of users nor the size
of the chunks that are written changes what a user does.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reelstream.datasets.simulated_films import (
    FIRST_SECOND,
    LAST_SECOND,
    SimulatedFilms,
    make_films,
)
from reelstream.datasets.simulated_users import SimulatedUser, share_out
from reelstream.errors import DatasetError
from reelstream.files import publish_folder, temporary_path, translate_errors

_ROWS_AT_ONCE = 500_000
# Ratings that every user gives at least, as in MovieLens, where there are enough for it.
_MIN_RATINGS_PER_USER = 20


def simulate(
    folder: Path,
    *,
    users: int,
    items: int,
    ratings: int,
    seed: int,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Write ratings.csv, movies.csv and links.csv into the new `folder`, in the layout of
    ml-latest.

    `on_progress` hears how many ratings are written so far. The same arguments give the same files.
    Raises StorageError, or DatasetError when the numbers do not go together or the folder is in
    use.
    """
    _check_sizes(users, items, ratings, seed)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DatasetError(f"{folder} is in use: name a folder that is empty or does not exist")
    temporary = temporary_path(folder)
    try:
        with translate_errors(folder):
            temporary.mkdir(parents=True)
            # Random streams: [seed, 0] for films, [seed, 1] for counts, [seed, 2, row] for users.
            films = make_films(items, np.random.default_rng([seed, 0]))
            films.write(temporary)
            _write_ratings(
                temporary / "ratings.csv",
                films,
                users,
                ratings,
                seed,
                on_progress or (lambda _: None),
            )
            # Checked above to be empty; a folder is published only where there is none.
            if folder.exists():
                folder.rmdir()
        publish_folder(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_sizes(users: int, items: int, ratings: int, seed: int) -> None:
    if min(users, items, ratings) < 1 or seed < 0:
        raise DatasetError("users, items and ratings must be at least 1, and the seed at least 0")
    if ratings > users * items:
        raise DatasetError(
            f"{users} users can give {items} films at most {users * items} ratings, not {ratings}"
        )


def _write_ratings(
    path: Path,
    films: SimulatedFilms,
    users: int,
    ratings: int,
    seed: int,
    on_progress: Callable[[int], None],
) -> None:
    random = np.random.default_rng([seed, 1])
    appetite = random.lognormal(0.0, 1.2, users)
    counts = share_out(
        ratings, appetite, fewest=min(_MIN_RATINGS_PER_USER, ratings // users), most=len(films)
    )
    joined = np.sort(random.uniform(FIRST_SECOND, LAST_SECOND, users))[
        random.permutation(users)
    ].astype(np.int64)
    written = 0
    with open(path, "wb") as file:
        for table in _chunks(films, counts, joined, seed):
            table.write_csv(file, include_header=written == 0, float_precision=1)
            written += len(table)
            on_progress(written)


def _chunks(
    films: SimulatedFilms, counts: NDArray[np.int64], joined: NDArray[np.int64], seed: int
) -> Iterator[pl.DataFrame]:
    parts: list[tuple[NDArray[Any], ...]] = []
    rows = 0
    raters = np.flatnonzero(counts)
    for row, count, since in zip(
        raters.tolist(), counts[raters].tolist(), joined[raters].tolist(), strict=True
    ):
        user = SimulatedUser(films, since, np.random.default_rng([seed, 2, row]))
        parts.append((np.full(count, row + 1), *user.rate(count)))
        rows += count
        if rows >= _ROWS_AT_ONCE or row == raters[-1]:
            columns = (np.concatenate(column) for column in zip(*parts, strict=True))
            yield pl.DataFrame(
                dict(zip(("userId", "movieId", "rating", "timestamp"), columns, strict=True))
            )
            parts, rows = [], 0
