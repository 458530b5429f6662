"""Films at the moment of a question: what a user's moment predicts of a film, and what a rating
teaches it.

A film's row in draw s is normal, `N(mean, C)`, given the users that were drawn with it. A new
rating by a user whose factors are known as `N(p, V)` is a measurement of it, `x = [1, p]`, with
noise `1/(alpha lam) + h'V h`:

    K = C x / (x'C x + noise),   mean += K e,   C -= K x'C

This is assumed density filtering (Opper, *A Bayesian Approach to On-line Learning*, 1998): the user
is not corrected for what the film learns, and the other way round. Only predictions use films that
have learned: users are always filtered with the films of the set, or their states would depend on
the order in which all ratings arrived.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reelstream.catalog import Film
from reelstream.compute.arrays import Bools, Floats, Ints
from reelstream.models.rating.model import RatingModel
from reelstream.models.rating.user_filter import UserBeliefs, item_variance, measure


class ItemQueries(NamedTuple):
    """n questions, and the ratings that came where they are to be learned."""

    moments: Ints
    """(n,): which moment of a user each is asked at."""
    rows: Ints
    """(n,): rows of films; those behind the model's last are rows of the films that learn."""
    centred: Floats
    """(n,): ratings less mu."""
    learns: Bools
    """(n,): whether the film learns the rating once it has been predicted."""


class OnlineItems:
    """The films of a set that have learned since it was fitted, and those that it has no ratings
    of.

    Not safe to change while another thread reads.
    """

    def __init__(self, model: RatingModel, film_of: Callable[[int], Film | None]) -> None:
        """`film_of` knows the catalogue."""
        S, _, D = model.draws.means.shape
        self._model, self._film_of = model, film_of
        self._rows: dict[int, int] = {}
        self.means: NDArray[np.float32] = np.empty((S, 0, D), np.float32)
        """(S, E, D), E at least the number of these films."""
        self.covs: NDArray[np.float32] = np.empty((S, 0, D, D), np.float32)
        """(S, E, D, D)"""

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, item_ids: NDArray[np.int64], *, learn: bool) -> NDArray[np.int64]:
        """The row (n,) of each film for `ItemQueries`; with `learn` each gets one of its own, that
        may change.
        """
        n_items = len(self._model.item_ids)
        fitted = self._model.items.rows(item_ids)
        rows = np.empty(len(item_ids), np.int64)
        for n, (item_id, row) in enumerate(zip(item_ids.tolist(), fitted.tolist(), strict=True)):
            own = self._rows.get(item_id)
            if own is None and (learn or row < 0):
                own = self._add(item_id, row)
            rows[n] = row if own is None else n_items + own
        return rows

    def save(self, folder: Path) -> None:
        """Write these items as arrays into an existing folder."""
        n = len(self)
        np.save(folder / "item_ids.npy", np.array(list(self._rows), np.int64))
        np.save(folder / "means.npy", self.means[:, :n])
        np.save(folder / "covs.npy", self.covs[:, :n])

    def restore(self, folder: Path) -> None:
        """Go on from the items that `save` wrote, of the same model."""
        item_ids = np.load(folder / "item_ids.npy").tolist()
        self._rows = {item_id: row for row, item_id in enumerate(item_ids)}
        self.means, self.covs = np.load(folder / "means.npy"), np.load(folder / "covs.npy")

    def _add(self, item_id: int, fitted: int) -> int:
        own = self._rows[item_id] = len(self._rows)
        if own == self.means.shape[1]:
            self.means, self.covs = _with_room(self.means), _with_room(self.covs)
        draws = self._model.draws
        if fitted >= 0:
            self.means[:, own], self.covs[:, own] = draws.means[:, fitted], draws.covs[:, fitted]
        else:
            self.means[:, own] = self._model.unrated_means([self._film_of(item_id)])[:, 0]
            self.covs[:, own] = self._model.unrated_covariance
        return own


def _with_room(films: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same films (S, E, ...) with room for as many more."""
    room = np.empty((len(films), max(16, films.shape[1]), *films.shape[2:]), np.float32)
    return np.concatenate([films, room], axis=1)


@njit(cache=True, nogil=True)
def normal_above(mean: float, variance: float, threshold: float) -> float:
    """P(x > threshold) for normal x."""
    return 0.5 * math.erfc((threshold - mean) / math.sqrt(2.0 * variance))


@njit(cache=True, nogil=True)
def predict_items(
    questions: ItemQueries,
    moments: UserBeliefs,
    means: Floats,
    covs: Floats,
    online_means: Floats,
    online_covs: Floats,
    threshold: float,
    answers: Floats,
) -> None:
    """Answer questions in their order, and let films learn in between.

    means (S, I, D) and covs (S, I, D, D): the films as fitted; online_means (S, E, D) and
    online_covs (S, E, D, D): those behind them, which learn in place. `answers` (n, 3) receives
    mean, variance and P(rating > threshold), of ratings less mu. The variance is that within the
    draws plus (1 + 1/S) times that between them (Rubin, *Multiple Imputation for Nonresponse in
    Surveys*, 1987).
    """
    S, n_items, D = means.shape
    gain, direction = np.empty(D + 1), np.empty(D)
    few_draws = (
        (S + 1) / (S - 1) if S > 1 else 0.0
    )  # of S draws the variance is a sample's, and their mean is uncertain
    for j in range(questions.rows.size):
        at, row = questions.moments[j], questions.rows[j]
        first = within = squares = above = 0.0
        for s in range(S):
            user, user_cov, noise = moments.mean[at, s], moments.cov[at, s], moments.noise[at, s]
            if row < n_items:
                film, film_cov = means[s, row], covs[s, row]
            else:
                film, film_cov = online_means[s, row - n_items], online_covs[s, row - n_items]
            value, user_variance = measure(user, user_cov, film, gain)
            variance = noise + user_variance + item_variance(user, user_cov, film_cov)
            first += value / S
            within += variance / S
            squares += value * value / S
            above += normal_above(value, variance, threshold) / S
            if questions.learns[j]:
                update_item(
                    user,
                    film,
                    film_cov,
                    questions.centred[j] - value,
                    noise + user_variance,
                    direction,
                )
        answers[j, 0] = first
        answers[j, 1] = within + (squares - first * first) * few_draws
        answers[j, 2] = above


@njit(cache=True, nogil=True)
def update_item(
    user: Floats, film: Floats, film_cov: Floats, error: float, noise: float, direction: Floats
) -> None:
    """Condition a film (D,), (D, D) on a rating that was `error` off; `direction` (D,) is scratch
    for C x.
    """
    D = film.size
    variance = noise
    for a in range(D):
        v = film_cov[a, 0]
        for b in range(1, D):
            v += film_cov[a, b] * user[b]
        direction[a] = v
        variance += v * (user[a] if a > 0 else 1.0)
    for a in range(D):
        film[a] += direction[a] * error / variance
        for b in range(D):
            film_cov[a, b] -= direction[a] * direction[b] / variance
