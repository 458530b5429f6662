"""What users chose next: the moments that the mixture is learned from.

A moment is one user at one time, with the ratings before it as the history and the likes of that
time as the targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelstream.models.choice.columns import ItemColumns
from reelstream.models.choice.mixture import (
    HALF_LIVES,
    POWERS,
    SITTINGS,
    Explained,
    group_of,
    raised,
    sitting_factors,
)

# Moments that the mixture is learned from: they determine its shares to within some hundredths.
MAX_MOMENTS = 1_500
# Probability of a target that a reason does not explain at all, so that its logarithm exists.
MIN_PROBABILITY = 1e-9
# Without times: the part of a user's ratings that is hidden, and predicted from the rest.
HIDDEN_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """N ratings by user and time."""

    user_rows: NDArray[np.int64]
    item_rows: NDArray[np.int64]
    times: NDArray[np.int64]
    is_like: NDArray[np.bool_]
    n_items: int
    n_films: int
    """Items with or without a rating."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """M moments, rising in time, given by rows of `Choices`."""

    at: NDArray[np.int64]
    """(M,): seconds since 1970."""
    histories: list[NDArray[np.int64]]
    targets: list[NDArray[np.int64]]
    is_fresh: NDArray[np.bool_]
    """(M,): whether the user comes back after a pause."""


def later_choices(choices: Choices, is_target: NDArray[np.bool_], seed: int) -> Moments:
    """Moments of which a rating is among `is_target` (N,) and liked; of more than MAX_MOMENTS a
    sample, with fewer of each user who has many.
    """
    user, times = choices.user_rows, choices.times
    begins = np.append(True, (user[1:] != user[:-1]) | (times[1:] != times[:-1]))
    starts = np.append(np.flatnonzero(begins), len(user))
    moment = np.cumsum(begins) - 1
    asked = np.unique(moment[is_target & choices.is_like])
    asked = _sample(asked, user[starts[asked]], seed)
    asked = asked[np.argsort(times[starts[asked]], kind="stable")]
    first_of_user = np.searchsorted(user, user[starts[asked]])
    histories, targets = [], []
    for first, start, end in zip(first_of_user, starts[asked], starts[asked + 1], strict=True):
        histories.append(np.arange(first, start))
        rows = np.arange(start, end)
        targets.append(rows[is_target[start:end] & choices.is_like[start:end]])
    at = times[starts[asked]]
    last = np.where(first_of_user < starts[asked], times[np.maximum(starts[asked] - 1, 0)], at)
    is_first = first_of_user == starts[asked]
    return Moments(
        at=at,
        histories=histories,
        targets=targets,
        is_fresh=is_first | (group_pause(at, last) > 0),
    )


def group_pause(at: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whether a time comes after a pause: 0 or 1 (n,)."""
    return np.array([group_of(1, float(pause)) % 2 for pause in (at - last).tolist()], np.int64)


def hidden_choices(choices: Choices, is_hidden: NDArray[np.bool_], seed: int) -> Moments:
    """One moment for each hidden user, of whom a part of the ratings is the history in any order
    and the likes of the rest are the targets.
    """
    rng = np.random.default_rng(seed)
    users = np.unique(choices.user_rows[is_hidden])[:MAX_MOMENTS]
    histories, targets = [], []
    for user in users:
        rows = np.arange(
            np.searchsorted(choices.user_rows, user),
            np.searchsorted(choices.user_rows, user, side="right"),
        )
        rest = rng.random(len(rows)) < HIDDEN_SHARE
        liked = rows[rest & choices.is_like[rows]]
        if len(liked):
            histories.append(rows[~rest])
            targets.append(liked)
    end = choices.times.max() + 1  # popularity counts everything
    n = len(histories)
    return Moments(
        at=np.full(n, end),
        histories=histories,
        targets=targets,
        is_fresh=np.ones(n, bool),
    )


def explain(choices: Choices, columns: ItemColumns, moments: Moments) -> Explained:
    """How likely each reason made the targets of each moment."""
    popularity = _Popularity(choices)
    rows: list[tuple[NDArray[np.float64], ...]] = []
    for at, history, targets, fresh in zip(
        moments.at, moments.histories, moments.targets, moments.is_fresh, strict=True
    ):
        seen, wanted = choices.item_rows[history], choices.item_rows[targets]
        n = len(targets)
        factors = np.ones((len(history), 1 + len(SITTINGS)), np.float32)
        for number, (decay, fade) in enumerate(SITTINGS):
            factors[:, 1 + number] = sitting_factors(choices.times[history], decay, fade)
        scores = np.zeros((1 + len(SITTINGS), choices.n_items), np.float32)
        columns.add(seen, factors, scores)
        scores[:, seen] = 0
        np.maximum(scores, 0, out=scores)
        companies = np.stack([_shares(raised(scores, power), wanted) for power in POWERS], 2)
        popular = popularity.before(int(at))
        popular[:, seen] = 0
        rows.append(
            (
                companies[0],
                companies[1:].transpose(1, 0, 2).reshape(n, -1),
                _shares(popular, wanted).T,
                np.full(n, 1 / (choices.n_films - len(seen))),
                np.full(n, 1 / n),
                np.full(n, group_of(len(history), np.inf if fresh else 0.0)),
            )
        )
    history, sitting, popular, any_film, weights, groups = (
        np.concatenate(column) for column in zip(*rows, strict=True)
    )
    return Explained(
        history=history + MIN_PROBABILITY,
        sitting=sitting + MIN_PROBABILITY,
        popularity=popular + MIN_PROBABILITY,
        any=any_film,
        weights=weights,
        groups=groups.astype(np.int64),
    )


class _Popularity:
    """The likes so far, faded by each of HALF_LIVES."""

    def __init__(self, choices: Choices) -> None:
        liked = np.flatnonzero(choices.is_like)
        self._rows = liked[np.argsort(choices.times[liked], kind="stable")]
        self._choices = choices
        self._mass = np.zeros((len(HALF_LIVES), choices.n_items))
        self._at, self._next = 0, 0

    def before(self, at: int) -> NDArray[np.float64]:
        """(len(HALF_LIVES), n_items): a copy; times must not fall from call to call."""
        choices, half_lives = self._choices, np.array(HALF_LIVES)[:, None]
        end = int(np.searchsorted(choices.times[self._rows], at))
        new = self._rows[self._next : end]
        self._mass *= np.exp2(-(at - self._at) / half_lives)
        faded = np.exp2(-(at - choices.times[new]) / half_lives)
        for mass, weights in zip(self._mass, faded, strict=True):
            mass += np.bincount(choices.item_rows[new], weights, minlength=choices.n_items)
        self._at, self._next = at, end
        return self._mass.copy()


def _shares(scores: NDArray[np.floating], wanted: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each of `scores` (C, n_items) gives to the wanted films (n,), as a share of all: (C, n)."""
    totals = scores.sum(1, dtype=np.float64)[:, None]
    return np.divide(
        scores[:, wanted], totals, out=np.zeros((len(scores), len(wanted))), where=totals > 0
    )


def _sample(asked: NDArray[np.int64], users: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    if len(asked) <= MAX_MOMENTS:
        return asked
    _, user, counts = np.unique(users, return_inverse=True, return_counts=True)
    chance = 1 / np.sqrt(counts[user])
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(asked), MAX_MOMENTS, replace=False, p=chance / chance.sum())
    return asked[np.sort(chosen)]
