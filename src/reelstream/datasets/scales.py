"""On which scale the ratings of a file are, found from the values themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from reelstream.datasets.layouts import RatingsFormat
from reelstream.errors import RatingError
from reelstream.ratings.scale import RatingScale
from reelstream.ratings.values import read_rating

FIVE_WHOLE_STARS = RatingScale(1.0, 5.0, 1.0, 4.0)
TEN_WHOLE_STARS = RatingScale(1.0, 10.0, 1.0, 8.0)
TEN_HALF_STARS = RatingScale(0.5, 10.0, 0.5, 8.0)
HUNDRED_POINTS = RatingScale(1.0, 100.0, 1.0, 80.0)


def recognise_scale(sampled: Iterable[Sequence[str]], ratings_format: RatingsFormat) -> RatingScale:
    """The scale that the ratings in sampled rows are on (`samples.sampled_rows`); broken ratings
    among them change nothing, and 0 and below count as unrated.

    Ratings above 5 mean 1 to 10, in halves where there are halves; if most are above 10, 1 to 100.
    Whole ratings mean 1 to 5 only in the layouts of ml-1m and ml-100k: a part of a newer data set
    may hold whole ratings by chance. Everything else is 0.5 to 5 in halves.
    """
    ratings = (_rating_of(cells, ratings_format) for cells in sampled)
    found = (rating for rating in ratings if rating is not None)
    return scale_of(found, ratings_format.separator)


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


def _rating_of(cells: Sequence[str], ratings_format: RatingsFormat) -> float | None:
    try:
        return read_rating(
            cells[ratings_format.rating], decimal_comma=ratings_format.has_decimal_commas
        )
    except RatingError:
        return None
