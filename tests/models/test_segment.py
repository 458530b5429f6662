"""Segments mean something, and keep their numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reelstream.catalog import Catalog, Film
from reelstream.features.user_profiles import GenreShares
from reelstream.models.segment import SegmentModel
from reelstream.ratings import RatingColumns
from reelstream.storage.history import History

GENRES = ("Action", "Comedy", "Drama", "Horror")
CATALOG = Catalog(Film(item, f"Film {item}", 1990, (GENRES[item % 4],)) for item in range(200))
SHARES = GenreShares(CATALOG, GENRES)


def crowd(n_users: int, seed: int = 0) -> History:
    """Four kinds of users: each rates one genre three times in four, and one kind is strict."""
    rng = np.random.default_rng(seed)
    users, items, stars = [], [], []
    for user in range(n_users):
        kind = user % 4
        chosen = rng.choice(200, 30, replace=False, p=np.where(np.arange(200) % 4 == kind, 0.75, 0.25 / 3) / 50)
        users += [user] * 30
        items += chosen.tolist()
        stars += np.clip(np.round(2 * rng.normal(2.0 if kind == 3 else 4.0, 0.5, 30)) / 2, 0.5, 5).tolist()
    return History.of(RatingColumns.of(users, items, stars, np.arange(len(users))))


def fit(history: History, previous: SegmentModel | None = None) -> SegmentModel:
    return SegmentModel.fit(history.ratings, history.starts, SHARES, GENRES, previous, seed=0)


def test_the_four_kinds_are_found_and_named_after_what_they_rate() -> None:
    history = crowd(200)
    model = fit(history)
    numbers = model.segments_of(history.ratings, history.starts, SHARES)
    assert len(model.segments) == 4
    for kind in range(4):
        own = numbers[kind::4]
        main = int(np.bincount(own).argmax())
        assert (own == main).mean() > 0.95
        assert GENRES[kind].lower() in model.segments[main].label
    assert "strict" in model.segments[int(np.bincount(numbers[3::4]).argmax())].label


def test_sizes_add_up_and_labels_differ() -> None:
    model = fit(crowd(200))
    assert sum(segment.size for segment in model.segments) == 200
    assert len({segment.label for segment in model.segments}) == len(model.segments)
    assert [segment.number for segment in model.segments] == list(range(len(model.segments)))


def test_users_keep_their_segment_when_a_little_is_added() -> None:
    before = crowd(200)
    first = fit(before)
    added = crowd(204, seed=1).ratings[-120:]
    after = before.merge(RatingColumns.of(added.user_id, added.item_id, added.rating, added.timestamp + 10**6))
    second = fit(after, previous=first)
    old = first.segments_of(before.ratings, before.starts, SHARES)
    new = second.segments_of(after.ratings, after.starts, SHARES)[np.isin(after.user_ids, before.user_ids)]
    assert (old == new).mean() >= 0.95


def test_numbers_survive_a_new_choice_of_their_number() -> None:
    """When users have doubled the number of segments is chosen again; a segment that is found again keeps its number."""
    before, after = crowd(100), crowd(400)
    first = fit(before)
    second = fit(after, previous=first)
    assert second.users_when_counted == 400
    old = first.segments_of(before.ratings, before.starts, SHARES)
    new = second.segments_of(after.ratings, after.starts, SHARES)[:100]
    assert (old == new).mean() >= 0.95


@pytest.mark.parametrize("n_previous", [2, 4, 8])
def test_fewer_or_more_segments_than_before_are_numbered_from_zero(n_previous: int) -> None:
    first = fit(crowd(100))
    centroids = np.random.default_rng(3).permutation(np.repeat(first.centroids, 2, axis=0)[:n_previous])
    second = fit(crowd(400), previous=replace(first, centroids=centroids))
    assert [segment.number for segment in second.segments] == list(range(4))
    assert sum(segment.size for segment in second.segments) == 400


def test_a_user_without_ratings_is_placed_with_the_average_user() -> None:
    history = crowd(100)
    model = fit(history)
    number = int(model.segments_of(RatingColumns.empty(), np.array([0, 0]), SHARES)[0])
    assert 0 <= number < len(model.segments)


def test_users_who_all_rate_alike_are_one_segment() -> None:
    users, items = np.indices((40, 10)).reshape(2, -1)
    model = fit(History.of(RatingColumns.of(users, items, np.full(400, 3.5), items)))
    assert [segment.size for segment in model.segments] == [40]


def test_a_handful_of_users_is_one_segment() -> None:
    model = fit(crowd(8))
    assert len(model.segments) == 1 and model.segments[0].size == 8
