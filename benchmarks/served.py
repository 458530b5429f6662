"""reelstream as a contestant: the served path, as `reelstream evaluate` scores it, with every
single answer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from reelstream.catalog import Catalog
from reelstream.engines.interface import FitContext, FitParameters
from reelstream.engines.local import LocalEngine, fit_models
from reelstream.evaluation.offline import TRAIN, Split
from reelstream.evaluation.prequential import Learns, replay
from reelstream.models.bundle import ModelBundle
from reelstream.models.model_set import ModelSet, Predictions, TrainedOn
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale


@dataclass(frozen=True)
class Fitted:
    """A model set, and how long it took."""

    model_set: ModelSet
    models: ModelBundle
    seconds: float
    """From arrays in memory to all three families fitted."""


def compile_all() -> None:
    """Leave no compilation to what is timed."""
    LocalEngine().prepare()


def without_times(split: Split) -> Split:
    """The same split with every time withheld."""
    train, test = (
        replace(part, timestamp=np.zeros(len(part), np.int64)) for part in (split.train, split.test)
    )
    return replace(split, train=train, test=test)


def fit(
    train: EventColumns,
    catalog: Catalog,
    scale: RatingScale,
    parameters: FitParameters,
    previous: ModelBundle | None = None,
) -> Fitted:
    """A set from ratings of a split's first part; there is no gate, so all of the holdout fits the
    like model.
    """
    history = Histories.of(train)
    context = FitContext(catalog=catalog, scale=scale, parameters=parameters, has_gate=False)
    started = time.perf_counter()
    models = fit_models(history, context, previous)
    seconds = time.perf_counter() - started
    learned = TrainedOn({TRAIN: len(train)}, {})
    return Fitted(
        ModelSet(number=0, models=models, catalog=catalog, scale=scale, trained_on=learned),
        models,
        seconds,
    )


def answers(fitted: Fitted, split: Split, learns: Learns = "nothing") -> Predictions:
    """An answer to every test rating, in their order; each is learned afterwards by what
    `learns`.
    """
    return replay(fitted.model_set, split.train, split.test, learns)
