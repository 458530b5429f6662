"""The local engine: everything on the cores of this machine."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sklearn.cluster
import sklearn.linear_model  # noqa: F401  (the models import both only where they are fitted: here, at start)

from reelstream.catalog import Catalog
from reelstream.compute import threads
from reelstream.engines.in_memory import InMemoryBackend
from reelstream.engines.interface import (
    FitContext,
    FitJob,
    FitParameters,
    FittedModels,
    SnapshotJob,
)
from reelstream.engines.rating_fit import RatingTotals, fit_rating_model
from reelstream.engines.training_data import TrainingData
from reelstream.errors import NothingToLearnError
from reelstream.features.audience import audience_features
from reelstream.features.holdout import in_gate_half, in_holdout
from reelstream.features.user_profiles import GenreShares
from reelstream.features.vocabulary import Vocabulary
from reelstream.models.like.model import LikeModel
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.models.rating.model import RatingModel
from reelstream.models.replay import posterior_of_events
from reelstream.models.segment.model import SegmentModel
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale
from reelstream.storage.snapshot import read_snapshot, write_snapshot

MAX_LIKE_USERS = 3_000
"""Of more users an even sample fits the like model: some ten thousand held-out ratings settle its
nine numbers.
"""


class LocalEngine:
    """Fits on one machine, on all cores."""

    name = "local"

    def prepare(self) -> None:
        """Compile, by a fit of next to nothing."""
        users, items = np.indices((20, 10)).reshape(2, -1)
        ratings = EventColumns.of(users, items, (users + items) % 5 + 1, users + items)
        short = FitParameters(sweeps=2, burn_in=0, n_draws=2)
        context = FitContext(catalog=Catalog([]), scale=RatingScale(), parameters=short)
        fit_models(Histories.of(ratings), context)

    def write_snapshot(self, job: SnapshotJob) -> None:
        """See `Engine.write_snapshot`."""
        write_snapshot(merged_histories(job), job.out)

    def fit(self, job: FitJob) -> FittedModels:
        """See `Engine.fit`."""
        return fit_models(read_snapshot(job.snapshot), job.context, job.previous)


def merged_histories(job: SnapshotJob) -> Histories:
    """The histories that the job's snapshot shall hold."""
    base = read_snapshot(job.base) if job.base else Histories.of(EventColumns.empty())
    batches = (job.batches.read(manifest) for manifest in job.new_manifests)
    return base.merge(EventColumns.concatenate(batches))


def fit_models(
    histories: Histories, context: FitContext, previous: FittedModels | None = None
) -> FittedModels:
    """The three models, warm-started from `previous`. Raises NothingToLearnError."""
    held_out = in_holdout(histories.ratings.user_id, histories.ratings.item_id)
    if held_out.all():
        raise NothingToLearnError
    learned = histories.ratings[~held_out]
    previous_rating, previous_segment = (
        (previous.rating, previous.segment) if previous else (None, None)
    )
    rating = fit_rating(learned, context.catalog, previous_rating, context.parameters)
    # A film's share of likes must not hold the answers that the like model is fitted on.
    like = LikeModel.count(learned.item_id, learned.rating, context.scale.like_threshold)
    return complete_models(rating, like, histories, context, previous_segment)


@threads.one_for_blas()
def complete_models(
    rating: RatingModel,
    like: LikeModel,
    histories: Histories,
    context: FitContext,
    previous: SegmentModel | None,
) -> FittedModels:
    """The three models, given the rating model and the counts of likes.

    It needs little memory besides that of the histories.
    """
    catalog = context.catalog
    segment = SegmentModel.fit(
        histories.ratings,
        histories.starts,
        GenreShares(catalog, catalog.genres),
        catalog.genres,
        previous,
        context.parameters.seed,
    )
    unfitted = ModelSet(
        number=0,
        rating=rating,
        like=like,
        segment=segment,
        catalog=catalog,
        scale=context.scale,
        trained_on=TrainedOn(_end_offsets(histories.ratings), {}),
    )
    like = fit_like(unfitted, histories, has_gate=context.has_gate)
    return FittedModels(rating=rating, like=like, segment=segment)


def fit_like(
    model_set: ModelSet, histories: Histories, *, has_gate: bool, looks_ahead: bool = False
) -> LikeModel:
    """The set's like model, fitted on what its rating model says of the holdout, or of the half
    that is not the gate's.

    `looks_ahead` as in `posterior_of_events`.
    """
    some = histories.of_users(histories.user_ids[:: len(histories.user_ids) // MAX_LIKE_USERS + 1])
    held_out = in_holdout(some.user_id, some.item_id)
    judges = held_out & ~in_gate_half(some.user_id, some.item_id) if has_gate else held_out
    posterior = posterior_of_events(model_set, some, judges, ~held_out, looks_ahead=looks_ahead)
    return model_set.like.fit(
        posterior, some.item_id[judges], some.rating[judges] >= model_set.scale.like_threshold
    )


@threads.one_for_blas()
def fit_rating(
    ratings: EventColumns,
    catalog: Catalog,
    previous: RatingModel | None,
    parameters: FitParameters,
) -> RatingModel:
    """The rating model of ratings sorted by user and time, warm-started from `previous`."""
    users, items = Vocabulary.of(ratings.user_id), Vocabulary.of(ratings.item_id)
    data = TrainingData.of(ratings, users, items)
    totals = RatingTotals(
        user_ids=users.ids,
        item_ids=items.ids,
        item_ratings=np.diff(data.items.starts),
        mean=data.mean,
        audience=audience_features(data.user_rows, data.item_rows, len(users), len(items)),
    )
    return fit_rating_model(InMemoryBackend(data), totals, catalog, previous, parameters)


def _end_offsets(ratings: EventColumns) -> Mapping[int, int]:
    """Partition -> the offset after the last of `ratings`."""
    return {
        int(p): int(ratings.offset[ratings.partition == p].max()) + 1
        for p in np.unique(ratings.partition)
    }
