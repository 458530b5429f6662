"""On which scale the ratings of a file are, found from the values themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from reelstream.datasets.data_file import HEAD_BYTES
from reelstream.datasets.json_rows import JsonRowParser
from reelstream.datasets.layouts import RatingsFormat, block_lines, split_line
from reelstream.errors import RatingError
from reelstream.files import translate_errors
from reelstream.ratings.scale import RatingScale
from reelstream.ratings.values import read_rating

FIVE_WHOLE_STARS = RatingScale(1.0, 5.0, 1.0, 4.0)
TEN_WHOLE_STARS = RatingScale(1.0, 10.0, 1.0, 8.0)
TEN_HALF_STARS = RatingScale(0.5, 10.0, 0.5, 8.0)
HUNDRED_POINTS = RatingScale(1.0, 100.0, 1.0, 80.0)

# The places, evenly spread over a ratings file, that are looked at.
_SAMPLES = 16


def recognise_scale(path: Path, ratings_format: RatingsFormat) -> RatingScale:
    """The scale that the ratings in `path` are on, from samples of it; broken ratings among them
    change nothing, and 0 and below count as unrated.

    Ratings above 5 mean 1 to 10, in halves where there are halves; if most are above 10, 1 to 100.
    Whole ratings mean 1 to 5 only in the layouts of ml-1m and ml-100k: a part of a newer data set
    may hold whole ratings by chance. Everything else is 0.5 to 5 in halves. Raises StorageError.
    """
    return scale_of(_sampled_ratings(path, ratings_format), ratings_format.separator)


def scale_of(sampled: Iterable[float], separator: str) -> RatingScale:
    """The scale of sampled ratings from a file with this separator."""
    ratings = Counter(rating for rating in sampled if rating > 0)
    total = sum(ratings.values())
    halves = sum(n for rating, n in ratings.items() if rating % 1)
    if total and sum(n for rating, n in ratings.items() if 10 < rating <= 100) >= 0.5 * total:
        return HUNDRED_POINTS
    if total and sum(n for rating, n in ratings.items() if 5 < rating <= 10) >= 0.05 * total:
        return TEN_WHOLE_STARS if halves <= 0.01 * total else TEN_HALF_STARS
    if separator in ("::", "\t") and halves <= 0.01 * total:
        return FIVE_WHOLE_STARS
    return RatingScale()


def _sampled_ratings(path: Path, ratings_format: RatingsFormat) -> Iterator[float]:
    read_line = JsonRowParser.rating_of if ratings_format.is_json else _rating_of
    with translate_errors(path), open(path, "rb") as file:
        size = file.seek(0, 2)
        for sample in range(_SAMPLES if size > _SAMPLES * HEAD_BYTES else 1):
            file.seek(size // _SAMPLES * sample)
            # One sample is all of a small file; the first and last line of each may be cut, and are
            # left out.
            text = file.read(_SAMPLES * HEAD_BYTES if size <= _SAMPLES * HEAD_BYTES else HEAD_BYTES)
            for line in block_lines(text)[sample > 0 :]:
                rating = read_line(line, ratings_format)
                if rating is not None:
                    yield rating


def _rating_of(line: str, ratings_format: RatingsFormat) -> float | None:
    cells = split_line(line, ratings_format.separator)
    if len(cells) != ratings_format.n_columns:
        return None
    try:
        return read_rating(
            cells[ratings_format.rating], decimal_comma=ratings_format.has_decimal_commas
        )
    except RatingError:
        return None
