"""A model set: the three models of one release, and the questions they answer together.

Trainer, evaluation and server all use it; the server adds cache and swap. It knows films, not
users: whoever asks brings the user's ratings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from reelstream.catalog import Catalog
from reelstream.errors import UnknownItemError
from reelstream.features.holdout import in_holdout
from reelstream.features.user_profiles import GenreShares
from reelstream.models.bundle import ModelBundle
from reelstream.models.like.model import LikeModel, Posterior
from reelstream.models.rating.model import RatingModel
from reelstream.models.rating.online_items import ItemQueries, OnlineItems, predict_items
from reelstream.models.rating.user_filter import (
    Dynamics,
    Events,
    Films,
    UserBeliefs,
    UserState,
    dynamics_of,
    filter_ratings,
)
from reelstream.models.segment.description import Segment
from reelstream.models.segment.model import SegmentModel
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.scale import RatingScale


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """Which ratings the item side has learned from."""

    trained_end_offsets: Mapping[int, int]
    """The next offset of each partition."""
    excluded: Mapping[int, tuple[tuple[int, int], ...]]
    """Of each partition, ranges [first, next) of offsets before that which were left out."""

    def learned(self, ratings: EventColumns) -> NDArray[np.bool_]:
        """Whether each rating was learned from; one of the holdout never is."""
        learned = np.zeros(len(ratings), bool)
        for partition, through in self.trained_end_offsets.items():
            learned |= (ratings.partition == partition) & (ratings.offset < through)
        for partition, ranges in self.excluded.items():
            for first, after in ranges:
                learned &= (
                    (ratings.partition != partition)
                    | (ratings.offset < first)
                    | (ratings.offset >= after)
                )
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

    def __getitem__(self, chosen: slice) -> Predictions:
        """The chosen answers."""
        return Predictions(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True, kw_only=True)
class ModelSet:
    """The models of one release, one of each family."""

    number: int
    models: ModelBundle
    catalog: Catalog
    scale: RatingScale
    trained_on: TrainedOn

    @cached_property
    def rating(self) -> RatingModel:
        """The rating model."""
        return self.models.rating

    @cached_property
    def like(self) -> LikeModel:
        """The like model."""
        return self.models.like

    @cached_property
    def segment(self) -> SegmentModel:
        """The segment model."""
        return self.models.segment

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
        return self.catalog.get(item_id) is not None or bool(
            self.rating.items.rows(np.array([item_id]))[0] >= 0
        )

    def fold_in(self, history: EventColumns) -> UserState:
        """A user's state from his or her ratings, sorted as `EventColumns.by_user`; without any,
        the prior.
        """
        state = UserState.prior(self.dynamics)
        self.learn(state, history)
        return state

    def learn(self, state: UserState, newer: EventColumns) -> None:
        """Teach a state, in place, ratings of its user that are not earlier than those it knows."""
        if len(newer):
            learns = np.ones(len(newer), bool)
            nothing = UserBeliefs.room_for(0, self.dynamics)
            self.filter(state, newer, *self.set_items(newer.item_id), ~learns, learns, nothing)

    def online_items(self) -> OnlineItems:
        """The films as fitted, ready to learn."""
        return OnlineItems(self.rating, self.catalog.get)

    def predict(
        self,
        state: UserState,
        item_ids: NDArray[np.int64],
        at: int,
        films: OnlineItems | None = None,
    ) -> Predictions:
        """Answers (n,) about films at the time `at`, in seconds; the state stays as it is.

        `films` are those that have learned since the set was fitted; without them, the films as
        fitted. Raises UnknownItemError for a film that neither the catalogue nor the set knows.
        """
        if unknown := [int(item) for item in item_ids if not self.knows(int(item))]:
            raise UnknownItemError(unknown[0])
        n = len(item_ids)
        never = np.zeros(n, bool)
        films = films or self.online_items()
        questions = ItemQueries(
            np.zeros(n, np.int64), films.rows(item_ids, learn=False), np.zeros(n), never
        )
        answers = self.ask(questions, self.moment(state, at), films)
        return self.predictions(
            self.posterior(answers, np.full(n, state.n_ratings), np.full(n, state.n_likes)),
            item_ids,
        )

    def update_item(
        self, state: UserState, item_id: int, rating: float, at: int, films: OnlineItems
    ) -> None:
        """Teach a film a rating by the user of `state`, who must not have learned it yet."""
        rows = films.rows(np.array([item_id]), learn=True)
        centred = np.array([rating - self.rating.mean])
        self.ask(
            ItemQueries(np.zeros(1, np.int64), rows, centred, np.ones(1, bool)),
            self.moment(state, at),
            films,
        )

    def segment_of(self, history: EventColumns) -> Segment:
        """The segment of one user."""
        starts = np.array([0, len(history)])
        return self.segment.numbered(
            int(self.segment.segments_of(history, starts, self._genre_shares)[0])
        )

    def prepare(self) -> None:
        """Load or compile all that an answer needs, so that no question waits for it."""
        item = np.array([self.rating.item_ids[0]])
        state = self.fold_in(EventColumns.of([0], item, [self.rating.mean], [0]))
        self.predict(state, item, 0)
        self.update_item(state, int(item[0]), self.rating.mean, 0, self.online_items())
        self.segment_of(EventColumns.of([0], item, [self.rating.mean], [0]))

    def set_items(self, item_ids: NDArray[np.int64]) -> tuple[Films, NDArray[np.int64]]:
        """The films of the set that `item_ids` (n,) are among, for the filter, and the row of
        each.
        """
        rows = self.rating.items.rows(item_ids)
        unrated = rows < 0
        ids, which = np.unique(item_ids[unrated], return_inverse=True)
        rows[unrated] = len(self.rating.item_ids) + which
        means = self.rating.unrated_means([self.catalog.get(int(item)) for item in ids])
        draws = self.rating.draws
        return Films(
            draws.drawn, draws.means, draws.covs, means, self.rating.unrated_covariance
        ), rows

    def filter(
        self,
        state: UserState,
        ratings: EventColumns,
        films: Films,
        rows: NDArray[np.int64],
        asks: NDArray[np.bool_],
        learns: NDArray[np.bool_],
        moments: UserBeliefs,
    ) -> None:
        """Run the filter over one user's ratings (n,), changing `state` and filling `moments`; see
        `filter_ratings`.
        """
        last = -1 if state.last is None else state.last
        events = self.events(ratings, rows, asks, learns)
        filter_ratings(
            state.mean, state.cov, state.log_weight, last, events, films, self.dynamics, moments
        )
        if learns.any():
            state.last = max(int(ratings.timestamp[learns].max()), state.last or 0)
            state.n_ratings += int(learns.sum())
            state.n_likes += int((ratings.rating[learns] >= self.scale.like_threshold).sum())

    def events(
        self,
        ratings: EventColumns,
        rows: NDArray[np.int64],
        asks: NDArray[np.bool_],
        learns: NDArray[np.bool_],
    ) -> Events:
        """The ratings as the filter reads them, with the rows of their films."""
        centred = ratings.rating.astype(np.float64) - self.rating.mean
        # one of a snapshot is read-only: to the compiled filter another type
        times = np.array(ratings.timestamp)
        return Events(rows, times, centred, asks, learns, self.trained_on.learned(ratings))

    def moment(self, state: UserState, at: int) -> UserBeliefs:
        """What is known of a user at the time `at`; the state stays as it is."""
        moments = UserBeliefs.room_for(1, self.dynamics)
        asked = EventColumns.of([0], [0], [0.0], [at])
        asks = np.ones(1, bool)
        self.filter(
            state.copy(), asked, *self.set_items(self.rating.item_ids[:1]), asks, ~asks, moments
        )
        return moments

    def ask(
        self, questions: ItemQueries, moments: UserBeliefs, films: OnlineItems
    ) -> NDArray[np.float64]:
        """Mean, variance and P(like), of ratings less mu, as (n, 3); films learn from questions
        that say so.
        """
        answers = np.empty((len(questions.rows), 3))
        threshold = self.scale.like_threshold - self.scale.step / 2 - self.rating.mean
        draws = self.rating.draws
        predict_items(
            questions, moments, draws.means, draws.covs, films.means, films.covs, threshold, answers
        )
        return answers

    def posterior(
        self,
        answers: NDArray[np.float64],
        user_ratings: NDArray[np.int64],
        user_likes: NDArray[np.int64],
    ) -> Posterior:
        """Answers (n, 3) of `ask` in stars, with the counts (n,) of the users' ratings they rest
        on.
        """
        return Posterior(
            answers[:, 0] + self.rating.mean, answers[:, 1], answers[:, 2], user_ratings, user_likes
        )

    def predictions(self, posterior: Posterior, item_ids: NDArray[np.int64]) -> Predictions:
        """The full answers (n,) from what the rating model says."""
        values = self.scale.values()
        distribution = rating_distribution(posterior.mean, posterior.variance, values)
        expected = distribution @ values
        sd = np.sqrt(np.maximum(distribution @ values**2 - expected**2, 0.0))
        return Predictions(
            posterior.mean, sd, self.like.probability(posterior, item_ids), distribution
        )

    @cached_property
    def _genre_shares(self) -> GenreShares:
        return GenreShares(self.catalog, self.segment.genres)


def rating_distribution(
    mean: NDArray[np.float64], variance: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The probability (n, n_values) of each of the rising `values`, for normal ratings that are
    rounded to the nearest.

    What lies beyond the scale is given at its end: so a film that can hardly be rated higher is
    known more surely.
    """
    between = (values[1:] + values[:-1]) / 2
    below = ndtr((between - mean[:, None]) / np.sqrt(variance)[:, None])
    ends = np.zeros((len(mean), 1)), np.ones((len(mean), 1))
    return np.diff(np.hstack([ends[0], below, ends[1]]))
