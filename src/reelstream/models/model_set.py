"""A model set: one model of each family, and the queries they answer together.

Trainer, evaluation and server all use it; the server adds cache and swap. It knows items, not
users: a query comes with the user's ratings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from reelstream.catalog import Catalog
from reelstream.errors import UnknownItemError
from reelstream.features.holdout import is_trainable
from reelstream.features.user_profiles import GenreShares
from reelstream.models.bundle import ModelBundle
from reelstream.models.like.model import LikeModel, Posterior
from reelstream.models.rating.filter_input import FilterEvents, FilterItems
from reelstream.models.rating.model import RatingModel
from reelstream.models.rating.online_items import (
    ItemBeliefs,
    ItemQueries,
    OnlineItems,
    predict_items,
)
from reelstream.models.rating.user_filter import fill_belief, filter_events
from reelstream.models.rating.user_state import (
    Dynamics,
    UserBeliefs,
    UserState,
    dynamics_of,
)
from reelstream.models.segment.description import Segment
from reelstream.models.segment.model import SegmentModel
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.scale import RatingScale

SDS_OF_95_PERCENT = 1.96


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """Which ratings the item side has learned from."""

    trained_end_offsets: Mapping[int, int]
    """Partition -> end offset: the first offset that was not learned from."""
    excluded: Mapping[int, tuple[tuple[int, int], ...]]
    """Partition -> ranges [first, end) of offsets below its end offset that were not learned from:
    those of excluded batches.
    """

    def learned(self, ratings: EventColumns) -> NDArray[np.bool_]:
        """Whether each rating (n,) was learned from. Ratings of the holdout never are."""
        learned = ~ratings.is_after(self.trained_end_offsets)
        if not learned.any():
            return learned
        learned &= is_trainable(ratings)
        for partition, ranges in self.excluded.items():
            for first, end in ranges:
                learned &= (
                    (ratings.partition != partition)
                    | (ratings.offset < first)
                    | (ratings.offset >= end)
                )
        return learned


class KnownUsers(NamedTuple):
    """What was known of users at n instants."""

    beliefs: UserBeliefs
    n_ratings: NDArray[np.int64]
    """(n,)"""
    n_likes: NDArray[np.int64]
    """(n,)"""

    @classmethod
    def concatenate(cls, parts: Sequence[KnownUsers]) -> KnownUsers:
        """All of `parts`, at least one, in their order."""
        beliefs = zip(*(part.beliefs for part in parts), strict=True)
        return cls(
            UserBeliefs(*map(np.concatenate, beliefs)),
            np.concatenate([part.n_ratings for part in parts]),
            np.concatenate([part.n_likes for part in parts]),
        )

    def at(self, n: int) -> KnownUsers:
        """The instant `n` alone."""
        own = slice(n, n + 1)
        return KnownUsers(
            UserBeliefs(*(array[own] for array in self.beliefs)),
            self.n_ratings[own],
            self.n_likes[own],
        )


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers to n queries."""

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

    def intervals(
        self, scale: RatingScale
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """The mean (n,), and both ends of the central 95 % interval, cut off at the ends of the
        scale.
        """
        spread = SDS_OF_95_PERCENT * self.sd
        mean, low, high = (
            np.minimum(np.maximum(values, scale.lowest), scale.highest)
            for values in (self.mean, self.mean - spread, self.mean + spread)
        )
        return mean, low, high


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
        """Whether the time of a query changes its answer."""
        return bool(self.dynamics.session_variance.any())

    def knows(self, item_id: int) -> bool:
        """Whether the set can answer about this item."""
        return self.catalog.get(item_id) is not None or bool(
            self.rating.items.rows(np.array([item_id]))[0] >= 0
        )

    def fold_in(self, history: EventColumns) -> UserState:
        """A user's state from his or her ratings, sorted as `EventColumns.by_user`; without any,
        the prior.
        """
        state = UserState.prior(self.dynamics)
        self.update(state, history)
        return state

    def update(
        self, state: UserState, newer: EventColumns, wanted: NDArray[np.bool_] | None = None
    ) -> KnownUsers:
        """Update a state, in place, with ratings (n,) of its user, in the order of
        `EventColumns.by_user`.

        None of them may be earlier than those that the state has seen. Returns what was known of
        the user just before each of the `wanted` (n,) ratings; by default none is.
        """
        n = len(newer)
        is_wanted = np.zeros(n, bool) if wanted is None else wanted
        beliefs = UserBeliefs.allocate(int(np.count_nonzero(is_wanted)), self.dynamics)
        liked = newer.rating >= self.scale.like_threshold
        likes_before: NDArray[np.int64] = np.cumsum(liked) - liked
        known = KnownUsers(
            beliefs,
            state.n_ratings + np.flatnonzero(is_wanted),
            state.n_likes + likes_before[is_wanted],
        )
        if n:
            items, rows = self.filter_items(newer.item_id)
            events = self.filter_events(newer, rows, is_wanted, np.ones(n, bool))
            last = -1 if state.last is None else state.last
            filter_events(state.arrays, last, events, items, self.dynamics, beliefs)
            state.last = max(int(newer.timestamp.max()), state.last or 0)
            state.n_ratings += n
            state.n_likes += int(np.count_nonzero(liked))
        return known

    def online_items(self) -> OnlineItems:
        """The items as fitted, ready to be updated."""
        return OnlineItems(self.rating, self.catalog.get)

    def predict(
        self,
        state: UserState,
        item_ids: NDArray[np.int64],
        at: int,
        items: OnlineItems | None = None,
    ) -> Predictions:
        """Answers (n,) about items at the time `at`, in seconds since 1970; the state stays as it
        is.

        `items` are those that were updated since the set was fitted; without them, the items as
        fitted. Raises UnknownItemError for an item that neither the catalogue nor the set knows.
        """
        if unknown := [int(item) for item in item_ids if not self.knows(int(item))]:
            raise UnknownItemError(unknown[0])
        items = items or self.online_items()
        posterior = self.posterior_of(state, self.belief_at(state, at), item_ids, items)
        return self.predictions(posterior, item_ids)

    def posterior_of(
        self,
        state: UserState,
        belief: UserBeliefs,
        item_ids: NDArray[np.int64],
        items: OnlineItems,
    ) -> Posterior:
        """What the rating model says of items (n,), given the `belief_at` a time of the user of
        `state`.
        """
        n = len(item_ids)
        rows = items.rows(item_ids, own=False)
        answers = self.query(
            ItemQueries.without_updates(np.zeros(n, np.int64), rows), belief, items
        )
        return self.posterior(
            answers, np.full(n, state.n_ratings), np.full(n, state.n_likes), items
        )

    def learn(
        self,
        item_ids: NDArray[np.int64],
        ratings: NDArray[np.float64],
        known: KnownUsers,
        is_update: NDArray[np.bool_],
        items: OnlineItems,
    ) -> Posterior:
        """What the rating model says of n ratings, each given what was `known` of its user before.

        In their order, each item is updated with its rating, and how likely likes are and how
        widely ratings spread at present too, unless `is_update` (n,) says no.
        """
        queries = ItemQueries(
            beliefs=np.arange(len(item_ids)),
            rows=items.rows(item_ids, own=True),
            centred=ratings - self.rating.mean,
            is_update=is_update,
        )
        answers = self.query(queries, known.beliefs, items)
        posterior = self.posterior(answers, known.n_ratings, known.n_likes)
        return self.with_offsets(posterior, item_ids, ratings, is_update, items)

    def with_offsets(
        self,
        posterior: Posterior,
        item_ids: NDArray[np.int64],
        ratings: NDArray[np.float64],
        is_update: NDArray[np.bool_],
        items: OnlineItems,
    ) -> Posterior:
        """The posterior of n ratings in order of time with the offsets at each, where those of
        `items` learn from the ratings that are updates.
        """
        n = len(item_ids)
        _, sd = self.distribution(posterior, item_ids)
        errors = ((ratings - posterior.mean) / sd).tolist()
        log_odds = self.like.log_odds(posterior, item_ids).tolist()
        liked = (ratings >= self.scale.like_threshold).tolist()
        known = posterior.user_ratings.tolist()
        like_offset, width_offset = np.empty(n), np.empty(n)
        for row in range(n):
            like_offset[row] = items.like_offset.value
            width_offset[row] = items.width_offset.of(known[row])
            if is_update[row]:
                items.like_offset.update(log_odds[row], liked=liked[row])
                items.width_offset.update(known[row], errors[row])
        return replace(posterior, like_offset=like_offset, width_offset=width_offset)

    def update_item(
        self, state: UserState, item_id: int, rating: float, at: int, items: OnlineItems
    ) -> None:
        """Update an item with a rating by the user of `state`, which must not have seen it yet; and
        how likely likes are and how widely ratings spread at present.
        """
        counts = np.array([state.n_ratings]), np.array([state.n_likes])
        known = KnownUsers(self.belief_at(state, at), *counts)
        self.learn(np.array([item_id]), np.array([rating]), known, np.ones(1, bool), items)

    def segment_of(self, history: EventColumns) -> Segment:
        """The segment of one user."""
        starts = np.array([0, len(history)])
        return self.segment.numbered(
            int(self.segment.segments_of(history, starts, self._genre_shares)[0])
        )

    def map_users(
        self, histories: Sequence[EventColumns]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The segment's number (n_users,) and the place on the map (n_users, 2) of each user; see
        `SegmentModel.map_users`.
        """
        starts = np.cumsum([0, *map(len, histories)])
        return self.segment.map_users(
            EventColumns.concatenate(histories), starts, self._genre_shares
        )

    def prepare(self) -> None:
        """Load or compile all that an answer needs, so that no query waits for it."""
        item = np.array([self.rating.item_ids[0]])
        state = self.fold_in(EventColumns.of([0], item, [self.rating.mean], [0]))
        self.predict(state, item, 0)
        self.update_item(state, int(item[0]), self.rating.mean, 0, self.online_items())
        self.segment_of(EventColumns.of([0], item, [self.rating.mean], [0]))

    def filter_items(self, item_ids: NDArray[np.int64]) -> tuple[FilterItems, NDArray[np.int64]]:
        """The items that the filter needs, and the row (n,) of each of `item_ids` (n,) among them.

        They are all items of the set, followed by those of `item_ids` that it has no ratings of.
        """
        rows = self.rating.items.rows(item_ids)
        unrated = rows < 0
        if not unrated.any():
            return self._fitted_items, rows
        # Each once, behind those of the set: the filter then knows one table of rows.
        ids, which = np.unique(item_ids[unrated], return_inverse=True)
        rows[unrated] = len(self.rating.item_ids) + which
        films = [self.catalog.get(int(item)) for item in ids]
        return self._fitted_items._replace(unrated_means=self.rating.unrated_means(films)), rows

    def filter_events(
        self,
        ratings: EventColumns,
        rows: NDArray[np.int64],
        is_query: NDArray[np.bool_],
        is_update: NDArray[np.bool_],
    ) -> FilterEvents:
        """Ratings (n,) as the filter reads them, with the rows of their items in `FilterItems`."""
        return FilterEvents(
            rows=rows,
            # A copy: a snapshot's array is read-only, another type to the compiled filter.
            times=np.array(ratings.timestamp),
            centred=ratings.rating.astype(np.float64) - self.rating.mean,
            is_query=is_query,
            is_update=is_update,
            is_trained_on=self.trained_on.learned(ratings),
        )

    def belief_at(self, state: UserState, at: int) -> UserBeliefs:
        """What is known of a user at the time `at`, in seconds since 1970; the state stays as it
        is.
        """
        belief = UserBeliefs.allocate(1, self.dynamics)
        fill_belief(state.arrays, state.seconds_until(at), self.dynamics, belief)
        return belief

    def query(
        self, queries: ItemQueries, beliefs: UserBeliefs, items: OnlineItems
    ) -> NDArray[np.float64]:
        """Mean, variance and P(like), of ratings less mu, as (n, 3); items are updated where the
        queries say so.
        """
        answers = np.empty((len(queries.rows), 3))
        # Half a step lower: from there on a rating is rounded to a like.
        threshold = self.scale.like_threshold - self.scale.step / 2 - self.rating.mean
        fitted = ItemBeliefs(self.rating.draws.means, self.rating.draws.covs)
        predict_items(queries, beliefs, fitted, items.beliefs, threshold, answers)
        return answers

    def posterior(
        self,
        answers: NDArray[np.float64],
        user_ratings: NDArray[np.int64],
        user_likes: NDArray[np.int64],
        items: OnlineItems | None = None,
    ) -> Posterior:
        """Answers (n, 3) of `query` in stars, with the counts (n,) of the users' ratings they rest
        on, and the offsets that `items` have at present; without any, these are zero.
        """
        nothing = np.zeros(len(answers))
        return Posterior(
            mean=answers[:, 0] + self.rating.mean,
            variance=answers[:, 1],
            above=answers[:, 2],
            user_ratings=user_ratings,
            user_likes=user_likes,
            like_offset=nothing if items is None else nothing + items.like_offset.value,
            width_offset=nothing if items is None else items.width_offset.at(user_ratings),
        )

    def predictions(self, posterior: Posterior, item_ids: NDArray[np.int64]) -> Predictions:
        """The full answers (n,), from the posterior of the rating model."""
        distribution, sd = self.distribution(posterior, item_ids)
        return Predictions(
            posterior.mean, sd, self.like.probability(posterior, item_ids), distribution
        )

    def distribution(
        self, posterior: Posterior, item_ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The probability (n, n_values) of each rating of the scale, and the standard deviation
        (n,) of the rating itself on it.
        """
        values = self.scale.values()
        variance = self.like.variance(posterior, item_ids)
        distribution = rating_distribution(posterior.mean, variance, values)
        expected = distribution @ values
        # Rounding can make the difference of two equal numbers negative.
        return distribution, np.sqrt(np.maximum(distribution @ values**2 - expected**2, 0.0))

    @cached_property
    def _fitted_items(self) -> FilterItems:
        draws = self.rating.draws
        return FilterItems(
            drawn=draws.drawn,
            means=draws.means,
            covs=draws.covs,
            exposure=draws.exposure,
            unrated_means=self.rating.unrated_means([]),
            unrated_cov=self.rating.unrated_covariance,
        )

    @cached_property
    def _genre_shares(self) -> GenreShares:
        return GenreShares(self.catalog, self.segment.genres)


def rating_distribution(
    mean: NDArray[np.float64], variance: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The probability (n, n_values) of each of the rising `values`, for normal ratings that are
    rounded to the nearest.

    Probability beyond the scale is added to the value at that end, so the sd of an item is smaller
    when its mean is near the end of the scale.
    """
    # Halfway between two values: there a rating is rounded to one or the other.
    between = (values[1:] + values[:-1]) / 2
    below = ndtr((between - mean[:, None]) / np.sqrt(variance)[:, None])
    distribution = np.empty((len(mean), len(values)))
    distribution[:, 0] = below[:, 0]
    np.subtract(below[:, 1:], below[:, :-1], out=distribution[:, 1:-1])
    np.subtract(1.0, below[:, -1], out=distribution[:, -1])
    return distribution
