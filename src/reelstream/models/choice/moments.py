"""What users chose next: the moments that the mixture is learned from.

A moment is one user at one time, with the ratings before it as the history and those of that time
as the targets, whatever their stars: whether they are liked is the like model's question.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelstream.models.choice.columns import ItemColumns
from reelstream.models.choice.mixture import (
    HALF_LIVES,
    MIN_FACTOR,
    PAUSE_SECONDS,
    POWERS,
    SITTINGS,
    Explained,
    group_of,
    raised,
    sitting_factors,
)

# Moments that the mixture is learned from: they determine its shares to within some hundredths. Of
# a warm set fewer, since half of the older evidence counts on.
MAX_MOMENTS, MAX_WARM_MOMENTS = 1_000, 500
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


def later_choices(
    choices: Choices, is_target: NDArray[np.bool_], seed: int, limit: int = MAX_MOMENTS
) -> Moments:
    """Moments with a rating among `is_target` (N,); of more than `limit` a sample, with fewer of
    each user who has many.
    """
    user, times = choices.user_rows, choices.times
    begins = np.append(True, (user[1:] != user[:-1]) | (times[1:] != times[:-1]))
    starts = np.append(np.flatnonzero(begins), len(user))
    moment = np.cumsum(begins) - 1
    asked = np.unique(moment[is_target])
    fresh = _begins_sitting(user, times, starts[asked])
    asked = _sample(asked, user[starts[asked]], fresh, seed, limit)
    asked = asked[np.argsort(times[starts[asked]], kind="stable")]
    first_of_user = np.searchsorted(user, user[starts[asked]])
    histories, targets = [], []
    for first, start, end in zip(first_of_user, starts[asked], starts[asked + 1], strict=True):
        histories.append(np.arange(first, start))
        rows = np.arange(start, end)
        targets.append(rows[is_target[start:end]])
    return Moments(
        at=times[starts[asked]],
        histories=histories,
        targets=targets,
        is_fresh=_begins_sitting(user, times, starts[asked]),
    )


def _begins_sitting(
    user: NDArray[np.int64], times: NDArray[np.int64], starts: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether moments that begin at these rows (n,) are a user's first, or come after a pause."""
    before = np.maximum(starts - 1, 0)
    is_first = (starts == 0) | (user[before] != user[starts])
    is_fresh: NDArray[np.bool_] = is_first | (times[starts] - times[before] > PAUSE_SECONDS)
    return is_fresh


def hidden_choices(choices: Choices, is_hidden: NDArray[np.bool_], seed: int) -> Moments:
    """One moment for each hidden user, of whom a part of the ratings is the history in any order
    and the rest are the targets.
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
        if rest.any():
            histories.append(rows[~rest])
            targets.append(rows[rest])
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
        scores = _company(choices, columns, history)
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
        history=np.asarray(history + MIN_PROBABILITY, np.float64),
        sitting=sitting + MIN_PROBABILITY,
        popularity=popular + MIN_PROBABILITY,
        any=any_film,
        weights=weights,
        groups=groups.astype(np.int64),
    )


def _company(
    choices: Choices, columns: ItemColumns, history: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(1 + len(SITTINGS), n_items): what the whole history says of each film, and each sitting."""
    seen, times = choices.item_rows[history], choices.times[history]
    whole = np.zeros((choices.n_items, 1), np.float32)
    columns.add(seen, np.ones((len(seen), 1), np.float32), whole)
    factors = np.column_stack([sitting_factors(times, *sitting) for sitting in SITTINGS])
    recent = factors.max(1, initial=0.0) > MIN_FACTOR
    sittings = np.zeros((choices.n_items, len(SITTINGS)), np.float32)
    columns.add(seen[recent], np.ascontiguousarray(factors[recent]), sittings)
    return np.vstack([whole.T, sittings.T])


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
        for number, weights in enumerate(faded):
            self._mass[number] += np.bincount(
                choices.item_rows[new], weights, minlength=choices.n_items
            )
        self._at, self._next = at, end
        return self._mass.copy()


def _shares(scores: NDArray[np.floating], wanted: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each of `scores` (C, n_items) gives to the wanted films (n,): a share of all, (C, n)."""
    # In their own precision, which is several times as fast and exact enough.
    totals = scores.sum(1)[:, None].astype(np.float64)
    shares = np.zeros((len(scores), len(wanted)))
    np.divide(scores[:, wanted], totals, out=shares, where=totals > 0)
    return shares


def _sample(
    asked: NDArray[np.int64],
    users: NDArray[np.int64],
    is_fresh: NDArray[np.bool_],
    seed: int,
    limit: int,
) -> NDArray[np.int64]:
    """At most `limit`, up to half of them such that begin a sitting, which are rarer."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(asked), bool)
    for wanted, most in ((is_fresh, limit // 2), (~is_fresh, limit)):
        rows = np.flatnonzero(wanted)
        n = min(most - int(chosen.sum()), len(rows))
        if n:
            _, user, counts = np.unique(users[rows], return_inverse=True, return_counts=True)
            chance = 1 / np.sqrt(counts[user])
            chosen[rng.choice(rows, n, replace=False, p=chance / chance.sum())] = True
    return asked[chosen]
