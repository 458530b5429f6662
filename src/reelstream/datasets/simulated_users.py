"""The users of a simulated data set: which films they rate, when, and how many stars they give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelstream.datasets.simulated_films import N_FACTORS, SimulatedFilms

# Stars; what users choose to watch lifts the mean of their ratings to 3.5.
_MEAN = 3.4
# Standard deviation, in stars, of what a taste makes of a film.
_INTERACTION = 0.5
_ROUNDS = 6
_SECONDS_A_DAY, _SECONDS_A_YEAR = 86_400, 31_557_600


class SimulatedUser:
    """One user: a taste, a temper that drifts, and sessions in which films are rated one after
    another.
    """

    def __init__(self, films: SimulatedFilms, joined: int, random: np.random.Generator) -> None:
        """`joined` is the time of the first rating, in seconds since 1970, UTC."""
        self._films, self._joined, self._random = films, joined, random
        self._bias = random.normal(0.0, 0.42)
        self._taste = random.normal(0.0, 1.0, N_FACTORS)
        self._noise = random.uniform(0.55, 1.0)
        self._whole_stars = random.random() < 0.3

    def rate(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Ids of `count` different films, their ratings in half stars, and the times; sorted by
        film.
        """
        films, random = self._films, self._random
        chosen = self._choose(count)
        sessions, times = self._sessions(count)
        # A random walk from session to session: within one, the temper stays.
        temper = self._bias + np.cumsum(random.normal(0.0, 0.12, int(sessions[-1]) + 1))[sessions]
        age = np.maximum(times - films.released[chosen], 0) / _SECONDS_A_YEAR
        stars = (
            _MEAN
            + temper
            + films.quality[chosen]
            + self._liking(chosen)
            + 0.006 * np.minimum(age - 20, 30)
        )
        stars += random.normal(0.0, self._noise, count)
        step = 1.0 if self._whole_stars else 0.5
        ratings = np.clip(np.round(stars / step) * step, step, 5.0)
        order = np.argsort(chosen)
        return chosen[order] + 1, ratings[order], times[order]

    def _liking(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(
            self._films.factors[rows] @ self._taste * (_INTERACTION / np.sqrt(N_FACTORS))
        )

    def _choose(self, count: int) -> NDArray[np.int64]:
        """Rows of films that are out, drawn by popularity and taste; at last the most popular that
        are left.
        """
        films, random = self._films, self._random
        n_released = max(int(np.searchsorted(films.released, self._joined)), 1)
        chosen = np.empty(0, np.int64)
        for _ in range(_ROUNDS):
            missing = count - len(chosen)
            if missing == 0:
                break
            at = random.random(3 * missing + 16) * films.popularity_up_to[n_released - 1]
            drawn = np.searchsorted(films.popularity_up_to[: n_released - 1], at)
            drawn = drawn[
                random.random(len(drawn)) < 1.0 / (1.0 + np.exp(-2.0 * self._liking(drawn)))
            ]
            # `np.unique` sorts; the order of drawing stays, since films are rated in it.
            both = np.concatenate((chosen, drawn))
            chosen = both[np.sort(np.unique(both, return_index=True)[1])][:count]
        if len(chosen) < count:
            # Popularities lie between 0 and 1: films that are not out yet come after all that are,
            # and the chosen ones last of all.
            wanted = films.popularity.copy()
            wanted[n_released:] -= 1.0
            wanted[chosen] = -2.0
            chosen = np.concatenate(
                (chosen, np.argsort(-wanted, kind="stable")[: count - len(chosen)])
            )
        return chosen

    def _sessions(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Number of the session and time of each rating, in order: most in the first, the rest over
        months or years.
        """
        random = self._random
        n_sessions = min(int(random.geometric(0.45)), count)
        begins = np.concatenate(
            ([0.0], random.exponential(90 * _SECONDS_A_DAY, n_sessions - 1))
        ).cumsum()
        share = random.dirichlet(np.concatenate(([4.0], np.ones(n_sessions - 1))))
        sessions = np.sort(random.choice(n_sessions, count, p=share))
        pauses = 1 + random.exponential(12.0, count).cumsum()
        return sessions, self._joined + (begins[sessions] + pauses).astype(np.int64)


def share_out(
    total: int, weights: NDArray[np.float64], *, fewest: int, most: int
) -> NDArray[np.int64]:
    """`total` whole things among users by weight, each given `fewest` to `most`, to the last one.

    (n_users,) int64. What does not go up evenly goes to the heaviest that have room.
    """
    counts = np.full(len(weights), fewest, np.int64)
    while (left := total - int(counts.sum())) > 0:
        room = most - counts
        open_weights = np.where(room > 0, weights, 0.0)
        added = np.minimum(
            np.floor(open_weights * (left / open_weights.sum())).astype(np.int64), room
        )
        # Shares below one round down to nothing; the loop would not end.
        if not added.any():
            added[np.argsort(-open_weights, kind="stable")[: min(left, int((room > 0).sum()))]] = 1
        counts += added
    return counts
