"""Fits the segment model: k-means on users' rating profiles (Lloyd, 1982), continued from the model
in service so that segments keep their numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from reelstream.errors import NothingToLearnError
from reelstream.features.user_profiles import HABITS, GenreShares, average_profile, user_profiles
from reelstream.models.family import FamilyInput
from reelstream.models.segment.description import (
    COMMON_GENRE,
    Segment,
    SegmentedUsers,
    describe,
    example_films,
)
from reelstream.models.segment.model import SegmentModel
from reelstream.ratings.columns import EventColumns

# Fewer segments say little, more cannot be told apart by their labels.
MIN_SEGMENTS, MAX_SEGMENTS = 4, 8
MIN_USERS_PER_SEGMENT = 5
# Users that the number of segments is chosen on: the cost of a silhouette grows with their square.
CHOICE_SAMPLE = 2_000
# Runs of k-means from random centroids, of which the best counts: a single one may end in a poor
# local optimum.
STARTS = 10
# Standard errors by which another number of segments must be better than the present one: users
# should not change segments for a difference that is chance.
SILHOUETTE_STANDARD_ERRORS = 2.0


class _Clusters(NamedTuple):
    centroids: NDArray[np.float64]
    """(k, F), scaled."""
    numbers: NDArray[np.int64]
    """(k,): of the segments."""
    users_when_counted: int
    """Users when k was last chosen."""


def fit_segment_family(data: FamilyInput) -> SegmentModel:
    """The segments of all users. Raises NothingToLearnError when nobody has ratings: there is no
    average user then.
    """
    if not len(data.histories):
        raise NothingToLearnError
    return fit_segments(
        data.histories.ratings,
        data.histories.starts,
        GenreShares(data.catalog, data.catalog.genres),
        data.previous_of(SegmentModel),
        data.seed,
    )


def fit_segments(
    ratings: EventColumns,
    starts: NDArray[np.int64],
    shares: GenreShares,
    previous: SegmentModel | None,
    seed: int,
) -> SegmentModel:
    """The segments of users whose ratings begin at `starts` (n_users + 1,) in `ratings`.

    Their number is the one with the best silhouette score (Rousseeuw, 1987) among 4 to 8. It is
    chosen again when the users have doubled, and stays unless another is clearly better. While it
    stays, k-means starts from the previous centroids, so a segment keeps its number; when it
    changes, segments take the numbers that let most users keep theirs.
    """
    average = average_profile(ratings, shares)
    profiles = user_profiles(ratings, starts, shares, average)
    centre, scale = profiles.mean(0), np.maximum(profiles.std(0), 1e-9)
    # All genres together weigh as much as all habits together.
    scale[len(HABITS) :] *= np.sqrt(max(len(shares.genres), 1) / len(HABITS))
    scaled = (profiles - centre) / scale
    if previous is not None and previous.genres != shares.genres:
        previous = None  # its profiles have other columns
    # In an order that does not depend on ids, as k-means begins with users drawn by their rows.
    by_position = ratings[starts[:-1]].positions.argsort()
    clusters = _clusters(scaled[by_position], centre, scale, previous, seed)
    places = cdist(scaled, clusters.centroids).argmin(1)
    users = SegmentedUsers(places=places, counts=np.diff(starts), profiles=profiles)
    return SegmentModel(
        genres=shares.genres,
        average=average,
        centre=centre,
        scale=scale,
        centroids=clusters.centroids * scale + centre,
        segments=_described(clusters.numbers, users, ratings, shares, average),
        users_when_counted=clusters.users_when_counted,
    )


def _described(
    numbers: NDArray[np.int64],
    users: SegmentedUsers,
    ratings: EventColumns,
    shares: GenreShares,
    average: NDArray[np.float64],
) -> tuple[Segment, ...]:
    """The segments with these numbers (k,), of users and their ratings; `average` as in
    SegmentModel.
    """
    films = example_films(
        np.repeat(users.places, users.counts),
        shares.items.rows(ratings.item_id),
        len(numbers),
        shares.items.ids,
    )
    return describe(numbers, users, shares.genres, average[2:] > COMMON_GENRE, films)


def _clusters(
    scaled: NDArray[np.float64],
    centre: NDArray[np.float64],
    scale: NDArray[np.float64],
    previous: SegmentModel | None,
    seed: int,
) -> _Clusters:
    """The clusters of users (n, F), continued from those of the model in service if there is one.

    centre, scale (F,): what the users were scaled by.
    """
    # k-means adds up in as many parts as it has threads: on one, the same users give the same
    # centroids bit for bit.
    with threadpool_limits(1):
        if previous is not None:
            present = (previous.centroids - centre) / scale
            return _continued_clusters(scaled, present, previous, seed)
        centroids = _best_centroids(scaled, None, seed)
        return _Clusters(centroids, np.arange(len(centroids)), len(scaled))


def _continued_clusters(
    scaled: NDArray[np.float64], present: NDArray[np.float64], previous: SegmentModel, seed: int
) -> _Clusters:
    """The clusters of users (n, F), from those of the model in service.

    present (k, F): its centroids, scaled as the users are.
    """
    # A segment without users would have no weight, and its centroid could go anywhere.
    weights = np.array([max(segment.size, 1) for segment in previous.segments])
    centroids = _continued_centroids(scaled, present, weights)
    if len(scaled) < 2 * previous.users_when_counted:
        return _Clusters(centroids, previous.numbers, previous.users_when_counted)
    best = _best_centroids(scaled, centroids, seed)
    if best is centroids:
        return _Clusters(centroids, previous.numbers, len(scaled))
    old, new = (cdist(scaled, each).argmin(1) for each in (present, best))
    return _Clusters(best, _renumbered(old, new, previous.numbers, len(best)), len(scaled))


def _continued_centroids(
    scaled: NDArray[np.float64], present: NDArray[np.float64], weights: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Centroids (k, F) of users (n, F) and of the `present` centroids (k, F), each of which counts
    as `weights` (k,) users.

    Without that weight, k-means may move them far for the sake of a few new users.
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415  (seconds to import; a server never fits)

    weighted = np.concatenate([np.ones(len(scaled)), weights])
    found = KMeans(len(present), init=present, n_init=1).fit(
        np.vstack([scaled, present]), sample_weight=weighted
    )
    centroids: NDArray[np.float64] = found.cluster_centers_
    return centroids


def _best_centroids(
    scaled: NDArray[np.float64], present: NDArray[np.float64] | None, seed: int
) -> NDArray[np.float64]:
    """The centroids (k, F) of users (n, F) whose number k has the best silhouette; the `present`
    ones unless another number is clearly better.

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
    """Numbers (n_segments,) of new segments, so that as many users as possible keep theirs (Kuhn,
    1955).

    old, new (n_users,): each user's place among the segments in service, with these `numbers`, and
    among the new ones.
    """
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    both = np.bincount(old * n_segments + new, minlength=len(numbers) * n_segments).reshape(
        len(numbers), n_segments
    )
    matched, places = linear_sum_assignment(-both)
    renumbered = np.full(n_segments, -1)
    renumbered[places] = numbers[matched]
    # A number that was given up is not used for another segment: new ones get higher numbers.
    unknown = renumbered < 0
    renumbered[unknown] = numbers.max() + 1 + np.arange(unknown.sum())
    return renumbered
