"""Fits the choice model: columns on all ratings, and the mixture on what users chose next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelstream.compute import threads
from reelstream.features.holdout import judges_at_gate
from reelstream.features.vocabulary import Vocabulary
from reelstream.models.choice.columns import ItemColumns
from reelstream.models.choice.mixture import Mixture, learn_mixture
from reelstream.models.choice.model import ChoiceModel
from reelstream.models.choice.moments import (
    MAX_MOMENTS,
    MAX_WARM_MOMENTS,
    Choices,
    explain,
    hidden_choices,
    later_choices,
)
from reelstream.models.choice.ridge import RatedPairs, fit_columns
from reelstream.models.family import FamilyInput
from reelstream.ratings.columns import EventColumns

# A cold set learns the mixture from its newest quarter of ratings, by columns of the rest.
EARLIER_SHARE = 0.75
# Moments below which the mixture stays as it was.
MIN_MOMENTS = 30
# Of them the share that must have a rating before.
MIN_WITH_HISTORY = 0.05
# Above, columns are fitted once: of so many users the mixture is learned from some that the columns
# have not seen, and that they can do without.
MANY_RATINGS = 5_000_000
UNSEEN_USERS = 1_000
# Without times, one user in ten is hidden from the columns that the mixture is learned with.
HIDDEN_ONE_IN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Learned:
    """What is learned: N ratings by user and time, in rows of users and items."""

    ratings: EventColumns
    items: Vocabulary
    user_rows: NDArray[np.int64]
    user_places: NDArray[np.int64]
    """(n_users,): the place of each user in the order of their earliest ratings' positions."""
    item_rows: NDArray[np.int64]
    n_films: int
    """Items with or without a rating."""
    threshold: float

    @classmethod
    def of(cls, data: FamilyInput) -> _Learned:
        ratings = data.histories.ratings
        if data.has_gate:
            ratings = ratings[~judges_at_gate(ratings)]
        items = Vocabulary.of(ratings.item_id)
        _, firsts, user_rows = np.unique(ratings.user_id, return_index=True, return_inverse=True)
        return cls(
            ratings=ratings,
            items=items,
            user_rows=user_rows,
            user_places=ratings[firsts].positions.argsort().argsort(),
            item_rows=items.rows(ratings.item_id),
            n_films=len(np.union1d(items.ids, [film.item_id for film in data.catalog])),
            threshold=data.scale.like_threshold,
        )

    def columns(
        self,
        chosen: NDArray[np.bool_] | slice = slice(None),
        before: ItemColumns | None = None,
    ) -> ItemColumns:
        """The columns of the chosen ratings, in the rows of all; `before` as in `fit_columns`."""
        user_rows = self.user_rows[chosen]
        return fit_columns(
            RatedPairs(
                user_rows=np.unique(user_rows, return_inverse=True)[1],
                item_rows=self.item_rows[chosen],
                n_users=len(np.unique(user_rows)),
                n_items=len(self.items),
            ),
            before,
        )

    def choices(self) -> Choices:
        """The ratings as the mixture is learned from them."""
        return Choices(
            user_rows=self.user_rows,
            user_places=self.user_places,
            item_rows=self.item_rows,
            times=np.asarray(self.ratings.timestamp),
            is_like=self.ratings.rating >= self.threshold,
            n_items=len(self.items),
            n_films=self.n_films,
        )


@threads.one_for_blas()
def fit_choice_family(data: FamilyInput) -> ChoiceModel:
    """The choice model of a set. Without ratings it says nothing about any film."""
    learned = _Learned.of(data)
    previous = data.previous_of(ChoiceModel)
    if not len(learned.ratings):
        columns, mixture = ItemColumns.empty(0), Mixture()
    elif previous is not None:
        before = previous.columns.in_rows(
            learned.items.rows(previous.items.ids), len(learned.items)
        )
        columns = learned.columns(before=before)
        newer = learned.ratings.is_after(previous.end_offsets)
        # What came since the previous columns, which have not seen it.
        mixture = (
            _mixture(learned.choices(), before, newer, previous.mixture, data.seed)
            or previous.mixture
        )
    else:
        columns, mixture = _fit_cold(learned, data.seed)
    newest = int(learned.ratings.timestamp.max()) if len(learned.ratings) else 0
    return ChoiceModel(
        items=learned.items,
        columns=columns,
        mixture=mixture,
        popularity=_popularity(learned, mixture, newest),
        popular_at=newest,
        threshold=learned.threshold,
        end_offsets=_end_offsets(data.histories.ratings),
    )


def _fit_cold(learned: _Learned, seed: int) -> tuple[ItemColumns, Mixture]:
    times = np.asarray(learned.ratings.timestamp)
    cut = np.sort(times)[int(EARLIER_SHARE * len(times))]
    choices = learned.choices()
    if len(times) > MANY_RATINGS:
        every = max(len(learned.user_places) // UNSEEN_USERS, 2)
        unseen = learned.user_places[learned.user_rows] % every == 0
        columns = learned.columns(~unseen)
        mixture = _mixture(choices, columns, unseen & (times >= cut), None, seed)
        return columns, mixture or Mixture()
    columns = learned.columns()
    later = times >= cut
    mixture = None
    if later.any() and not later.all():
        mixture = _mixture(choices, learned.columns(~later), later, None, seed)
    if mixture is None:
        hidden = learned.user_places[learned.user_rows] % HIDDEN_ONE_IN == 0
        if not hidden.all():
            mixture = _timeless_mixture(choices, learned.columns(~hidden), hidden, seed)
    return columns, mixture or Mixture()


def _mixture(
    choices: Choices,
    columns: ItemColumns,
    is_target: NDArray[np.bool_],
    before: Mixture | None,
    seed: int,
) -> Mixture | None:
    limit = MAX_MOMENTS if before is None else MAX_WARM_MOMENTS
    moments = later_choices(choices, is_target, seed, limit)
    with_history = np.count_nonzero([len(history) > 0 for history in moments.histories])
    # Where each user's ratings all have one time, times tell nothing of what came next.
    if len(moments.at) < MIN_MOMENTS or with_history < MIN_WITH_HISTORY * len(moments.at):
        return None
    return learn_mixture(explain(choices, columns, moments), before, has_times=True)


def _timeless_mixture(
    choices: Choices, columns: ItemColumns, hidden: NDArray[np.bool_], seed: int
) -> Mixture | None:
    moments = hidden_choices(choices, hidden, seed)
    if len(moments.at) < MIN_MOMENTS:
        return None
    return learn_mixture(explain(choices, columns, moments), None, has_times=False)


def _popularity(learned: _Learned, mixture: Mixture, at: int) -> NDArray[np.float64]:
    liked = learned.ratings.rating >= learned.threshold
    weights = np.ones(int(liked.sum()))
    if mixture.half_life is not None:
        weights = np.exp2(-(at - learned.ratings.timestamp[liked]) / mixture.half_life)
    likes = np.bincount(learned.item_rows[liked], weights, minlength=len(learned.items))
    return likes.astype(np.float64)


def _end_offsets(ratings: EventColumns) -> dict[int, int]:
    """Partition -> the offset after the last rating."""
    return {
        int(partition): int(ratings.offset[ratings.partition == partition].max()) + 1
        for partition in np.unique(ratings.partition)
    }
