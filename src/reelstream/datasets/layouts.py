"""What a file holds, recognised by its content: how its ratings are written, and on which scale."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reelstream.files import translate_errors
from reelstream.ratings.scale import RatingScale

HEAD_BYTES = 65_536
"""As much of a file as is read to recognise it."""

FIVE_WHOLE_STARS = RatingScale(1.0, 5.0, 1.0, 4.0)
TEN_WHOLE_STARS = RatingScale(1.0, 10.0, 1.0, 8.0)

COLUMN_NAMES = {
    "user": ("userid", "user"),
    "item": ("movieid", "itemid", "movie", "item"),
    "rating": ("rating",),
    "timestamp": ("timestamp", "time"),
}
"""What each column may be called, as `plain_name` has it."""
_NUMBER = re.compile(r"\s*[+-]?[0-9]+(\.[0-9]*)?\s*")
_SAMPLES = 16
"""The places, evenly spread over a ratings file, that are looked at for its scale."""


@dataclass(frozen=True, slots=True)
class RatingsFormat:
    """How the rows of a ratings file are written."""

    separator: str
    """One of `,`, a tab, `::`."""
    n_columns: int = 4
    user: int = 0
    """Number of the column with the user's id; so the next three."""
    item: int = 1
    rating: int = 2
    timestamp: int = 3
    header_lines: int = 0
    """0 or 1."""
    mark_bytes: int = 0
    """Length of the UTF-8 byte order mark in front of the first line: 0 or 3."""


def recognise_ratings(head: bytes) -> RatingsFormat | None:
    """The format of a ratings file that begins with `head`; None when its content is something
    else.

    A header that names the four columns is enough; else at least half of the lines have to look
    like ratings, so that broken rows do not hide what the file is.
    """
    mark = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    lines = head_lines(head)
    for separator in ("::", "\t", ","):
        if lines and (named := _named_columns(split_line(lines[0], separator), separator, mark)):
            return named
        rows = [split_line(line, separator) for line in lines]
        ratings = [len(row) == 4 and all(map(_NUMBER.fullmatch, row)) for row in rows]
        # A header in other words than ours: four cells without a number above rows that are
        # ratings.
        header = (
            bool(rows)
            and len(rows[0]) == 4
            and not any(map(_NUMBER.fullmatch, rows[0]))
            and all(rows[0])
        )
        if sum(ratings) > 0 and 2 * sum(ratings) >= len(rows) - header:
            return RatingsFormat(separator, header_lines=int(header), mark_bytes=mark)
    return None


def _named_columns(cells: Sequence[str], separator: str, mark: int) -> RatingsFormat | None:
    names = [plain_name(cell) for cell in cells]
    places: dict[str, int] = {}
    for column, accepted in COLUMN_NAMES.items():
        place = next((names.index(name) for name in accepted if name in names), None)
        if place is None:
            return None
        places[column] = place
    return RatingsFormat(separator, len(names), **places, header_lines=1, mark_bytes=mark)


def plain_name(name: str) -> str:
    """A column's name without what writers differ in: case, spaces and underscores."""
    return name.strip().lower().replace("_", "").replace(" ", "")


def recognise_scale(path: Path, ratings_format: RatingsFormat) -> RatingScale:
    """The scale that the ratings in `path` are on, from samples of it; broken ratings among them
    change nothing.

    Ratings above 5 mean 1 to 10. Whole ratings mean 1 to 5 only in the layouts of ml-1m and
    ml-100k: a part of a newer data set may hold whole ratings by chance. Everything else is 0.5 to
    5 in halves. Raises StorageError.
    """
    ratings = Counter(_sampled_ratings(path, ratings_format))
    total = sum(ratings.values())
    if total and sum(n for rating, n in ratings.items() if 5 < rating <= 10) >= 0.05 * total:
        return TEN_WHOLE_STARS
    halves = sum(n for rating, n in ratings.items() if rating % 1)
    if ratings_format.separator != "," and halves <= 0.01 * total:
        return FIVE_WHOLE_STARS
    return RatingScale()


def _sampled_ratings(path: Path, ratings_format: RatingsFormat) -> Iterator[float]:
    with translate_errors(path), open(path, "rb") as file:
        size = file.seek(0, 2)
        for sample in range(_SAMPLES if size > _SAMPLES * HEAD_BYTES else 1):
            file.seek(size // _SAMPLES * sample)
            # One sample is all of a small file; the first and last line of each may be cut, and are
            # left out.
            text = file.read(_SAMPLES * HEAD_BYTES if size <= _SAMPLES * HEAD_BYTES else HEAD_BYTES)
            for line in _lines(text)[sample > 0 :]:
                cells = split_line(line, ratings_format.separator)
                if len(cells) == ratings_format.n_columns and _NUMBER.fullmatch(
                    cells[ratings_format.rating]
                ):
                    yield float(cells[ratings_format.rating])


def read_head(path: Path) -> bytes:
    """The beginning of a file. Raises StorageError."""
    with translate_errors(path), open(path, "rb") as file:
        return file.read(HEAD_BYTES)


def head_lines(head: bytes) -> list[str]:
    """The first lines of a file that are not empty, at most 200."""
    return [line for line in _lines(head.removeprefix(codecs.BOM_UTF8)) if line.strip()][:200]


def _lines(block: bytes) -> list[str]:
    """The lines of a block; the last is left out when the block is full, as it may be cut."""
    lines = block.decode("latin-1").split("\n")
    whole = lines[:-1] if len(block) >= HEAD_BYTES and len(lines) > 1 else lines
    return [line.removesuffix("\r") for line in whole]


def split_line(line: str, separator: str) -> list[str]:
    """The cells of one line; quotes count only between commas, as in CSV. No cells when the quotes
    are broken.
    """
    if separator != "," or '"' not in line:
        return line.split(separator)
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []
