"""The segment model: the average rating profile of each segment; a user is in the nearest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from reelstream.features.user_profiles import GenreShares, user_profiles
from reelstream.files import encode_json, read_json, write_synced
from reelstream.models.segment.description import Segment
from reelstream.ratings.columns import EventColumns

FORMAT = 1

_ARRAYS = ("average", "centre", "scale", "centroids")


class _About(msgspec.Struct, kw_only=True):
    format: int = FORMAT
    genres: tuple[str, ...]
    segments: tuple[Segment, ...]
    users_when_counted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentModel:
    """Fitted segments: k of them, F profile columns."""

    genres: tuple[str, ...]
    """The genre columns of a profile, which follow its habits."""
    average: NDArray[np.float64]
    """(2 + n_genres,): see `average_profile`."""
    centre: NDArray[np.float64]
    """(F,): the average user's profile."""
    scale: NDArray[np.float64]
    """(F,): what profile columns are divided by before distances are taken."""
    centroids: NDArray[np.float64]
    """(k, F): the average profile of each segment, not scaled."""
    segments: tuple[Segment, ...]
    """(k): in the order of the centroids, which is not always that of their numbers."""
    users_when_counted: int
    """Users when the number of segments was last chosen."""

    @property
    def numbers(self) -> NDArray[np.int64]:
        """(k,): of the segments, in the order of the centroids."""
        return np.array([segment.number for segment in self.segments])

    def segments_of(
        self, ratings: EventColumns, starts: NDArray[np.int64], shares: GenreShares
    ) -> NDArray[np.int64]:
        """The segment number (n_users,) of each user whose ratings begin at `starts`
        (n_users + 1,) in `ratings`.

        A user without ratings is in the segment nearest to the average user.
        """
        return self._nearest(self._profiles(ratings, starts, shares))

    def map_users(
        self, ratings: EventColumns, starts: NDArray[np.int64], shares: GenreShares
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The segment number (n_users,) of each user, and where he or she lies (n_users, 2) on the
        plane on which the segments' centroids are furthest apart: the first two principal
        components of the scaled centroids around the average user, who lies at the origin.

        Arguments as of `segments_of`.
        """
        profiles = self._profiles(ratings, starts, shares)
        directions = np.linalg.svd((self.centroids - self.centre) / self.scale)[2][:2]
        # A direction and its opposite are equally good: the largest weight points upwards.
        largest = np.abs(directions).argmax(1)
        directions *= np.sign(directions[np.arange(2), largest])[:, None]
        return self._nearest(profiles), ((profiles - self.centre) / self.scale) @ directions.T

    def _profiles(
        self, ratings: EventColumns, starts: NDArray[np.int64], shares: GenreShares
    ) -> NDArray[np.float64]:
        profiles = user_profiles(ratings, starts, shares, self.average)
        # Without ratings a profile is all smoothing, with an activity of 0: not an average user's.
        profiles[np.diff(starts) == 0] = self.centre
        return profiles

    def _nearest(self, profiles: NDArray[np.float64]) -> NDArray[np.int64]:
        nearest = cdist(profiles / self.scale, self.centroids / self.scale).argmin(1)
        numbers: NDArray[np.int64] = self.numbers[nearest]
        return numbers

    def numbered(self, number: int) -> Segment:
        """The segment with this number."""
        return next(segment for segment in self.segments if segment.number == number)

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder."""
        about = _About(
            genres=self.genres, segments=self.segments, users_when_counted=self.users_when_counted
        )
        write_synced(folder / "model.json", encode_json(about))
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises DamagedError, OSError."""
        about = read_json(folder / "model.json", _About)
        return cls(
            genres=about.genres,
            segments=about.segments,
            users_when_counted=about.users_when_counted,
            **{name: np.load(folder / f"{name}.npy") for name in _ARRAYS},
        )
