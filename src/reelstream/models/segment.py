"""The segment model: k-means on users' rating profiles, with numbers that stay and labels in words."""

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
from reelstream.ratings import RatingColumns

# k-means adds up in as many parts as it has threads: on one, the same users give the same centroids bit for bit.

FORMAT = 1
MOST_SEGMENTS = 8
FEWEST_SEGMENTS = 4
FEWEST_USERS_A_SEGMENT = 5
SILHOUETTE_SAMPLE = 2_000
"""Users that the number of segments is chosen on: the score costs their square."""

STRIKING = 0.35
"""Standard deviations from the average user at which a habit is worth a word."""
COMMON_GENRE = 0.03
"""Share of all ratings below which a genre is too rare to call users its lovers."""
WORDS = {"mean": ("strict", "generous"), "activity": ("occasional", "avid"), "spread": ("even-tempered", "decided")}

_ARRAYS = ("average", "centre", "scale", "centroids")


@dataclass(frozen=True, slots=True)
class Segment:
    """A kind of user."""

    number: int
    """Keeps its meaning from set to set."""
    label: str
    """What sets it apart, in words."""
    size: int
    """Users in it when the set was trained."""


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
    users_when_counted: int
    """Users when the number of segments was last chosen."""

    @classmethod
    def fit(
        cls,
        ratings: RatingColumns,
        starts: NDArray[np.int64],
        shares: GenreShares,
        genres: tuple[str, ...],
        previous: SegmentModel | None,
        seed: int,
    ) -> Self:
        """Segments of users whose ratings begin at `starts` in `ratings`.

        The number of segments is the one with the best silhouette score (Rousseeuw, 1987) among 4 to 8; it is chosen
        again when the users have doubled. In between, k-means goes on from the previous centroids, so that a segment
        keeps its number; after a new choice, segments take the number of the previous one they are nearest to.
        """
        from sklearn.cluster import KMeans  # noqa: PLC0415  (seconds to import; a server never fits)

        average = average_profile(ratings, shares)
        profiles = user_profiles(ratings, starts, shares, average)
        n = len(profiles)
        centre = profiles.mean(0)
        scale = np.maximum(profiles.std(0), 1e-9)
        scale[len(HABITS) :] *= np.sqrt(max(len(genres), 1) / len(HABITS))  # all genres weigh as much as all habits
        scaled = (profiles - centre) / scale
        follows = previous is not None and previous.genres == genres
        if previous is not None and follows and n < 2 * previous.users_when_counted:
            start = (previous.centroids - centre) / scale
            with threadpool_limits(1):
                found = KMeans(len(start), init=start, n_init=1).fit(scaled)
            centroids, counted = found.cluster_centers_, previous.users_when_counted
        else:
            centroids, counted = _best_centroids(scaled, seed), n
            if previous is not None and follows:
                centroids = _renumber(centroids, (previous.centroids - centre) / scale)
        sizes = np.bincount(cdist(scaled, centroids).argmin(1), minlength=len(centroids))
        deviations = centroids * scale / np.maximum(profiles.std(0), 1e-9)
        segments = tuple(
            Segment(number, label, int(size))
            for number, (label, size) in enumerate(zip(_labels(deviations, genres, average[2:]), sizes, strict=True))
        )
        return cls(genres, average, centre, scale, centroids * scale + centre, segments, counted)

    def segments_of(self, ratings: RatingColumns, starts: NDArray[np.int64], shares: GenreShares) -> NDArray[np.int64]:
        """The segment numbers (n_users,) of users; one without ratings is placed by the average user's profile."""
        profiles = user_profiles(ratings, starts, shares, self.average)
        profiles[np.diff(starts) == 0] = self.centre
        numbers: NDArray[np.int64] = cdist(profiles / self.scale, self.centroids / self.scale).argmin(1)
        return numbers

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
        return cls(about.genres, average, centre, scale, centroids, about.segments, about.users_when_counted)


def _best_centroids(scaled: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """The centroids (k, F) whose number k has the best silhouette."""
    from sklearn.cluster import KMeans  # noqa: PLC0415
    from sklearn.metrics import silhouette_score  # noqa: PLC0415

    kinds = len(np.unique(scaled.round(9), axis=0))  # users who rate alike cannot be told apart
    most = min(MOST_SEGMENTS, len(scaled) // FEWEST_USERS_A_SEGMENT, kinds - 1)
    if most < FEWEST_SEGMENTS:
        return np.zeros((1, scaled.shape[1]))
    sample = np.random.default_rng(seed).permutation(len(scaled))[:SILHOUETTE_SAMPLE]
    with threadpool_limits(1):
        fits = [KMeans(k, n_init=4, random_state=seed).fit(scaled) for k in range(FEWEST_SEGMENTS, most + 1)]
    best = max(fits, key=lambda fit: float(silhouette_score(scaled[sample], fit.labels_[sample])))
    centroids: NDArray[np.float64] = best.cluster_centers_
    return centroids


def _renumber(centroids: NDArray[np.float64], previous: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same centroids, ordered so that each stands where its nearest previous one stood (Kuhn, 1955)."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    old, new = linear_sum_assignment(cdist(previous, centroids))
    order = np.full(len(centroids), -1)
    kept = old < len(centroids)  # of fewer segments than before, the last numbers are gone
    order[old[kept]] = new[kept]
    order[order < 0] = np.setdiff1d(np.arange(len(centroids)), order)
    renumbered: NDArray[np.float64] = centroids[order]
    return renumbered


def _labels(deviations: NDArray[np.float64], genres: tuple[str, ...], shares: NDArray[np.float64]) -> list[str]:
    """A label for each row of `deviations` (k, F), in standard deviations from the average user.

    shares (n_genres,): how common each genre is among all ratings.
    """
    labels: list[str] = []
    for row in deviations:
        habits = dict(zip(HABITS, row, strict=False))
        by_weight = sorted(habits, key=lambda habit: -abs(habits[habit]))
        words = [WORDS[habit][int(habits[habit] > 0)] for habit in by_weight if abs(habits[habit]) > STRIKING]
        liked = np.argsort(-np.where(shares > COMMON_GENRE, row[len(HABITS) :], -np.inf))
        favourites = [genres[column].lower() for column in liked] or ["film"]
        label = " ".join([*words[:1], favourites[0], "lovers"])
        if label in labels:
            label = " ".join(
                [*words[:2], *favourites[:1], *(["and", favourites[1]] if favourites[1:] else []), "lovers"]
            )
        labels.append(label if label not in labels else f"{label} ({len(labels) + 1})")
    return labels
