"""The local engine: everything on the cores of this machine."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sklearn.cluster
import sklearn.linear_model  # noqa: F401  (the models import both only where they are fitted: here, at start)

from reelstream.catalog import Catalog
from reelstream.compute import threads
from reelstream.engines.chain import run_chain, start_chain
from reelstream.engines.gibbs import Sampler
from reelstream.engines.interface import FitJob, FitParameters, FittedModels, SnapshotJob
from reelstream.engines.training_data import TrainingData
from reelstream.errors import NothingToLearnError
from reelstream.features.audience import audience_features
from reelstream.features.holdout import in_gate_half, in_holdout
from reelstream.features.item_features import ItemFeatures
from reelstream.features.user_profiles import GenreShares
from reelstream.features.vocabulary import Vocabulary
from reelstream.models.like.model import LikeModel
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.models.rating.model import ChainState, RatingModel
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
        fit_models(Histories.of(ratings), Catalog([]), RatingScale(), None, short)

    def write_history(self, job: SnapshotJob) -> None:
        """See `Engine.write_history`."""
        merge_history(job)

    def fit(self, job: FitJob) -> FittedModels:
        """See `Engine.fit`."""
        return fit_models(merge_history(job), job.catalog, job.scale, job.previous, job.parameters)


def merge_history(job: SnapshotJob) -> Histories:
    """The history that the job wants, in memory and written."""
    history = read_snapshot(job.history) if job.history else Histories.of(EventColumns.empty())
    history = history.merge(
        EventColumns.concatenate(job.batches.read(manifest) for manifest in job.new_manifests)
    )
    write_snapshot(history, job.history_out)
    return history


def fit_models(
    history: Histories,
    catalog: Catalog,
    scale: RatingScale,
    previous: FittedModels | None,
    parameters: FitParameters,
    *,
    has_gate: bool = True,
) -> FittedModels:
    """The three models from a history in memory. Without a gate, all of the holdout fits the like
    model.

    Raises NothingToLearnError.
    """
    held_out = in_holdout(history.ratings.user_id, history.ratings.item_id)
    if held_out.all():
        raise NothingToLearnError
    learned = history.ratings[~held_out]
    rating = fit_rating(learned, catalog, previous.rating if previous else None, parameters)
    # A film's share of likes must not hold the answers that the like model is fitted on.
    like = LikeModel.count(learned.item_id, learned.rating, scale.like_threshold)
    segment = previous.segment if previous else None
    return complete_models(
        rating, like, history, catalog, scale, segment, parameters, has_gate=has_gate
    )


@threads.one_for_blas()
def complete_models(
    rating: RatingModel,
    like: LikeModel,
    history: Histories,
    catalog: Catalog,
    scale: RatingScale,
    previous: SegmentModel | None,
    parameters: FitParameters,
    *,
    has_gate: bool = True,
) -> FittedModels:
    """The three models, given the rating model and the counts of likes. It needs little memory
    beside the history's.
    """
    shares = GenreShares(catalog, catalog.genres)
    segment = SegmentModel.fit(
        history.ratings,
        history.starts,
        shares,
        catalog.genres,
        previous,
        parameters.seed,
    )
    unfitted = ModelSet(
        0, rating, like, segment, catalog, scale, TrainedOn(_everything(history.ratings), {})
    )
    return FittedModels(rating, fit_like(unfitted, history, has_gate=has_gate), segment)


def fit_like(
    model_set: ModelSet, history: Histories, *, has_gate: bool, looks_ahead: bool = False
) -> LikeModel:
    """The set's like model, fitted on what its rating model says of the holdout, or of the half
    that is not the gate's.

    `looks_ahead` as in `posterior_of_events`.
    """
    some = history.of_users(history.user_ids[:: len(history.user_ids) // MAX_LIKE_USERS + 1])
    held_out = in_holdout(some.user_id, some.item_id)
    judges = held_out & ~in_gate_half(some.user_id, some.item_id) if has_gate else held_out
    posterior = posterior_of_events(model_set, some, judges, ~held_out, looks_ahead=looks_ahead)
    return model_set.like.fit(
        posterior, some.item_id[judges], some.rating[judges] >= model_set.scale.like_threshold
    )


@threads.one_for_blas()
def fit_rating(
    ratings: EventColumns, catalog: Catalog, previous: RatingModel | None, parameters: FitParameters
) -> RatingModel:
    """The rating model from ratings sorted by user and time: a chain, cold or going on from
    `previous`, and its draws.
    """
    users, items = Vocabulary.of(ratings.user_id), Vocabulary.of(ratings.item_id)
    user_rows, item_rows = users.rows(ratings.user_id), items.rows(ratings.item_id)
    data = TrainingData.of(
        users.ids, user_rows, items.ids, item_rows, ratings.rating, ratings.timestamp
    )
    counts = np.bincount(item_rows, minlength=len(items))
    encoder = previous.features if previous else ItemFeatures(catalog.genres)
    audience = audience_features(user_rows, item_rows, len(users), len(items))
    features = encoder.encode([catalog.get(int(item)) for item in items.ids], counts, audience)
    parameters = parameters.for_size(len(ratings))
    start = start_chain(users.ids, items.ids, len(ratings), previous, parameters)
    sampler = Sampler(data, features, start)
    draws = run_chain(sampler, parameters, is_warm=previous is not None)
    state = ChainState(
        users.ids,
        sampler.users.draws,
        sampler.user_noise,
        sampler.session_scale,
        sampler.items.draws,
    )
    return RatingModel(
        data.mean,
        items.ids,
        counts,
        draws,
        encoder,
        sampler.hyperparameters,
        state,
        sampler.sweeps,
        sampler.seed,
    )


def _everything(ratings: EventColumns) -> Mapping[int, int]:
    """The offsets behind all of `ratings`."""
    return {
        int(p): int(ratings.offset[ratings.partition == p].max()) + 1
        for p in np.unique(ratings.partition)
    }
