"""The mixture of reasons for which a film is chosen next.

    P(next is j) = sum_k pi_k P_k(j)

over the films that the user has not rated: the company that it keeps with the whole history (the
sum of its weights to some power, as a share of all films'), with this session (the same, fading
from rating to rating), what is liked lately, and any film at all. Shares, powers, and how fast
session and popularity fade are learned by expectation maximization (Dempster, Laird and Rubin,
1977) from what users chose next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

PARTS = ("history", "sitting", "popularity", "any")
SESSION = PARTS.index("sitting")  # its name in answers
# Users differ by how many ratings they have, from these numbers on, and by whether they have just
# rated or come back after a pause.
LENGTHS = (1, 6, 21, 101)
PAUSE_SECONDS = 3600
N_GROUPS = 2 * (len(LENGTHS) + 1)

_YEAR = 365.25 * 86_400
# What learning chooses from, by likelihood.
POWERS = (1.0, 1.5, 2.0, 3.0)
DECAYS = (0.7, 0.8, 0.9)
FADES = (3600.0,)
HALF_LIVES = (0.02 * _YEAR, 0.1 * _YEAR, 0.3 * _YEAR, _YEAR, 3 * _YEAR, np.inf)
SESSIONS = tuple((decay, fade) for decay in DECAYS for fade in FADES)

# Ratings that count less than this for the session are passed over.
MIN_FACTOR = 1e-3
# Rounds of EM: shares change by less than a thousandth after half of them.
ROUNDS = 40
# Targets of the average user that are added to each group's own.
PRIOR_TARGETS = 5.0
# Of what is learned, after the point.
DIGITS = 9
# How much of what was counted before still counts, when a set learns from new ratings.
KEPT_EVIDENCE = 0.5


class Mixture(msgspec.Struct, frozen=True, kw_only=True):
    """The learned numbers of a choice model."""

    history_power: float = 2.0
    # The session was called a sitting when the first models were saved.
    session_power: float = msgspec.field(default=2.0, name="sitting_power")
    session_decay: float = msgspec.field(default=0.8, name="sitting_decay")
    """What is left of a rating's weight in the session after each further one."""
    session_fade: float = msgspec.field(default=3600.0, name="sitting_fade")
    """Seconds in which it fades besides, by a factor of e."""
    half_life: float | None = _YEAR
    """Of a like's share in popularity, in seconds; None: likes count for good."""
    shares: tuple[tuple[float, ...], ...] = ((0.3, 0.2, 0.4, 0.1),) * N_GROUPS
    """(N_GROUPS, len(PARTS)): pi."""
    targets: tuple[tuple[float, ...], ...] = ((0.0,) * len(PARTS),) * N_GROUPS
    """(N_GROUPS, len(PARTS)): how many targets each reason explained, the older ones fading."""
    likelihoods: dict[str, tuple[float, ...]] = {}
    """Choice -> log likelihood of each of its values, likewise."""

    def pi(self, n_ratings: int, pause: float) -> NDArray[np.float32]:
        """(len(PARTS),): the shares for a user of `n_ratings`, the last `pause` seconds ago."""
        return np.array(self.shares[group_of(n_ratings, pause)], np.float32)

    def session_factors(self, times: NDArray[np.int64]) -> NDArray[np.float32]:
        """How much each of a user's ratings (n,), rising in time, counts for the session."""
        return session_factors(times, self.session_decay, self.session_fade)


def group_of(n_ratings: int, pause: float) -> int:
    """The row of `Mixture.shares` for a user."""
    length = int(np.searchsorted(LENGTHS, n_ratings, side="right"))
    return 2 * length + int(pause > PAUSE_SECONDS)


def session_factors(times: NDArray[np.int64], decay: float, fade: float) -> NDArray[np.float32]:
    """The factor (n,) of each rating, one for the newest, and nothing for most of a long history:
    see MIN_FACTOR.
    """
    n = len(times)
    age = (times[-1] - times) / fade if n else np.empty(0)
    factors = decay ** np.arange(n - 1, -1, -1) * np.exp(-age)
    return np.where(factors > MIN_FACTOR, factors, 0).astype(np.float32)


def raised(scores: NDArray[np.float32], power: float) -> NDArray[np.float32]:
    """Scores to one of POWERS; `np.power` takes ten times as long."""
    if power == 1.0:
        return scores
    if power == 1.5:
        return scores * np.sqrt(scores)
    return scores * scores if power == 2.0 else scores * scores * scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """How likely each of T targets was, for each reason and each way to compute it."""

    history: NDArray[np.float64]
    """(T, len(POWERS))"""
    session: NDArray[np.float64]
    """(T, len(SESSIONS) * len(POWERS))"""
    popularity: NDArray[np.float64]
    """(T, len(HALF_LIVES))"""
    any: NDArray[np.float64]
    """(T,)"""
    weights: NDArray[np.float64]
    """(T,): of a moment with several targets each has a part."""
    groups: NDArray[np.int64]
    """(T,): see `group_of`."""

    def parts(self, choice: dict[str, int]) -> NDArray[np.float64]:
        """(T, len(PARTS)), computed in one way."""
        return np.column_stack(
            [
                self.history[:, choice["history"]],
                self.session[:, choice["sitting"]],
                self.popularity[:, choice["popularity"]],
                self.any,
            ]
        )


def learn_mixture(explained: Explained, before: Mixture | None, *, has_times: bool) -> Mixture:
    """The mixture under which the targets are most likely; `before`: of the set in service, whose
    evidence counts with the new.
    """
    if not has_times:
        # Nobody comes back after a pause: users differ by their number of ratings alone.
        explained = replace(explained, groups=explained.groups // 2 * 2)
    choice, likelihoods = _likeliest(explained, before, has_times=has_times)
    parts = explained.parts(choice)
    common, _ = _common_shares(parts, explained, has_times=has_times)
    counted = np.zeros((N_GROUPS, len(PARTS)))
    if before is not None:
        counted = KEPT_EVIDENCE * np.array(before.targets)
    shares, targets = _shares_of_groups(parts, explained, common, counted)
    if not has_times:
        shares[1::2], targets[1::2] = shares[::2], targets[::2]
    decay, fade = SESSIONS[choice["sitting"] // len(POWERS)]
    half_life = HALF_LIVES[choice["popularity"]]
    return Mixture(
        history_power=POWERS[choice["history"]],
        session_power=POWERS[choice["sitting"] % len(POWERS)],
        session_decay=decay,
        session_fade=fade,
        half_life=float(half_life) if np.isfinite(half_life) else None,
        shares=_rows(shares),
        targets=_rows(targets),
        likelihoods=likelihoods,
    )


def _likeliest(
    explained: Explained, before: Mixture | None, *, has_times: bool
) -> tuple[dict[str, int], dict[str, tuple[float, ...]]]:
    """Reason -> the likeliest way to compute it, and the log likelihood of each way."""
    choice = {"history": 2, "sitting": 6, "popularity": 3 if has_times else len(HALF_LIVES) - 1}
    sizes = {"history": explained.history.shape[1]}
    if has_times:
        sizes["sitting"] = explained.session.shape[1]
        sizes["popularity"] = explained.popularity.shape[1]
    likelihoods: dict[str, tuple[float, ...]] = {}
    for name, size in (
        list(sizes.items()) * 2
    ):  # one by one, twice: each depends little on the others
        found = np.array(
            [
                _common_shares(
                    explained.parts({**choice, name: value}), explained, has_times=has_times
                )[1]
                for value in range(size)
            ]
        )
        if before is not None and name in before.likelihoods:
            found += KEPT_EVIDENCE * np.array(before.likelihoods[name])
        likelihoods[name] = _rounded(found)
        choice[name] = int(found.argmax())
    return choice, likelihoods


def _common_shares(
    parts: NDArray[np.float64], explained: Explained, *, has_times: bool
) -> tuple[NDArray[np.float64], float]:
    """Shares (len(PARTS),) for everybody, and the log likelihood under them."""
    start = np.ones(len(PARTS))
    # Where nothing tells one session from another, it would only repeat the history.
    start[SESSION] = has_times
    shares = start / start.sum()
    for _ in range(ROUNDS):
        mixed = parts * shares
        mixed /= mixed.sum(1, keepdims=True)
        shares = explained.weights @ mixed / explained.weights.sum()
    likelihood = float(explained.weights @ np.log((parts * shares).sum(1)))
    return shares, likelihood


def _shares_of_groups(
    parts: NDArray[np.float64],
    explained: Explained,
    common: NDArray[np.float64],
    counted: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares and targets (N_GROUPS, len(PARTS)) by group, shrunk towards the common ones."""
    prior = PRIOR_TARGETS * common
    shares = (counted + prior) / (counted + prior).sum(1, keepdims=True)
    targets = counted
    for _ in range(ROUNDS):
        mixed = parts * shares[explained.groups]
        mixed *= (explained.weights / mixed.sum(1))[:, None]
        targets = counted.copy()
        np.add.at(targets, explained.groups, mixed)
        shares = (targets + prior) / (targets + prior).sum(1, keepdims=True)
    return shares, targets


def _rows(table: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    return tuple(_rounded(row) for row in table)


def _rounded(numbers: NDArray[np.float64]) -> tuple[float, ...]:
    # The last bits of long sums depend on the library that adds: a set must not.
    return tuple(round(number, DIGITS) for number in numbers.tolist())
