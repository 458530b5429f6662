"""A model set: the three models of one release, and the questions they answer together.

Trainer, evaluation and server all use it; the server adds cache and swap. It knows films, not users: whoever asks brings
the user's ratings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from reelstream.catalog import Catalog
from reelstream.errors import UnknownItemError
from reelstream.features.holdout import in_holdout
from reelstream.features.user_profiles import GenreShares
from reelstream.models.like import LikeModel, Posterior
from reelstream.models.rating import RatingModel
from reelstream.models.segment import Segment, SegmentModel
from reelstream.models.user_posterior import Dynamics, Events, Films, UserState, dynamics_of, filter_ratings
from reelstream.ratings import RatingColumns, RatingScale


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """Which ratings the item side has learned from."""

    trained_through: Mapping[int, int]
    """The next offset of each partition."""
    excluded: Mapping[int, tuple[tuple[int, int], ...]]
    """Of each partition, ranges [first, next) of offsets before that which were left out."""

    def learned(self, ratings: RatingColumns) -> NDArray[np.bool_]:
        """Whether each rating was learned from; one of the holdout never is."""
        learned = np.zeros(len(ratings), bool)
        for partition, through in self.trained_through.items():
            learned |= (ratings.partition == partition) & (ratings.offset < through)
        for partition, ranges in self.excluded.items():
            for first, after in ranges:
                learned &= (ratings.partition != partition) | (ratings.offset < first) | (ratings.offset >= after)
        return learned & ~in_holdout(ratings.user_id, ratings.item_id)


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers to n questions."""

    mean: NDArray[np.float64]
    """(n,): the expected rating, in stars; it may lie beyond the scale."""
    sd: NDArray[np.float64]
    """(n,): standard deviation of the rating itself, noise included, on its scale."""
    like_probability: NDArray[np.float64]
    """(n,): probability of a rating at or above the like threshold."""
    distribution: NDArray[np.float64]
    """(n, n_values): probability of each rating of the scale."""


@dataclass(frozen=True)
class ModelSet:
    """The rating, like and segment models of one release."""

    number: int
    rating: RatingModel
    like: LikeModel
    segment: SegmentModel
    catalog: Catalog
    scale: RatingScale
    trained_on: TrainedOn

    @cached_property
    def dynamics(self) -> Dynamics:
        """How users move and how noisy they are, according to this set."""
        return dynamics_of(self.rating)

    @property
    def uses_times(self) -> bool:
        """Whether the time of a question changes its answer."""
        return bool(self.dynamics.mood.any())

    def knows(self, item_id: int) -> bool:
        """Whether the set can answer about this film."""
        return self.catalog.get(item_id) is not None or bool(self.rating.items.rows(np.array([item_id]))[0] >= 0)

    def fold_in(self, history: RatingColumns) -> UserState:
        """A user's state from his or her ratings, sorted as `RatingColumns.by_user`; without any, the prior."""
        state = UserState.prior(self.dynamics)
        self.learn(state, history)
        return state

    def learn(self, state: UserState, newer: RatingColumns) -> None:
        """Teach a state, in place, ratings of its user that are not earlier than those it knows."""
        if len(newer):
            learns = np.ones(len(newer), bool)
            self._filter(state, newer, *self._films(newer.item_id), ~learns, learns)

    def predict(self, state: UserState, item_ids: NDArray[np.int64], at: int) -> Predictions:
        """Answers (n,) about films at the time `at`, in seconds; the state stays as it is.

        Raises UnknownItemError for a film that neither the catalogue nor the set knows.
        """
        if unknown := [int(item) for item in item_ids if not self.knows(int(item))]:
            raise UnknownItemError(f"no film has the movieId {unknown[0]}: search for one with /v1/items?query=")
        n = len(item_ids)
        asked = RatingColumns.of(np.zeros(n), item_ids, np.zeros(n), np.full(n, at))
        asks = np.ones(n, bool)
        answers = self._filter(state.copy(), asked, *self._films(item_ids), asks, ~asks)
        counts = np.full(n, state.n_ratings), np.full(n, state.n_likes)
        return self._predictions(self._posterior(answers, *counts), item_ids)

    def segment_of(self, history: RatingColumns) -> Segment:
        """The segment of one user."""
        starts = np.array([0, len(history)])
        return self.segment.segments[int(self.segment.segments_of(history, starts, self._genre_shares)[0])]

    def ask_events(
        self, events: RatingColumns, asks: NDArray[np.bool_], learns: NDArray[np.bool_]
    ) -> tuple[RatingColumns, Predictions]:
        """Filter many users from their first event on; the asked events with their answers, in the order of `events`.

        `events` in any order; within a user they are taken in order of time. An event that asks is predicted from all
        before it that the filter `learns`: those that do not ask first, where the set takes no notice of time.
        """
        posterior = self.posterior(events, asks, learns)
        return events[asks], self._predictions(posterior, events.item_id[asks])

    def posterior(self, events: RatingColumns, asks: NDArray[np.bool_], learns: NDArray[np.bool_]) -> Posterior:
        """As `ask_events`, before the like model has its say."""
        time = events.timestamp if self.uses_times else asks.astype(np.int64)
        order = np.lexsort((events.offset, events.partition, time, events.user_id))
        ordered, asks_, learns_ = events[order], asks[order], learns[order]
        starts = np.flatnonzero(np.append(True, ordered.user_id[1:] != ordered.user_id[:-1]))
        ends = np.append(starts[1:], len(ordered))
        films, rows = self._films(ordered.item_id)
        answers = np.empty((len(ordered), 3))

        def one_user(span: tuple[int, int]) -> None:
            s = slice(*span)
            if asks_[s].any():
                state = UserState.prior(self.dynamics)
                answers[s] = self._filter(state, ordered[s], films, rows[s], asks_[s], learns_[s])

        with ThreadPoolExecutor(os.cpu_count()) as pool:  # the filter holds no lock of Python's
            list(pool.map(one_user, zip(starts.tolist(), ends.tolist(), strict=True), chunksize=16))
        counts = (
            _counts_before(learns_, starts, ends),
            _counts_before(learns_ & (ordered.rating >= self.scale.like_threshold), starts, ends),
        )
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        back = back[asks]
        return self._posterior(answers[back], counts[0][back], counts[1][back])

    def prepare(self) -> None:
        """Load or compile all that an answer needs, so that no question waits for it."""
        item = np.array([self.rating.item_ids[0]])
        state = self.fold_in(RatingColumns.of([0], item, [self.rating.mean], [0]))
        self.predict(state, item, 0)
        self.segment_of(RatingColumns.of([0], item, [self.rating.mean], [0]))

    def save(self, regression: Path, classification: Path, clustering: Path) -> None:
        """Write the three models into their folders, which exist."""
        self.rating.save(regression)
        self.like.save(classification)
        self.segment.save(clustering)

    @cached_property
    def _genre_shares(self) -> GenreShares:
        return GenreShares(self.catalog, self.segment.genres)

    def _films(self, item_ids: NDArray[np.int64]) -> tuple[Films, NDArray[np.int64]]:
        """The films that `item_ids` (n,) are among, and the row of each."""
        rows = self.rating.items.rows(item_ids)
        unrated = rows < 0
        ids, which = np.unique(item_ids[unrated], return_inverse=True)
        rows[unrated] = len(self.rating.item_ids) + which
        means = self.rating.unrated_means([self.catalog.get(int(item)) for item in ids])
        draws = self.rating.draws
        return Films(draws.drawn, draws.means, draws.covs, means, self.rating.unrated_covariance), rows

    def _filter(
        self,
        state: UserState,
        ratings: RatingColumns,
        films: Films,
        rows: NDArray[np.int64],
        asks: NDArray[np.bool_],
        learns: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Run the filter over one user's events, changing `state`; mean, variance and P(above), less mu, as (n, 3)."""
        answers = np.empty((len(ratings), 3))
        # A question about a film is not a rating that was learned, whatever its place in the log.
        learned = self.trained_on.learned(ratings) & learns
        centred = ratings.rating.astype(np.float64) - self.rating.mean
        filter_ratings(
            state.mean,
            state.cov,
            state.log_weight,
            -1 if state.last is None else state.last,
            Events(rows, ratings.timestamp, centred, asks, learns, learned),
            films,
            self.dynamics,
            self.scale.like_threshold - self.scale.step / 2 - self.rating.mean,
            answers,
        )
        if learns.any():
            state.last = max(int(ratings.timestamp[learns].max()), state.last or 0)
            state.n_ratings += int(learns.sum())
            state.n_likes += int((ratings.rating[learns] >= self.scale.like_threshold).sum())
        return answers

    def _posterior(
        self, answers: NDArray[np.float64], ratings: NDArray[np.int64], likes: NDArray[np.int64]
    ) -> Posterior:
        return Posterior(answers[:, 0] + self.rating.mean, answers[:, 1], answers[:, 2], ratings, likes)

    def _predictions(self, posterior: Posterior, item_ids: NDArray[np.int64]) -> Predictions:
        values = self.scale.values()
        distribution = rating_distribution(posterior.mean, posterior.variance, values)
        expected = distribution @ values
        sd = np.sqrt(np.maximum(distribution @ values**2 - expected**2, 0.0))
        return Predictions(posterior.mean, sd, self.like.probability(posterior, item_ids), distribution)


def rating_distribution(
    mean: NDArray[np.float64], variance: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The probability (n, n_values) of each of the rising `values`, for normal ratings that are rounded to the nearest.

    What lies beyond the scale is given at its end: so a film that can hardly be rated higher is known more surely.
    """
    between = (values[1:] + values[:-1]) / 2
    below = ndtr((between - mean[:, None]) / np.sqrt(variance)[:, None])
    ends = np.zeros((len(mean), 1)), np.ones((len(mean), 1))
    return np.diff(np.hstack([ends[0], below, ends[1]]))


def _counts_before(counted: NDArray[np.bool_], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many counted events of the same user lie before each event."""
    running: NDArray[np.int64] = np.concatenate([[0], np.cumsum(counted)])
    before: NDArray[np.int64] = running[:-1] - np.repeat(running[starts], ends - starts)
    return before
