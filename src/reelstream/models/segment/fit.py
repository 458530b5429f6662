"""Fits the segment model of a set."""

from __future__ import annotations

from reelstream.errors import NothingToLearnError
from reelstream.features.user_profiles import GenreShares
from reelstream.models.family import FamilyInput
from reelstream.models.segment.model import SegmentModel


def fit_segment_family(data: FamilyInput) -> SegmentModel:
    """The segments of all users, with the numbers of the previous set where they are the same.

    Raises NothingToLearnError when nobody has ratings: there is no average user then.
    """
    if not len(data.histories):
        raise NothingToLearnError
    genres = data.catalog.genres
    return SegmentModel.fit(
        data.histories.ratings,
        data.histories.starts,
        GenreShares(data.catalog, genres),
        genres,
        data.previous_of(SegmentModel),
        data.seed,
    )
