"""The segment model: k-means on users' rating profiles, with numbers that stay."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from reelstream.features.user_profiles import HABITS, GenreShares, average_profile, user_profiles
from reelstream.files import encode_json, read_json, write_synced
from reelstream.models.segment.description import COMMON_GENRE, Segment, describe, example_films
from reelstream.ratings.columns import EventColumns

# k-means adds up in as many parts as it has threads: on one, the same users give the same centroids
# bit for bit.

FORMAT = 1
MAX_SEGMENTS = 8
MIN_SEGMENTS = 4
MIN_USERS_PER_SEGMENT = 5
CHOICE_SAMPLE = 2_000
"""Users that the number of segments is chosen on: a silhouette costs their square."""
STARTS = 10
"""Of k-means from random centroids; the best counts."""
SILHOUETTE_STANDARD_ERRORS = 2.0
"""Standard errors by which another number of segments must be better than the present one."""

_ARRAYS = ("average", "centre", "scale", "centroids")


class _About(msgspec.Struct):
    format: int
    genres: tuple[str, ...]
    segments: tuple[Segment, ...]
    users_when_counted: int


@dataclass(frozen=True, slots=True)
class SegmentModel:
    """Fitted segments: k of them, F profile columns."""

    genres: tuple[str, ...]
    """The genre columns of a profile, behind its habits."""
    average: NDArray[np.float64]
    """(2 + n_genres,): see `average_profile`."""
    centre: NDArray[np.float64]
    """(F,): the average user's profile."""
    scale: NDArray[np.float64]
    """(F,): how much a profile column counts; profile columns are divided by it."""
    centroids: NDArray[np.float64]
    """(k, F): profiles in the middle of each segment, not scaled."""
    segments: tuple[Segment, ...]
    """(k): in the order of the centroids, which is not always that of their numbers."""
    users_when_counted: int
    """Users when the number of segments was last chosen."""

    @classmethod
    def fit(
        cls,
        ratings: EventColumns,
        starts: NDArray[np.int64],
        shares: GenreShares,
        genres: tuple[str, ...],
        previous: SegmentModel | None,
        seed: int,
    ) -> Self:
        """Segments of users whose ratings begin at `starts` in `ratings`.

        The number of segments is the one with the best silhouette score (Rousseeuw, 1987) among 4
        to 8. It is chosen again when the users have doubled, and stays unless another is clearly
        better. While it stays, k-means goes on from the previous centroids, which take part in it
        with the weight of their users; so a segment keeps its number. When it changes, segments
        take the numbers that let most users keep theirs.
        """
        average = average_profile(ratings, shares)
        profiles = user_profiles(ratings, starts, shares, average)
        centre = profiles.mean(0)
        scale = np.maximum(profiles.std(0), 1e-9)
        # all genres weigh as much as all habits
        scale[len(HABITS) :] *= np.sqrt(max(len(genres), 1) / len(HABITS))
        scaled = (profiles - centre) / scale
        with threadpool_limits(1):
            if previous is None or previous.genres != genres:
                centroids, counted = _best_centroids(scaled, None, seed), len(scaled)
                numbers = np.arange(len(centroids))
            else:
                centroids, numbers, counted = previous._go_on(scaled, centre, scale, seed)
        place = cdist(scaled, centroids).argmin(1)
        segments = describe(
            numbers,
            place,
            np.diff(starts),
            profiles,
            genres,
            average[2:] > COMMON_GENRE,
            example_films(
                np.repeat(place, np.diff(starts)),
                shares.items.rows(ratings.item_id),
                len(numbers),
                shares.items.ids,
            ),
        )
        return cls(genres, average, centre, scale, centroids * scale + centre, segments, counted)

    def segments_of(
        self, ratings: EventColumns, starts: NDArray[np.int64], shares: GenreShares
    ) -> NDArray[np.int64]:
        """The segment numbers (n_users,) of users; one without ratings is placed by the average
        user's profile.
        """
        profiles = user_profiles(ratings, starts, shares, self.average)
        profiles[np.diff(starts) == 0] = self.centre
        places = cdist(profiles / self.scale, self.centroids / self.scale).argmin(1)
        numbers: NDArray[np.int64] = self._numbers[places]
        return numbers

    def numbered(self, number: int) -> Segment:
        """The segment with this number."""
        return next(segment for segment in self.segments if segment.number == number)

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder."""
        about = _About(FORMAT, self.genres, self.segments, self.users_when_counted)
        write_synced(folder / "model.json", encode_json(about))
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        about = read_json(folder / "model.json", _About)
        average, centre, scale, centroids = (np.load(folder / f"{name}.npy") for name in _ARRAYS)
        return cls(
            about.genres,
            average,
            centre,
            scale,
            centroids,
            about.segments,
            about.users_when_counted,
        )

    @property
    def _numbers(self) -> NDArray[np.int64]:
        """(k,): of the segments, in the order of the centroids."""
        return np.array([segment.number for segment in self.segments])

    def _go_on(
        self,
        scaled: NDArray[np.float64],
        centre: NDArray[np.float64],
        scale: NDArray[np.float64],
        seed: int,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
        """Centroids for the users of the next set, their numbers, and the users when their number
        was last chosen.
        """
        before = (self.centroids - centre) / scale
        weights = np.array([max(segment.size, 1) for segment in self.segments])
        centroids = _continued(scaled, before, weights)
        if len(scaled) < 2 * self.users_when_counted:
            return centroids, self._numbers, self.users_when_counted
        best = _best_centroids(scaled, centroids, seed)
        if best is centroids:
            return centroids, self._numbers, len(scaled)
        old, new = (cdist(scaled, each).argmin(1) for each in (before, best))
        return best, _renumbered(old, new, self._numbers, len(best)), len(scaled)


def _continued(
    scaled: NDArray[np.float64], before: NDArray[np.float64], weights: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Centroids (k, F) from users (n, F) and previous centroids, each of which counts as `weights`
    (k,) users.

    Without that weight, k-means may walk far off for the sake of a few new users.
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415  (seconds to import; a server never fits)

    weighted = np.concatenate([np.ones(len(scaled)), weights])
    found = KMeans(len(before), init=before, n_init=1).fit(
        np.vstack([scaled, before]), sample_weight=weighted
    )
    centroids: NDArray[np.float64] = found.cluster_centers_
    return centroids


def _best_centroids(
    scaled: NDArray[np.float64], present: NDArray[np.float64] | None, seed: int
) -> NDArray[np.float64]:
    """The centroids (k, F) whose number k has the best silhouette; `present` ones unless another
    number is clearly better.

    Clearly: users' silhouettes with that number are better than with the present one by more than
    two standard errors.
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415
    from sklearn.metrics import silhouette_samples  # noqa: PLC0415

    kinds = len(np.unique(scaled.round(9), axis=0))  # users who rate alike cannot be told apart
    most = min(MAX_SEGMENTS, len(scaled) // MIN_USERS_PER_SEGMENT, kinds - 1)
    if most < MIN_SEGMENTS:
        return np.zeros((1, scaled.shape[1])) if present is None else present
    sample = scaled[np.random.default_rng(seed).permutation(len(scaled))[:CHOICE_SAMPLE]]
    fits = {
        k: KMeans(k, n_init=STARTS, random_state=seed).fit(sample)
        for k in range(MIN_SEGMENTS, most + 1)
    }
    silhouettes = {k: silhouette_samples(sample, fit.labels_) for k, fit in fits.items()}
    best = max(silhouettes, key=lambda k: float(silhouettes[k].mean()))
    if present is not None and len(present) in silhouettes:
        gain = silhouettes[best] - silhouettes[len(present)]
        if gain.mean() <= SILHOUETTE_STANDARD_ERRORS * gain.std() / np.sqrt(len(sample)):
            return present
    centroids: NDArray[np.float64] = (
        KMeans(best, init=fits[best].cluster_centers_, n_init=1).fit(scaled).cluster_centers_
    )
    return centroids


def _renumbered(
    old: NDArray[np.int64], new: NDArray[np.int64], numbers: NDArray[np.int64], n_segments: int
) -> NDArray[np.int64]:
    """Numbers (n_segments,) of new segments, so that as many users as can be keep theirs (Kuhn,
    1955).

    old, new (n_users,): each user's place among segments before, with these `numbers`, and now.
    """
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    both = np.bincount(old * n_segments + new, minlength=len(numbers) * n_segments).reshape(
        len(numbers), n_segments
    )
    matched, places = linear_sum_assignment(-both)
    renumbered = np.full(n_segments, -1)
    renumbered[places] = numbers[matched]
    unknown = renumbered < 0
    renumbered[unknown] = numbers.max() + 1 + np.arange(unknown.sum())
    return renumbered
