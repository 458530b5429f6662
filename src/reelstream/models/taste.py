"""What a user likes, genre by genre, as far as the rating model knows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelstream.features.user_profiles import GenreShares
from reelstream.models.model_set import ModelSet
from reelstream.models.rating.user_state import UserState


class Leaning(NamedTuple):
    """By how many stars a user departs from what everybody makes of some films."""

    stars: float
    sd: float
    """How uncertain that is: standard deviation."""


class GenreTastes:
    """The average film of each genre in one set; for questions about any number of users."""

    def __init__(self, model_set: ModelSet) -> None:
        """Averages over films, each as often as it was rated."""
        self._model_set = model_set
        rating = model_set.rating
        self.genres = model_set.catalog.genres
        shares = GenreShares(model_set.catalog, self.genres)
        n_items = len(rating.item_ids)
        # One film a row: its share in each genre.
        of_films = shares.sums(rating.item_ids, np.arange(n_items + 1))
        weights = of_films.T * rating.item_counts
        self.ratings = weights.sum(1)
        """(n_genres,): ratings that the set has learned of each."""
        means = rating.draws.means.astype(np.float64)
        everything = np.average(means, axis=1, weights=rating.item_counts)
        of_genres = np.einsum("gi,sid->sgd", weights, means) / np.maximum(
            self.ratings[None, :, None], 1e-9
        )
        # An item's first number is its own bias, whoever watches it; a user's is for all films.
        self._overall = everything.copy()
        self._overall[:, 0] = 1
        self._departures = of_genres - everything[:, None]
        self._departures[:, :, 0] = 0

    def generosity(self, state: UserState, at: int) -> Leaning:
        """By how much the user rates an average film higher than a user does whom nobody knows."""
        return self._leanings(state, at, self._overall[:, None])[0]

    def of(self, state: UserState, at: int) -> list[Leaning]:
        """For each genre, by how much the user likes its films better than others, compared with a
        user whom nobody knows.
        """
        return self._leanings(state, at, self._departures)

    def _leanings(self, state: UserState, at: int, forms: NDArray[np.float64]) -> list[Leaning]:
        """Of linear forms (S, n, D) of bias and factors; moods do not count."""
        D = forms.shape[2]
        belief = self._model_set.belief_at(state, at)
        departure = belief.mean[0][:, :D] - self._model_set.dynamics.prior_mean
        cov = belief.cov[0][:, :D, :D]
        values = np.einsum("snd,sd->sn", forms, departure)
        within = np.einsum("snd,sde,sne->sn", forms, cov, forms).mean(0)
        between = values.var(axis=0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])
        sd = np.sqrt(np.maximum(within, 0) + between * (1 + 1 / len(values)))
        return [Leaning(*each) for each in zip(values.mean(0).tolist(), sd.tolist(), strict=True)]
