"""What a data set is taken for, found by the readers that producer and catalogue use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from reelstream.datasets.dataset import Dataset
from reelstream.datasets.films import CatalogRead
from reelstream.datasets.row_parser import CsvRow
from reelstream.ratings.events import Event
from reelstream.ratings.ids import Id
from reelstream.ratings.reasons import ReasonCounts
from reelstream.ratings.scale import RatingScale

_FIRST_ROWS = 5


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why rows are rejected."""

    reason: str
    """Of the first of them."""
    rows: int
    first_line: int
    """Counted from 1, with the header."""


class FilmCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How much is known of the films."""

    total: int
    titled: int
    with_year: int
    with_genres: int
    skipped: int
    """Rows of the film files that are no films."""


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What a data set is taken for."""

    layout: str
    files: dict[str, str]
    """Where the ratings, and each kind of film file, lie."""
    columns: dict[str, str | None]
    """What the columns user, item, rating and timestamp are called; numbers without a header."""
    rows: int
    accepted: int
    rejected: int
    reasons: list[Reason]
    """The commonest first."""
    users: int
    items: int
    first: int | None
    """Time of the earliest accepted rating, in seconds since 1970, UTC; None without any."""
    last: int | None
    scale: RatingScale
    films: FilmCounts
    film: dict[str, Any] | None
    """The film that was wanted, under the API's names; None when there is none with its id."""
    notes: list[str]
    """All that was assumed."""
    first_rows: list[Event]
    """The first accepted ratings."""


def inspect(
    dataset: Dataset,
    film_id: Id | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Inspection:
    """Read all of a data set; `on_progress` gets how many rows are read, and of how many.

    Raises StorageError and DatasetError.
    """
    tally = _tally(dataset, on_progress)
    catalog = dataset.read_catalog()
    return Inspection(
        layout=dataset.layout,
        files={"ratings": str(dataset.ratings)}
        | {kind: str(file) for kind, file in dataset.film_files.items()},
        columns=dataset.ratings_format.column_names(),
        rows=tally.accepted + tally.rejected,
        accepted=tally.accepted,
        rejected=tally.rejected,
        reasons=tally.sorted_reasons(),
        users=len(tally.users),
        items=len(tally.items),
        first=tally.first,
        last=tally.last,
        scale=dataset.scale,
        films=_film_counts(catalog),
        film=None if film_id is None else _film(catalog, dataset.ids.item.look_up(film_id)),
        notes=[*dataset.notes, *tally.notes(), *catalog.notes, *_strange_films(catalog, tally)],
        first_rows=tally.first_rows,
    )


def _strange_films(read: CatalogRead, tally: _Tally) -> list[str]:
    """A note where the films seem to be others than those that were rated, or written otherwise."""
    n_known = sum(read.catalog.get(item_id) is not None for item_id in tally.items.tolist())
    if not len(read.catalog) or 2 * n_known >= len(tally.items):
        return []
    return [f"only {n_known:,} of {len(tally.items):,} rated items are among the films"]


def _tally(dataset: Dataset, on_progress: Callable[[int, int], None]) -> _Tally:
    tally = _Tally(dataset)
    n_rows = len(dataset.rows("file"))
    for block in dataset.blocks():
        tally.add(block.events.user_id, block.events.item_id, block.events.timestamp)
        tally.first_rows += list(block.events[: _FIRST_ROWS - len(tally.first_rows)].events())
        tally.reject(block.rejected)
        on_progress(tally.accepted + tally.rejected, n_rows)
    return tally


class _Tally:
    """What is counted over the rows."""

    def __init__(self, dataset: Dataset) -> None:
        self.accepted = self.rejected = 0
        self.users = self.items = np.empty(0, np.int64)
        self.first: int | None = None
        self.last: int | None = None
        self.first_rows: list[Event] = []
        self._reasons = ReasonCounts[CsvRow]()
        self._dataset = dataset

    def add(
        self, users: NDArray[np.int64], items: NDArray[np.int64], times: NDArray[np.int64]
    ) -> None:
        if not len(users):
            return
        self.accepted += len(users)
        self.users, self.items = np.union1d(self.users, users), np.union1d(self.items, items)
        earliest, latest = int(times.min()), int(times.max())
        self.first = earliest if self.first is None else min(self.first, earliest)
        self.last = latest if self.last is None else max(self.last, latest)

    def notes(self) -> list[str]:
        """What the values themselves say beyond the columns."""
        if self.accepted > 1 and self.first == self.last and self._dataset.has_times:
            return ["all ratings have the same time: how tastes drift cannot be learned"]
        return []

    def reject(self, rows: list[CsvRow]) -> None:
        self.rejected += len(rows)
        for row in rows:
            self._reasons.add(row.reason or "", row)

    def sorted_reasons(self) -> list[Reason]:
        return [
            Reason(reason=each.reason, rows=each.rows, first_line=self._dataset.line_of(each.first))
            for each in self._reasons.commonest()
        ]


def count_reasons(rejected: list[CsvRow], dataset: Dataset) -> list[Reason]:
    """Why these rows of a data set were rejected, the commonest first."""
    tally = _Tally(dataset)
    tally.reject(rejected)
    return tally.sorted_reasons()


def _film_counts(read: CatalogRead) -> FilmCounts:
    films = list(read.catalog)
    return FilmCounts(
        total=len(films),
        titled=sum(bool(film.title) for film in films),
        with_year=sum(film.year is not None for film in films),
        with_genres=sum(bool(film.genres) for film in films),
        skipped=read.skipped,
    )


def _film(read: CatalogRead, item_id: int) -> dict[str, Any] | None:
    film = read.catalog.get(item_id)
    if film is None:
        return None
    return {
        "movieId": film.id,
        "title": film.title,
        "year": film.year,
        "genres": list(film.genres),
        "tmdbId": film.tmdb_id,
        "imdbId": film.imdb_id,
    }
