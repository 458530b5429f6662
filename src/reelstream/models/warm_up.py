"""A model set of one film, made without a fit: answering from it compiles the kernels that answers
need before the first set is published.
"""

from __future__ import annotations

import numpy as np

from reelstream.catalog import Catalog
from reelstream.features.item_features import ItemFeatures
from reelstream.features.vocabulary import Vocabulary
from reelstream.models.bundle import ModelBundle
from reelstream.models.choice.columns import ItemColumns
from reelstream.models.choice.mixture import Mixture
from reelstream.models.choice.model import ChoiceModel
from reelstream.models.like.model import LikeModel
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.models.rating.echo import N_GAPS
from reelstream.models.rating.model import ChainState, Hyperparameters, ItemDraws, RatingModel
from reelstream.models.segment.description import Segment
from reelstream.models.segment.model import SegmentModel
from reelstream.ratings.scale import RatingScale

# Numbers in a row of the rating model: a bias and one factor.
D = 2


def warm_up_set() -> ModelSet:
    """A set whose arrays have the types of a fitted one's, and the smallest shapes."""
    one_item = Vocabulary(np.zeros(1, np.int64))
    like = LikeModel.of_counts(one_item, np.ones(1, np.int64), np.zeros(1, np.int64), 4.0)
    return ModelSet(
        number=0,
        models=ModelBundle(
            rating=_one_item(), like=like, segment=_one_segment(), choice=_one_choice(one_item)
        ),
        catalog=Catalog([]),
        scale=RatingScale(),
        trained_on=TrainedOn({}, {}),
    )


def _one_item() -> RatingModel:
    """A rating model of one draw."""
    # Compiled functions are compiled for types: another dtype here would leave the work to the
    # first query.
    item_ids, number = np.zeros(1, np.int64), np.ones(1)
    identity = np.eye(D)[None]
    rows, covs = np.zeros((1, 1, D), np.float32), np.zeros((1, 1, D, D), np.float32)
    encoder = ItemFeatures(())
    weights = np.zeros((1, encoder.n_own, D))
    draws = ItemDraws(
        drawn=rows,
        means=rows,
        covs=covs,
        item_weights=weights,
        item_precision=identity,
        user_mean=np.zeros((1, D)),
        exposure=rows,
        user_precision=identity,
        alpha=number,
        session_variance=number,
        session_rate=number,
        echo=np.zeros((1, N_GAPS)),
    )
    state = ChainState(
        user_ids=item_ids,
        user_rows=rows[0],
        user_noise=number,
        session_scale=number,
        prior_weight=number,
        item_rows=rows[0],
    )
    return RatingModel(
        mean=0.0,
        item_ids=item_ids,
        item_counts=np.ones(1, np.int64),
        draws=draws,
        features=encoder,
        hyperparameters=Hyperparameters(
            alpha=1.0, noise_shape=5.0, session_variance=1.0, session_rate=1.0, session_scale_sd=1.0
        ),
        state=state,
        sweeps=0,
        seed=0,
    )


def _one_segment() -> SegmentModel:
    """Everybody in one segment, without genres."""
    everybody = Segment(
        number=0,
        label="everybody",
        size=1,
        ratings=1,
        mean=4.0,
        spread=0.0,
        genres=(),
        item_ids=(),
    )
    profile = np.ones(3)
    return SegmentModel(
        genres=(),
        average=np.ones(2),
        centre=profile,
        scale=profile,
        centroids=profile[None],
        segments=(everybody,),
        users_when_counted=1,
    )


def _one_choice(one_item: Vocabulary) -> ChoiceModel:
    """A choice model in which no film speaks for another."""
    return ChoiceModel(
        items=one_item,
        columns=ItemColumns.empty(1),
        mixture=Mixture(),
        popularity=np.ones(1),
        popular_at=0,
        threshold=4.0,
        end_offsets={},
    )
