"""A user of random taste and times, for holding the filter and the smoother against a dense
Gaussian process.
"""

from __future__ import annotations

import numpy as np

from reelstream.features.audience import SHRINKAGE_EXPOSURE
from reelstream.models.rating.filter_input import FilterEvents, FilterItems
from reelstream.models.rating.online_items import ItemBeliefs, ItemQueries, predict_items
from reelstream.models.rating.smoothing import smooth_events
from reelstream.models.rating.user_filter import filter_events
from reelstream.models.rating.user_state import Dynamics, UserBeliefs, UserState

D, N_ITEMS = 6, 40
RATE, SESSION, NOISE, DRIFT, SPREAD = 1 / 500, 0.2, 0.6, 1e-7, 1.3
ECHO = np.array([0.3, 0.2, 0.15, 0.1, 0.05])
"""By the gap: up to 2, 6, 14, 30 and 62 seconds."""


class SimulatedUser:
    """A user of random taste and times, as the filter and as a dense Gaussian process see him or
    her.
    """

    walk = 0.01
    """Covariance that the taste gathers with every rating, as a share of its prior's."""

    def __init__(self, seed: int, n: int, later: int = 0) -> None:
        """`n` ratings before the question and `later` after it."""
        rng = np.random.default_rng(seed)
        root = rng.standard_normal((D, D)) / 3
        self.prior_cov = root @ root.T + 0.05 * np.eye(D)
        self.prior_mean = 0.2 * rng.standard_normal(D)
        self.films = rng.standard_normal((1, N_ITEMS, D)).astype(np.float32) * 0.7
        self.exposure = rng.standard_normal((1, N_ITEMS, D)).astype(np.float32)
        film_root = rng.standard_normal((1, N_ITEMS, D, D)).astype(np.float32) * 0.1
        self.film_covs = film_root @ np.swapaxes(film_root, 2, 3)
        self.rows = rng.integers(0, N_ITEMS, n + later)
        self.times = np.cumsum(rng.choice([0, 5, 40, 3000, 2_000_000], n + later)) + 1000
        self.centred = rng.standard_normal(n + later)
        self.asked_row, self.asked_at = (
            int(rng.integers(N_ITEMS)),
            int(self.times[n - 1] + rng.choice([0, 60, 10_000])),
        )
        self.times[n:] += self.asked_at - self.times[n - 1]

    def filtered(self, order: np.ndarray | None = None) -> tuple[float, float]:
        """Mean and variance of the asked rating from the ratings in `order`; the film is known with
        `film_covs`.
        """
        state = UserState.prior(self.dynamics)
        belief = UserBeliefs.allocate(1, self.dynamics)
        events = self._events(np.arange(len(self.rows)) if order is None else order, len(self.rows))
        filter_events(state.arrays, -1, events, self._items, self.dynamics, belief)
        return self._answer(belief)

    def smoothed(self) -> tuple[float, float]:
        """The same, with the question at its place among the ratings."""
        belief = UserBeliefs.allocate(1, self.dynamics)
        before = int((self.times <= self.asked_at).sum())
        events = self._events(np.arange(len(self.rows)), before)
        smooth_events(events, self._items, self.dynamics, belief)
        return self._answer(belief)

    @property
    def dynamics(self) -> Dynamics:
        """One draw, one grid point."""
        walk = np.zeros((1, D + 1, D + 1))
        walk[0, :D, :D] = self.walk * self.prior_cov
        arrays = {
            "noise": np.array([[NOISE]]),
            "session_variance": np.array([[SESSION]]),
            "drift": DRIFT * self.prior_cov[None],
            "walk": walk,
            "prior_mean": self.prior_mean[None],
            "prior_cov": self.prior_cov[None],
            "prior_spread": np.array([SPREAD]),
            "echo": ECHO[None],
        }
        single = {name: array.astype(np.float32) for name, array in arrays.items()}
        return Dynamics(**single, session_rate=np.array([RATE]))

    @property
    def _items(self) -> FilterItems:
        return FilterItems(
            drawn=self.films,
            means=self.films,
            covs=self.film_covs,
            exposure=self.exposure,
            unrated_means=np.empty((1, 0, D), np.float32),
            unrated_cov=np.empty((1, D, D), np.float32),
        )

    def _events(self, order: np.ndarray, place: int) -> FilterEvents:
        """The ratings in `order`, and the question before the one at `place`."""
        is_query = np.insert(np.zeros(len(order), bool), place, True)
        return FilterEvents(
            rows=np.insert(self.rows[order], place, self.asked_row),
            times=np.insert(self.times[order], place, self.asked_at),
            centred=np.insert(self.centred[order], place, 0.0),
            is_query=is_query,
            is_update=~is_query,
            is_trained_on=~is_query,
        )

    def _answer(self, belief: UserBeliefs) -> tuple[float, float]:
        query = ItemQueries.without_updates(np.zeros(1, np.int64), np.array([self.asked_row]))
        fitted = ItemBeliefs(self.films, self.film_covs)
        online = ItemBeliefs(self.films[:, :0], self.film_covs[:, :0])
        answers = np.empty((1, 3))
        predict_items(query, belief, fitted, online, 0.25, answers)
        return float(answers[0, 0]), float(answers[0, 1])

    def dense(self) -> tuple[float, float]:
        """The same, from the joint covariance of all ratings."""
        rows, times = np.append(self.rows, self.asked_row), np.append(self.times, self.asked_at)
        films = self.films[0, rows].astype(np.float64)
        h = np.column_stack([np.ones(len(rows)), films[:, 1:]])
        cov = (h @ self.prior_cov @ h.T) * self._shared_taste()
        cov += SESSION * np.exp(-RATE * np.abs(np.subtract.outer(times, times)))
        expected = films[:, 0] + h @ self._chosen_mean()
        leisure, noise = self._at_leisure()
        seen = cov[:-1, :-1] + noise
        gain = np.linalg.solve(seen, cov[:-1, -1])
        mean = expected[-1] + gain @ (leisure - expected[:-1])
        variance = cov[-1, -1] - gain @ cov[:-1, -1] + self.film_noise()
        weight, before = self._echo_at(self.asked_at)
        return (1 - weight) * mean + weight * before, (1 - weight) ** 2 * variance + NOISE

    def film_noise(self) -> float:
        """What the asked film's own uncertainty adds, from the posterior of the taste."""
        films = self.films[0, self.rows].astype(np.float64)
        h = np.column_stack([np.ones(len(self.rows)), films[:, 1:]])
        shared = self._shared_taste()
        seen = (h @ self.prior_cov @ h.T) * shared[:-1, :-1]
        leisure, noise = self._at_leisure()
        seen += SESSION * np.exp(-RATE * np.abs(np.subtract.outer(self.times, self.times))) + noise
        across = (self.prior_cov @ h.T) * shared[-1, :-1]
        expected = films[:, 0] + h @ self._chosen_mean()
        mean = self._chosen_mean() + across @ np.linalg.solve(seen, leisure - expected)
        cov = self.prior_cov * shared[-1, -1] - across @ np.linalg.solve(seen, across.T)
        x = np.concatenate([[1.0], mean[1:]])
        C = self.film_covs[0, self.asked_row].astype(np.float64)
        return float(x @ C @ x + (C[1:, 1:] * cov[1:, 1:]).sum())

    def _at_leisure(self) -> tuple[np.ndarray, np.ndarray]:
        """All ratings without their echoes, and the covariance of their noise."""
        weight, before = np.array([self._echo_at(time) for time in self.times]).T
        return (self.centred - weight * before) / (1 - weight), np.diag(NOISE / (1 - weight) ** 2)

    def _echo_at(self, time: int) -> tuple[float, float]:
        """The weight of the echo in a rating at this time, and what is echoed."""
        earlier = self.times[self.times < time]
        if not len(earlier) or time - earlier.max() > 62:
            return 0.0, 0.0
        weight = ECHO[np.searchsorted([2, 6, 14, 30], time - earlier.max())]
        return float(weight), float(self.centred[self.times == earlier.max()].mean())

    def _chosen_mean(self) -> np.ndarray:
        """The prior mean, given all films that the user chose to rate."""
        added = self.exposure[0, self.rows].astype(np.float64).sum(0)
        return self.prior_mean + added / (len(self.rows) + SHRINKAGE_EXPOSURE)

    def _shared_taste(self) -> np.ndarray:
        """By how much the prior covariance is multiplied for two of the ratings, the asked one
        last.
        """
        times = np.append(self.times, self.asked_at)
        learned = np.append(np.arange(len(self.rows)), (self.times <= self.asked_at).sum())
        passed = np.minimum.outer(times, times) - times[0]
        return SPREAD + DRIFT * passed + self.walk * np.minimum.outer(learned, learned)
