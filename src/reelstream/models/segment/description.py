"""What each segment is, for a person: how large, which habits, which genres and films more than all
users.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelstream.features.user_profiles import HABITS

TOP_GENRES = 3
EXAMPLE_FILMS = 5

NOTABLE_HABIT_SDS = 0.35
"""Standard deviations from the average user at which a habit is worth a word."""
COMMON_GENRE = 0.03
"""Share of all ratings below which a genre is too rare to call users its lovers."""
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


@dataclass(frozen=True, slots=True)
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
    """Films that its users have rated more often than chance would have it, the most striking
    first.
    """


def describe(
    numbers: NDArray[np.int64],
    segment_of: NDArray[np.int64],
    counts: NDArray[np.int64],
    profiles: NDArray[np.float64],
    genres: tuple[str, ...],
    common: NDArray[np.bool_],
    films: list[tuple[int, ...]],
) -> tuple[Segment, ...]:
    """The segments (k) with these numbers (k,), of users with places among them, `segment_of`
    (n_users,).

    counts (n_users,): their ratings; profiles (n_users, F); common (n_genres,): whether a genre is
    worth naming; films: examples for each segment. A segment without users is described as the
    average user.
    """
    average, spread = profiles.mean(0), np.maximum(profiles.std(0), 1e-9)
    segments: list[Segment] = []
    for place, number in enumerate(numbers.tolist()):
        inside = segment_of == place
        if not inside.any():
            inside = np.ones(len(segment_of), bool)
        own = profiles[inside].mean(0)
        lifts = _lifts(own[len(HABITS) :], average[len(HABITS) :], genres, common)
        taken = {segment.label for segment in segments}
        label = _label(
            (own - average)[: len(HABITS)] / spread[: len(HABITS)],
            [lift.genre for lift in lifts],
            taken,
        )
        _, mean, deviation = own[: len(HABITS)].tolist()
        segments.append(
            Segment(
                number,
                label,
                int((segment_of == place).sum()),
                int(np.median(counts[inside])),
                mean,
                deviation,
                tuple(lift for lift in lifts[:TOP_GENRES] if lift.lift > 1),
                films[place],
            )
        )
    return tuple(segments)


def example_films(
    segment_of_rating: NDArray[np.int64],
    item_rows: NDArray[np.int64],
    n_segments: int,
    item_ids: NDArray[np.int64],
) -> list[tuple[int, ...]]:
    """For each segment the films that stand out, from ratings (n,) by users of these segments of
    films `item_rows` (n,).

    Films are rows of `item_ids` (I,); -1 is none of them. A film stands out by its Pearson
    residual: ratings counted less ratings expected if all segments rated alike, over the root of
    the expected.
    """
    known = item_rows >= 0
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
    """The films rated most: where there is one segment, none of them stands out."""
    best = np.argsort(-counted, kind="stable")[:EXAMPLE_FILMS]
    return tuple(int(item_ids[row]) for row in best if counted[row] > 0)


def _lifts(
    own: NDArray[np.float64],
    average: NDArray[np.float64],
    genres: tuple[str, ...],
    common: NDArray[np.bool_],
) -> tuple[GenreLift, ...]:
    lifts = [
        GenreLift(genre, float(share), float(share / usual))
        for genre, share, usual, is_common in zip(genres, own, average, common, strict=True)
        if is_common and usual > 0
    ]
    return tuple(sorted(lifts, key=lambda each: -each.lift))


def _label(deviations: NDArray[np.float64], favourites: list[str], taken: set[str]) -> str:
    """The most striking habit and the favourite genre; more of both where that label is taken.

    deviations: of the habits, in standard deviations from the average user.
    """
    habits = sorted(zip(HABITS, deviations.tolist(), strict=True), key=lambda habit: -abs(habit[1]))
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
