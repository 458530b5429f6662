"""Segments mean something, and keep their numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from events import event_columns
from reelstream.catalog import Catalog, Film
from reelstream.features.user_profiles import GenreShares
from reelstream.models.segment.description import SegmentedUsers, describe, example_films
from reelstream.models.segment.fit import fit_segments
from reelstream.models.segment.model import SegmentModel
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories

GENRES = ("Action", "Comedy", "Drama", "Horror")
CATALOG = Catalog(Film(item, f"Film {item}", 1990, (GENRES[item % 4],)) for item in range(200))
SHARES = GenreShares(CATALOG, GENRES)


def crowd(n_users: int, seed: int = 0) -> Histories:
    """Four kinds of users: each rates one genre three times in four, and one kind is strict."""
    rng = np.random.default_rng(seed)
    users, items, stars = [], [], []
    for user in range(n_users):
        kind = user % 4
        chosen = rng.choice(
            200, 30, replace=False, p=np.where(np.arange(200) % 4 == kind, 0.75, 0.25 / 3) / 50
        )
        users += [user] * 30
        items += chosen.tolist()
        stars += np.clip(
            np.round(2 * rng.normal(2.0 if kind == 3 else 4.0, 0.5, 30)) / 2, 0.5, 5
        ).tolist()
    return Histories.of(event_columns(users, items, stars, np.arange(len(users))))


def fit(history: Histories, previous: SegmentModel | None = None) -> SegmentModel:
    return fit_segments(history.ratings, history.starts, SHARES, previous, seed=0)


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
    assert [model.numbered(number).number for number in range(len(model.segments))] == list(
        range(len(model.segments))
    )


def test_users_keep_their_segment_when_a_little_is_added() -> None:
    before = crowd(200)
    first = fit(before)
    added = crowd(204, seed=1).ratings[-120:]
    after = before.merge(
        event_columns(added.user_id, added.item_id, added.rating, added.timestamp + 10**6)
    )
    second = fit(after, previous=first)
    old = first.segments_of(before.ratings, before.starts, SHARES)
    new = second.segments_of(after.ratings, after.starts, SHARES)[
        np.isin(after.user_ids, before.user_ids)
    ]
    assert (old == new).mean() >= 0.95


def test_numbers_survive_a_new_choice_of_their_number() -> None:
    """When users have doubled the number of segments is chosen again; a segment that is found again
    keeps its number.
    """
    before, after = crowd(100), crowd(400)
    first = fit(before)
    second = fit(after, previous=first)
    assert second.users_when_counted == 400
    old = first.segments_of(before.ratings, before.starts, SHARES)
    new = second.segments_of(after.ratings, after.starts, SHARES)[:100]
    assert (old == new).mean() >= 0.95


@pytest.mark.parametrize("n_previous", [2, 8])
def test_another_number_of_segments_lets_most_users_keep_theirs(n_previous: int) -> None:
    """Segments that are found again keep their numbers, whatever these are; new ones get new
    numbers.
    """
    before, after = crowd(100), crowd(400)
    first = fit(before)
    # nobody is near those
    others = first.centroids.mean(0) + 10.0 * np.arange(1, 1 + n_previous)[:, None]
    kept = min(n_previous, 4)
    centroids = np.concatenate([others[kept:], first.centroids[:kept]])
    segments = tuple(replace(first.segments[0], number=5 + place) for place in range(n_previous))
    second = fit(after, previous=replace(first, centroids=centroids, segments=segments))
    numbers = [segment.number for segment in second.segments]
    assert len(set(numbers)) == 4
    assert {5 + n_previous - kept + place for place in range(kept)} <= set(numbers)
    assert sum(segment.size for segment in second.segments) == 400
    assert {*second.segments_of(after.ratings, after.starts, SHARES).tolist()} == set(numbers)


def test_the_number_of_segments_stays_unless_another_is_clearly_better() -> None:
    """Users without any kinds give no reason to change it, however often it is looked at."""
    rng = np.random.default_rng(0)

    def anybody(n_users: int) -> Histories:
        users = np.repeat(np.arange(n_users), 30)
        return Histories.of(
            event_columns(
                users, rng.integers(0, 200, len(users)), rng.integers(1, 6, len(users)), users
            )
        )

    model = fit(anybody(50))
    numbers = {segment.number for segment in model.segments}
    for n_users in (120, 260, 600):
        model = fit(anybody(n_users), previous=model)
        assert model.users_when_counted == n_users
        assert {segment.number for segment in model.segments} == numbers


def test_the_table_says_what_a_segment_is() -> None:
    """Size, habits, the genre that its users rate far more often than anybody, and films of that
    genre.
    """
    history = crowd(200)
    table = fit(history).segments
    horror = next(segment for segment in table if "horror" in segment.label)
    assert horror.size == pytest.approx(50, abs=3)
    assert horror.ratings == 30
    assert horror.mean == pytest.approx(2.0, abs=0.3)
    assert 0.3 < horror.spread < 1.0
    assert horror.genres[0].genre == "Horror"
    assert horror.genres[0].share == pytest.approx((30 * 0.75 + 5 * 0.25) / 35, abs=0.05), (
        "five average ratings added"
    )
    assert horror.genres[0].lift == pytest.approx(4 * horror.genres[0].share, abs=0.2)
    assert len(horror.item_ids) == 5 and {item % 4 for item in horror.item_ids} == {3}


def test_one_segment_is_told_by_the_films_rated_most() -> None:
    model = fit(crowd(8))
    assert len(model.segments[0].item_ids) == 5


def test_a_film_stands_out_where_it_is_rated_more_than_chance_has_it() -> None:
    """Not where it is rated most: film 0 is everybody's. A film outside the catalogue is nobody's
    example.
    """
    segments = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    rows = np.array([0, 0, 1, -1, 0, 0, 2, 2])
    assert example_films(segments, rows, 2, np.array([10, 11, 12])) == [(11, 10), (12,)]


def test_a_segment_that_nobody_is_in_is_described_as_the_average() -> None:
    profiles = np.array([[1.0, 3.0, 1.0, 0.5], [2.0, 4.0, 1.0, 0.5]])
    two = describe(
        np.arange(2),
        SegmentedUsers(places=np.zeros(2, np.int64), counts=np.array([3, 5]), profiles=profiles),
        ("Drama",),
        np.array([True]),
        [(), ()],
    )
    assert [segment.size for segment in two] == [2, 0]
    assert two[1].mean == 3.5 and two[1].ratings == 4 and two[1].genres == ()
    assert two[0].label != two[1].label


def test_a_user_without_ratings_is_placed_with_the_average_user() -> None:
    history = crowd(100)
    model = fit(history)
    number = int(model.segments_of(EventColumns.empty(), np.array([0, 0]), SHARES)[0])
    assert model.numbered(number) in model.segments


def test_users_who_all_rate_alike_are_one_segment() -> None:
    users, items = np.indices((40, 10)).reshape(2, -1)
    model = fit(Histories.of(event_columns(users, items, np.full(400, 3.5), items)))
    assert [segment.size for segment in model.segments] == [40]


def test_a_handful_of_users_is_one_segment() -> None:
    model = fit(crowd(8))
    assert len(model.segments) == 1 and model.segments[0].size == 8


def test_users_of_one_kind_lie_together_on_the_map() -> None:
    """The nearest other user on the plane is mostly of the same segment, the average user lies at
    the origin, and the map has the segments that `segments_of` gives.
    """
    history = crowd(200)
    model = fit(history)
    numbers, points = model.map_users(history.ratings, history.starts, SHARES)
    assert (numbers == model.segments_of(history.ratings, history.starts, SHARES)).all()
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (numbers[distances.argmin(1)] == numbers).mean() > 0.8
    nobody = model.map_users(EventColumns.empty(), np.array([0, 0]), SHARES)[1]
    assert np.allclose(nobody, 0)
