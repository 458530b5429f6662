"""A model set fitted on the small data set, once for all tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest
from fitted_set import Fitted

from reelstream.datasets import detect
from reelstream.engines.interface import FitContext, FitParameters
from reelstream.engines.local import fit_models
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale


@pytest.fixture(scope="session")
def fitted(small_dataset: Path) -> Fitted:
    dataset = detect(small_dataset)
    ratings: EventColumns = dataset.read_ratings()
    catalog = dataset.read_catalog().catalog
    history = Histories.of(ratings)
    parameters = FitParameters(n_factors=4, sweeps=40, burn_in=20)
    context = FitContext(catalog=catalog, scale=RatingScale(), parameters=parameters)
    models = fit_models(history, context)
    trained_on = TrainedOn({0: len(ratings)}, {})
    return Fitted(
        ModelSet(
            number=3,
            models=models,
            catalog=catalog,
            scale=RatingScale(),
            trained_on=trained_on,
        ),
        history,
        catalog,
    )
