"""Describes segments for a person: their size, their users' habits, and the genres and films that
set them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelstream.features.user_profiles import HABITS

N_HABITS = len(HABITS)
TOP_GENRES = 3
EXAMPLE_FILMS = 5

# Standard deviations from the average user from which a habit is named in the label.
NOTABLE_HABIT_SDS = 0.35
# Share of all ratings below which a genre is too rare to call users its lovers.
COMMON_GENRE = 0.03
# Habit -> its words below and above the average.
WORDS = {
    "mean": ("strict", "generous"),
    "activity": ("occasional", "avid"),
    "spread": ("even-tempered", "decided"),
}


@dataclass(frozen=True, slots=True)
class GenreLift:
    """How much a genre is liked in a segment."""

    genre: str
    share: float
    """Of the ratings of one of its users, on average; a film of k genres has 1/k of each."""
    lift: float
    """That share against the share among all users: 2 is twice as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A kind of user."""

    number: int
    """Keeps its meaning from set to set."""
    label: str
    """What sets it apart, in words."""
    size: int
    """Users in it when the set was trained; the averages below are over them."""
    ratings: int
    """Films that such a user has rated; the median."""
    mean: float
    """A user's mean rating, in stars."""
    spread: float
    """Standard deviation of a user's ratings."""
    genres: tuple[GenreLift, ...]
    """Those with the largest lift, of genres that are not rare and that they rate more than
    others.
    """
    item_ids: tuple[int, ...]
    """Films that its users have rated more often than expected by chance, the most striking first.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentedUsers:
    """The users of a set, each in a segment."""

    places: NDArray[np.int64]
    """(n_users,): of their segments, in the order of the centroids."""
    counts: NDArray[np.int64]
    """(n_users,): their ratings."""
    profiles: NDArray[np.float64]
    """(n_users, F): see `user_profiles`."""


def describe(
    numbers: NDArray[np.int64],
    users: SegmentedUsers,
    genres: tuple[str, ...],
    is_common: NDArray[np.bool_],
    films: list[tuple[int, ...]],
) -> tuple[Segment, ...]:
    """The segments (k) with these numbers (k,), in the order of the users' places.

    is_common (n_genres,): whether a genre is worth naming; films: examples for each segment.
    """
    average, spread = users.profiles.mean(0), np.maximum(users.profiles.std(0), 1e-9)
    segments: list[Segment] = []
    for place, number in enumerate(numbers.tolist()):
        is_in = users.places == place
        # A segment without users is described as the average user.
        described = is_in if is_in.any() else np.ones(len(is_in), bool)
        own = users.profiles[described].mean(0)
        lifts = _lifts(own[N_HABITS:], average[N_HABITS:], genres, is_common)
        deviations = (own - average)[:N_HABITS] / spread[:N_HABITS]
        taken = {segment.label for segment in segments}
        segments.append(
            Segment(
                number=number,
                label=_label(deviations, [lift.genre for lift in lifts], taken),
                size=int(is_in.sum()),
                ratings=int(np.median(users.counts[described])),
                mean=float(own[HABITS.index("mean")]),
                spread=float(own[HABITS.index("spread")]),
                genres=tuple(lift for lift in lifts[:TOP_GENRES] if lift.lift > 1),
                item_ids=films[place],
            )
        )
    return tuple(segments)


def example_films(
    segment_of_rating: NDArray[np.int64],
    item_rows: NDArray[np.int64],
    n_segments: int,
    item_ids: NDArray[np.int64],
) -> list[tuple[int, ...]]:
    """For each segment the films that its users rate most above expectation.

    segment_of_rating (n,): the place of the segment that each rating's user is in; item_rows (n,):
    the film of each rating, a row of `item_ids` (I,), -1 for none of them. Films are sorted by
    their Pearson residual: ratings counted less ratings expected if all segments rated alike, over
    the root of the expected.
    """
    known = item_rows >= 0
    # One count of pairs, as (segment, film) -> segment * I + film.
    cells = segment_of_rating[known] * len(item_ids) + item_rows[known]
    counted = np.bincount(cells, minlength=n_segments * len(item_ids)).reshape(n_segments, -1)
    expected = counted.sum(1)[:, None] * (counted.sum(0) / max(counted.sum(), 1))
    residual = (counted - expected) / np.sqrt(np.maximum(expected, 1e-9))
    best = np.argsort(-residual, axis=1, kind="stable")[:, :EXAMPLE_FILMS]
    return [
        tuple(int(item_ids[row]) for row in rows if residual[place, row] > 0)
        or _most_rated(counted[place], item_ids)
        for place, rows in enumerate(best)
    ]


def _most_rated(counted: NDArray[np.int64], item_ids: NDArray[np.int64]) -> tuple[int, ...]:
    """The films rated most, for a segment without residuals above zero: when it is the only one."""
    best = np.argsort(-counted, kind="stable")[:EXAMPLE_FILMS]
    return tuple(int(item_ids[row]) for row in best if counted[row] > 0)


def _lifts(
    own: NDArray[np.float64],
    average: NDArray[np.float64],
    genres: tuple[str, ...],
    is_common: NDArray[np.bool_],
) -> tuple[GenreLift, ...]:
    lifts = [
        GenreLift(genre, float(share), float(share / usual))
        for genre, share, usual, common in zip(genres, own, average, is_common, strict=True)
        if common and usual > 0
    ]
    return tuple(sorted(lifts, key=lambda each: -each.lift))


def _label(deviations: NDArray[np.float64], favourites: list[str], taken: set[str]) -> str:
    """The most striking habit and the genre with the largest lift; two of both where that label is
    taken.

    deviations: of the habits, in standard deviations from the average user.
    """
    habits = sorted(zip(HABITS, deviations.tolist(), strict=True), key=lambda habit: -abs(habit[1]))
    # Sorted by size, so the words are those of the habits that differ most.
    words = [
        WORDS[name][int(deviation > 0)]
        for name, deviation in habits
        if abs(deviation) > NOTABLE_HABIT_SDS
    ]
    loved = [genre.lower() for genre in favourites] or ["film"]
    label = " ".join([*words[:1], loved[0], "lovers"])
    if label in taken:
        label = " ".join([*words[:2], " and ".join(loved[:2]), "lovers"])
    return label if label not in taken else f"{label} ({len(taken) + 1})"
