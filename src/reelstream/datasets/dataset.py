"""A data set of a known layout: where it lies, what its ratings mean, and how it is read."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import polars as pl

from reelstream.datasets.films import CatalogRead, FilmFileKind, read_films
from reelstream.datasets.layouts import RatingsFormat
from reelstream.datasets.rows import Order, RatingRows
from reelstream.errors import DatasetError
from reelstream.files import translate_errors
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.events import MAX_CLOCK_LEAD_SECONDS
from reelstream.ratings.scale import RatingScale


@dataclass(frozen=True)
class Dataset:
    """Ratings in one file and the films beside it; `detect` makes one."""

    name: str
    """The name of its folder."""
    layout: str
    """`the-movies-dataset`, `ml-latest` (20M, 25M and 32M too), `ml-1m` or `ml-100k`."""
    folder: Path
    ratings_file: Path
    ratings_format: RatingsFormat
    scale: RatingScale
    """Recognised from the ratings; `with_scale` sets another."""
    film_files: dict[FilmFileKind, Path]
    """Empty for ratings without films."""

    def with_scale(self, scale: RatingScale) -> Dataset:
        """The same data set on another scale."""
        return replace(self, scale=scale)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the ratings file in hex: what the data set is known by. Raises
        StorageError.
        """
        with translate_errors(self.ratings_file), open(self.ratings_file, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read_catalog(self) -> CatalogRead:
        """The films, and how many rows of their files were skipped; an empty catalogue when there
        are no film files.

        Raises StorageError, or DatasetError when a film file cannot be read.
        """
        return read_films(self.film_files)

    def rows(self, order: Order, start: int = 0) -> RatingRows:
        """Every row of the ratings file for the producer, good or not, without the first `start`.
        Raises StorageError.
        """
        return RatingRows(self.ratings_file, self.ratings_format, self.scale, order, start)

    def read_ratings(self) -> EventColumns:
        """All ratings in order of the file, each with its row number as offset.

        Raises StorageError, or DatasetError that names the first line which is not a rating.
        """
        try:
            columns = self._read_quickly()
        except pl.exceptions.PolarsError:
            return self._read_row_by_row()
        return self._read_row_by_row() if columns is None else columns

    def _read_quickly(self) -> EventColumns | None:
        """What polars reads; None when anything in it breaks the contract."""
        layout = self.ratings_format
        # polars splits at single signs: between the two of `::` it finds an empty column.
        width = len(layout.separator)
        whole, real = pl.Int64(), pl.Float64()
        places = {
            layout.user: whole,
            layout.item: whole,
            layout.rating: real,
            layout.timestamp: whole,
        }
        n_columns = (layout.n_columns - 1) * width + 1
        schema = {f"{n}": pl.String() for n in range(n_columns)} | {
            f"{n * width}": kind for n, kind in places.items()
        }
        with translate_errors(self.ratings_file):
            table = pl.read_csv(
                self.ratings_file,
                has_header=False,
                skip_rows=layout.header_lines,
                separator=layout.separator[0],
                schema=schema,
            ).select([f"{n * width}" for n in places])
        if len(table) != len(self.rows("file")) or any(table.null_count().row(0)):
            return None
        user_id, item_id, rating, timestamp = (column.to_numpy() for column in table)
        good = self.scale.holds(rating) & (user_id >= 0) & (item_id >= 0)
        good &= (timestamp >= 0) & (timestamp <= time.time() + MAX_CLOCK_LEAD_SECONDS)
        return EventColumns.of(user_id, item_id, rating, timestamp) if good.all() else None

    def _read_row_by_row(self) -> EventColumns:
        """The slow way, which knows every line: for files that polars reads otherwise, and to name
        the bad line.
        """
        events = []
        for row in self.rows("file"):
            if row.event is None:
                line = row.number + 1 + self.ratings_format.header_lines
                raise DatasetError(
                    f"{self.ratings_file}, line {line}: {row.reason}: correct the line or remove it"
                )
            events.append(row.event)
        return EventColumns.of_events(events, [0] * len(events), range(len(events)))
