"""Why a prediction is what it is: parts that add up to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelstream.features.audience import SHRINKAGE_EXPOSURE
from reelstream.models.model_set import ModelSet
from reelstream.models.rating.attribution import Attribution, History, Target, attribute
from reelstream.models.rating.user_state import UserBeliefs, UserState
from reelstream.ratings.columns import EventColumns


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Parts of the expected rating, in stars; all but `without` add up to it."""

    everyone: float
    """The mean of all ratings, and what a user whom nobody knows makes of such a film."""
    features: float
    """What its genres and its year add to a film."""
    quality: float
    """By how much it is rated better than that."""
    ratings: NDArray[np.float64]
    """(n,): what each of the user's ratings adds, by its stars and by having been given at all."""
    without: NDArray[np.float64]
    """(n,): by how much the expected rating would move without each of them."""

    @property
    def mean(self) -> float:
        """The expected rating; it may lie beyond the scale."""
        return self.everyone + self.features + self.quality + float(self.ratings.sum())


def explain(
    model_set: ModelSet,
    state: UserState,
    history: EventColumns,
    item: tuple[int, NDArray[np.float32]],
    at: int,
) -> Explanation:
    """Why the set expects of a user what it expects of an item at the time `at`, in seconds since
    1970.

    history: what the state was updated with, oldest first. item: its id, and its row (S, D).
    """
    item_id, row = item
    model, dynamics = model_set.rating, model_set.dynamics
    items, rows = model_set.filter_items(history.item_id)
    nothing = np.zeros(len(history), bool)
    events = model_set.filter_events(history, rows, nothing, ~nothing)
    weights = np.exp(state.log_weight - state.log_weight.max(axis=1, keepdims=True))
    target = Target(
        row,
        state.exposure,
        weights / weights.sum(axis=1, keepdims=True) / len(weights),
        state.seconds_until(at),
    )
    found = Attribution(np.zeros(len(history)), np.zeros(len(history)), np.zeros(row.shape))
    beginning = UserState.prior(dynamics).arrays
    attribute(History(events, items, dynamics), beginning, target, found)
    exposure = _Exposure.of(state, rows, model.draws.exposure)
    echo = _echo_parts(model_set.belief_at(state, at), row, history.timestamp, at)
    # As a linear form of bias and factors; the item's own bias stands for itself.
    form = np.concatenate([np.ones((len(row), 1)), row[:, 1:]], axis=1)
    features = float(model.unrated_means([model_set.catalog.get(item_id)])[:, 0, 0].mean())
    return Explanation(
        everyone=model.mean + float((form * dynamics.prior_mean).sum(1).mean()),
        features=features,
        quality=float(row[:, 0].mean()) - features,
        ratings=found.direct + exposure.parts(form / len(form)) + echo,
        without=found.without + exposure.changes(found.prior) - echo,
    )


def _echo_parts(
    belief: UserBeliefs, row: NDArray[np.float32], times: NDArray[np.int64], at: int
) -> NDArray[np.float64]:
    """(n,): what the ratings of the instant that an answer at the time `at` echoes add to it, over
    what it would be at leisure; row (S, D): the item's.
    """
    mean, (weight, echo) = belief.mean[0], belief.echo[0].T
    leisure = row[:, 0] + mean[:, 0] + mean[:, -1] + (row[:, 1:] * mean[:, 1:-1]).sum(1)
    parts = np.zeros(len(times))
    earlier = times[times < max(at, times.max(initial=at))]
    if len(earlier):
        last = times == earlier.max()
        parts[last] = float((echo - weight * leisure).mean()) / last.sum()
    return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exposure:
    """What having rated n items, whatever the stars, adds to the prior mean in S draws."""

    rows: NDArray[np.float64]
    """(S, n, D): what each adds to the sum."""
    total: NDArray[np.float64]
    """(S, 1, D): the sum."""
    counted: NDArray[np.bool_]
    """(n,): items without ratings in the set add nothing, and are not counted."""

    @classmethod
    def of(
        cls, state: UserState, rows: NDArray[np.int64], exposure: NDArray[np.float32]
    ) -> _Exposure:
        counted = rows < exposure.shape[1]
        own = exposure[:, np.where(counted, rows, 0)].astype(np.float64) * counted[:, None]
        return cls(rows=own, total=state.exposure[:, None, :-1].astype(float), counted=counted)

    def parts(self, form: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,): what each adds to a linear form (S, D) of the prior mean."""
        n = self.counted.sum() + SHRINKAGE_EXPOSURE
        return np.asarray(np.einsum("snd,sd->n", self.rows, form) / n)

    def changes(self, form: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,): how the form would change without each."""
        n = self.counted.sum() + SHRINKAGE_EXPOSURE
        left = (self.total - self.rows) / (n - self.counted[:, None])
        return np.asarray(np.einsum("snd,sd->n", left - self.total / n, form))


def compile_explanations(model_set: ModelSet) -> None:
    """Compile or load what `explain` needs, so that no query waits for it."""
    item_id = int(model_set.rating.item_ids[0])
    history = EventColumns.of([0], [item_id], [model_set.rating.mean], [0])
    item = item_id, model_set.online_items().row_of(item_id)
    explain(model_set, model_set.fold_in(history), history, item, 0)
