"""A data set of a known layout: where it lies, what its ratings mean, and how it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from reelstream.datasets.beginnings import digest_of_beginning, end_of_beginning
from reelstream.datasets.data_file import DataFile
from reelstream.datasets.film_files import FilmFileKind
from reelstream.datasets.films import CatalogRead, read_films
from reelstream.datasets.headers import NO_NAMES, ColumnNames
from reelstream.datasets.id_kinds import notes_on_kinds
from reelstream.datasets.layouts import RatingsFormat
from reelstream.datasets.row_parser import CsvRow
from reelstream.datasets.rows import Order, RatingBlock, RatingRows
from reelstream.errors import DatasetError
from reelstream.files import translate_errors
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.ids import NUMBERS, Ids
from reelstream.ratings.scale import RatingScale


@dataclass(frozen=True)
class Dataset:
    """Ratings in one file and the films beside it; `detect` makes one."""

    name: str
    """The name of its folder."""
    layout: str
    """`the-movies-dataset`, `ml-latest` (20M, 25M and 32M too), `ml-1m`, `ml-100k`,
    `json-lines`, or `columns` for any other table.
    """
    folder: Path
    ratings: DataFile
    ratings_format: RatingsFormat
    scale: RatingScale
    """Recognised from the ratings; `with_scale` sets another."""
    film_files: dict[FilmFileKind, DataFile]
    """Empty for ratings without films."""
    columns: ColumnNames = NO_NAMES
    """The columns that a person named."""
    layout_notes: tuple[str, ...] = ()
    """What was assumed of the files."""
    span: tuple[int, int] | None = None
    """Which bytes of the ratings as plain text count; None: all."""
    ids: Ids = NUMBERS
    """Of its users and items, as they were recognised or a person said."""

    @property
    def ratings_file(self) -> Path:
        """Where the ratings lie on the disk; an archive, when they are in one."""
        return self.ratings.path

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed."""
        return (*self.layout_notes, *notes_on_kinds(self.ids))

    def with_scale(self, scale: RatingScale) -> Dataset:
        """The same data set on another scale."""
        return replace(self, scale=scale)

    def with_ids(self, ids: Ids) -> Dataset:
        """The same data set, with ids of other kinds."""
        return replace(self, ids=ids)

    @property
    def has_times(self) -> bool:
        """Whether a column says when the ratings were given; without one all have the same time."""
        return self.ratings_format.timestamp is not None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the ratings as plain text in hex: what the data set is known by, however it is
        packed. Raises StorageError and DatasetError.
        """
        plain = self.ratings.plain()
        if self.span is None:
            with translate_errors(plain), open(plain, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        first, end = self.span
        whole = digest_of_beginning(plain, end)
        # The same rows may be appended twice: each time they are others, as they lie elsewhere.
        return hashlib.sha256(f"{whole}:{first}".encode()).hexdigest() if first else whole

    @property
    def size(self) -> int:
        """Bytes of the ratings as plain text. Raises StorageError and DatasetError."""
        plain = self.ratings.plain()
        with translate_errors(plain):
            return plain.stat().st_size

    def part(self, first: int, end: int) -> Dataset:
        """The ratings in these bytes of the plain text, which are whole rows."""
        return replace(self, span=(first, end))

    def end_of(self, fingerprint: str, size: int | None) -> tuple[int, int] | None:
        """Where the ratings with this fingerprint, `size` bytes if that is known, end in these, and
        where the next row begins; None when these do not begin with those, row for row.

        Raises StorageError and DatasetError.
        """
        return end_of_beginning(self.ratings.plain(), fingerprint, size)

    def read_catalog(self) -> CatalogRead:
        """The films, and how many rows of their files were skipped; an empty catalogue when there
        are no film files.

        Raises StorageError, or DatasetError when a film file cannot be read.
        """
        return read_films(self.film_files, self.columns, self.ids.item)

    def rows(self, order: Order, start: int = 0) -> RatingRows:
        """Every row of the ratings file for the producer, good or not, without the first `start`.
        Raises StorageError and DatasetError.
        """
        return RatingRows(
            self.ratings.plain(),
            self.ratings_format,
            self.scale,
            order,
            start,
            span=self.span,
            ids=self.ids,
        )

    def blocks(self) -> Iterator[RatingBlock]:
        """All rows in order of the file, many at a time: what `rows` gives, in columns.

        Raises StorageError and DatasetError.
        """
        return self.rows("file").blocks()

    def read_accepted(self) -> tuple[EventColumns, list[CsvRow]]:
        """The ratings in order of the file, each with its row number as offset, and the rows that
        the stream would reject. Raises StorageError and DatasetError.
        """
        parts, rejected = [], list[CsvRow]()
        for block in self.blocks():
            parts.append(block.events)
            rejected += block.rejected
        return EventColumns.concatenate(parts), rejected

    def read_ratings(self) -> EventColumns:
        """All ratings in order of the file, each with its row number as offset.

        Raises StorageError, or DatasetError that names the first line which is not a rating.
        """
        parts = []
        for block in self.blocks():
            for row in block.rejected:
                raise DatasetError(
                    f"{self.ratings}, line {self.line_of(row)}: {row.reason}: correct the line or "
                    "remove it"
                )
            parts.append(block.events)
        return EventColumns.concatenate(parts)

    def line_of(self, row: CsvRow) -> int:
        """The line of a row in order of the file, counted from 1."""
        return row.number + 1 + self.ratings_format.header_lines
