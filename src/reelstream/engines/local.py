"""The local engine: everything on the cores of this machine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

# The models import both of scikit-learn's only where they are fitted: here they load at start.
import sklearn.cluster
import sklearn.linear_model  # noqa: F401

from reelstream.catalog import Catalog
from reelstream.compute import threads
from reelstream.engines.chain_start import ChainRows
from reelstream.engines.in_memory import InMemoryBackend
from reelstream.engines.interface import (
    FitContext,
    FitJob,
    FitParameters,
    SnapshotJob,
)
from reelstream.engines.rating_fit import RatingTotals, fit_rating_model
from reelstream.engines.training_data import TrainingData
from reelstream.errors import NothingToLearnError
from reelstream.evaluation.offline import Fit
from reelstream.features.audience import audience_features
from reelstream.features.holdout import is_trainable
from reelstream.features.vocabulary import Vocabulary
from reelstream.models.bundle import ModelBundle
from reelstream.models.family import FamilyInput
from reelstream.models.rating.model import RatingModel
from reelstream.models.registry import fit_families
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale
from reelstream.storage.snapshot import read_snapshot, write_snapshot


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

    def fit(self, job: FitJob) -> ModelBundle:
        """See `Engine.fit`."""
        return fit_models(read_snapshot(job.snapshot), job.context, job.previous)


def merged_histories(job: SnapshotJob) -> Histories:
    """The histories that the job's snapshot shall hold."""
    base = read_snapshot(job.base) if job.base else Histories.of(EventColumns.empty())
    batches = (job.batches.read(manifest) for manifest in job.new_manifests)
    return base.merge(EventColumns.concatenate(batches))


def fit_models(
    histories: Histories, context: FitContext, previous: ModelBundle | None = None
) -> ModelBundle:
    """The models of all families, warm-started from `previous`. Raises NothingToLearnError."""
    # Without the holdout, which the like model and the gate need unseen.
    learned = histories.ratings[is_trainable(histories.ratings)]
    if not len(learned):
        raise NothingToLearnError
    previous_rating = previous.find(RatingModel) if previous is not None else None
    rating = fit_rating(learned, context.catalog, previous_rating, context.parameters)
    return complete_models(rating, histories, context, previous)


@threads.one_for_blas()
def complete_models(
    rating: RatingModel, histories: Histories, context: FitContext, previous: ModelBundle | None
) -> ModelBundle:
    """The models of all families, given the rating model.

    It needs little memory besides that of the histories.
    """
    return fit_families(
        FamilyInput(
            histories=histories,
            catalog=context.catalog,
            scale=context.scale,
            models=ModelBundle(rating=rating),
            previous=previous,
            seed=context.parameters.seed,
            has_gate=context.has_gate,
        )
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
    parameters = parameters.for_size(len(ratings), len(users))
    totals = RatingTotals(
        users=ChainRows(users.ids, data.users.keys),
        items=ChainRows(items.ids, data.items.keys),
        item_ratings=np.diff(data.items.starts),
        mean=data.mean,
        audience=audience_features(
            data.user_rows, data.item_rows, len(users), data.items.keys, parameters.n_audience
        ),
    )
    return fit_rating_model(InMemoryBackend(data), totals, catalog, previous, parameters)


def fit_for_evaluation(catalog: Catalog, scale: RatingScale, parameters: FitParameters) -> Fit:
    """What fits the training part of an evaluation's split, without a gate."""

    def fit(histories: Histories, *, use_times: bool, is_short: bool = False) -> ModelBundle:
        own = replace(parameters, use_times=use_times)
        if is_short:
            own = replace(own, sweeps=2, burn_in=0, n_draws=2)
        context = FitContext(catalog=catalog, scale=scale, parameters=own, has_gate=False)
        return fit_models(histories, context)

    return fit
