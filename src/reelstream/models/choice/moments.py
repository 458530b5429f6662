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
    PAUSE_SECONDS,
    POWERS,
    SESSIONS,
    Explained,
    group_of,
    raised,
    session_factors,
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
    user_places: NDArray[np.int64]
    """(n_users,): the place of each user in an order that does not depend on ids: in it they are
    drawn."""
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
    # Stable: one user's stay in order of time.
    asked = asked[np.argsort(choices.user_places[user[starts[asked]]], kind="stable")]
    fresh = _begins_session(user, times, starts[asked])
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
        is_fresh=_begins_session(user, times, starts[asked]),
    )


def _begins_session(
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
    users = np.unique(choices.user_rows[is_hidden])
    users = users[choices.user_places[users].argsort()][:MAX_MOMENTS]
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
    n_targets = np.array([len(targets) for targets in moments.targets])
    n_known = np.array([len(history) for history in moments.histories])
    groups = [
        group_of(n, np.inf if fresh else 0.0)
        for n, fresh in zip(n_known.tolist(), moments.is_fresh.tolist(), strict=True)
    ]
    company = _company_shares(choices, columns, moments)
    n = len(company)
    return Explained(
        history=company[:, 0] + MIN_PROBABILITY,
        session=company[:, 1:].reshape(n, -1) + MIN_PROBABILITY,
        popularity=_popularity_shares(choices, moments) + MIN_PROBABILITY,
        any=np.repeat(1 / (choices.n_films - n_known), n_targets),
        weights=np.repeat(1 / n_targets, n_targets),
        groups=np.repeat(np.array(groups), n_targets),
    )


def _company_shares(
    choices: Choices, columns: ItemColumns, moments: Moments
) -> NDArray[np.float64]:
    """(T, 1 + len(SESSIONS), len(POWERS)): the share of each target in what the whole history says
    of all films, and each session, to each power.
    """
    found: dict[int, NDArray[np.float64]] = {}
    users = choices.user_rows[[targets[0] for targets in moments.targets]]
    whole, last = np.zeros((1, choices.n_items), np.float32), None
    # By user: a history begins with that of the moment before.
    for place in np.lexsort((moments.at, users)).tolist():
        history = choices.item_rows[moments.histories[place]]
        if last is None or users[place] != users[last]:
            new = history
            whole[:] = 0
        else:
            new = history[len(moments.histories[last]) :]
        columns.add(new, np.ones((1, len(new)), np.float32), whole)
        last = place
        scores = np.vstack([whole, _sessions(choices, columns, moments.histories[place])])
        np.maximum(scores, 0, out=scores)
        scores[:, history] = 0
        wanted = choices.item_rows[moments.targets[place]]
        shares = [
            _shares(raised(scores[:, wanted], power), raised(scores, power).sum(1))
            for power in POWERS
        ]
        found[place] = np.stack(shares, axis=-1)
    return np.concatenate([found[place] for place in range(len(users))])


def _sessions(
    choices: Choices, columns: ItemColumns, history: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(len(SESSIONS), n_items): what each session says of each film."""
    times = choices.times[history]
    factors = np.vstack([session_factors(times, *session) for session in SESSIONS])
    scores = np.zeros((len(SESSIONS), choices.n_items), np.float32)
    columns.add(choices.item_rows[history], factors, scores)
    return scores


def _popularity_shares(choices: Choices, moments: Moments) -> NDArray[np.float64]:
    """(T, len(HALF_LIVES)): the share of each target in what was popular."""
    fading, found = _FadingLikes(choices), []
    for at, history, targets in zip(
        moments.at.tolist(), moments.histories, moments.targets, strict=True
    ):
        likes = fading.before(at)
        left = likes.sum(1) - likes[:, choices.item_rows[history]].sum(1)
        found.append(_shares(likes[:, choices.item_rows[targets]], left))
    return np.concatenate(found)


class _FadingLikes:
    """The likes so far, faded by each of HALF_LIVES."""

    def __init__(self, choices: Choices) -> None:
        liked = np.flatnonzero(choices.is_like)
        liked = liked[np.argsort(choices.times[liked], kind="stable")]
        self._times, self._item_rows = choices.times[liked], choices.item_rows[liked]
        self._likes = np.zeros((len(HALF_LIVES), choices.n_items))
        self._at, self._next = 0, 0

    def before(self, at: int) -> NDArray[np.float64]:
        """(len(HALF_LIVES), n_items), valid until the next call; times must not fall from call to
        call.
        """
        half_lives = np.array(HALF_LIVES)[:, None]
        end = int(np.searchsorted(self._times, at))
        new = slice(self._next, end)
        self._likes *= np.exp2(-(at - self._at) / half_lives)
        faded = np.exp2(-(at - self._times[new]) / half_lives)
        for number, weights in enumerate(faded):
            self._likes[number] += np.bincount(
                self._item_rows[new], weights, minlength=self._likes.shape[1]
            )
        self._at, self._next = at, end
        return self._likes


def _shares(wanted: NDArray[np.floating], totals: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, C): what scores (C, n) are of their totals (C,), nothing where these are nothing."""
    shares = np.zeros(wanted.shape)
    # Totals are differences of sums: what is left of them may be less than a part by rounding.
    np.divide(wanted, totals[:, None], out=shares, where=totals[:, None] > 0)
    return np.minimum(shares, 1).T


def _sample(
    asked: NDArray[np.int64],
    users: NDArray[np.int64],
    is_fresh: NDArray[np.bool_],
    seed: int,
    limit: int,
) -> NDArray[np.int64]:
    """At most `limit`, up to half of them such that begin a session, which are rarer."""
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
