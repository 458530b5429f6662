"""Scores of the served path without any stream: fit on one part of the ratings, answer for the
other.

Item draws are fitted, users are folded in, and one rating in twenty is held out of the chain, all
as in training. There is no gate, so that all of the holdout fits the like model.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

import msgspec
import numpy as np

from reelstream.catalog import Catalog
from reelstream.errors import InputError
from reelstream.evaluation.baselines import BiasBaseline, GlobalMean
from reelstream.evaluation.prequential import Learns, replay
from reelstream.evaluation.reports import Scores
from reelstream.evaluation.scores import score, score_points
from reelstream.models.bundle import ModelBundle
from reelstream.models.like.fit import fit_weights
from reelstream.models.model_set import ModelSet, Predictions, TrainedOn
from reelstream.models.replay import predict_events
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale

# The partitions that stand for the two parts: the set has learned from all of the first and nothing
# of the second.
TRAIN, TEST = 0, 1

# What learns of the test ratings where they are learned: as served, and what is scored beside it.
LEARNS: tuple[Learns, ...] = ("users and films", "users", "nothing")

# What is fitted once beforehand, so that no figure holds the time of compilation.
RATINGS_TO_COMPILE = 200


@dataclass(frozen=True, slots=True)
class Split:
    """Ratings to fit on, ratings to answer for, and how the questions are put."""

    train: EventColumns
    test: EventColumns
    learns_test: bool
    """Whether each test rating is learned once it has been predicted, in order of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What the served path scores on a split."""

    scores: Scores
    baselines: dict[str, Scores]
    static: Scores | None
    """Without learning from test ratings; None where they are not learned anyway."""
    live_users: Scores | None
    """With each test rating folded into its user at once, films as they were fitted; None
    likewise.
    """
    fit_seconds: float
    """From arrays in memory to all families fitted, without compilation."""
    compile_seconds: float
    n_train: int
    n_test: int

    def as_dict(self) -> dict[str, Any]:
        """Flat, as one line of JSON has it."""
        parts = {
            "baselines": {
                name: msgspec.to_builtins(scores) for name, scores in self.baselines.items()
            },
            **{
                name: msgspec.to_builtins(part)
                for name in ("static", "live_users")
                if (part := getattr(self, name))
            },
        }
        figures = {
            name: value
            for name, value in asdict(self).items()
            if name.endswith("seconds") or name.startswith("n_")
        }
        scores = {
            name: value for name, value in msgspec.to_builtins(self.scores).items() if name != "n"
        }
        return scores | figures | parts


def split_at_random(ratings: EventColumns, test_share: float, seed: int) -> Split:
    """A share of the rows, drawn by `numpy.random.default_rng(seed).permutation`, is the test."""
    order = np.random.default_rng(seed).permutation(len(ratings))
    n_train = int((1 - test_share) * len(ratings))
    return split_of(ratings[order[:n_train]], ratings[order[n_train:]])


def split_in_time(ratings: EventColumns, test_share: float) -> Split:
    """The newest share of the rows is the test: each is predicted, then learned, in turn."""
    ratings = ratings.by_time()
    n_train = int((1 - test_share) * len(ratings))
    return replace(split_of(ratings[:n_train], ratings[n_train:]), learns_test=True)


def split_of(train: EventColumns, test: EventColumns) -> Split:
    """Two given parts, as they are."""
    return Split(in_partition(train, TRAIN), in_partition(test, TEST), learns_test=False)


class Fit(Protocol):
    """Fits the models of all families to the training part of a split, without a gate."""

    def __call__(
        self, histories: Histories, *, use_times: bool, is_short: bool = False
    ) -> ModelBundle:
        """The models. `is_short`: as few sweeps as possible, to compile what a fit needs."""


def evaluate(
    split: Split, catalog: Catalog, scale: RatingScale, fit: Fit, times: Literal["ignore", "use"]
) -> Evaluation:
    """Fit on the one part, predict the other. With times ignored, fit and queries have none.

    With times used, a test rating that is not learned is predicted from its user's training ratings
    before and after it. Raises InputError when a part is empty.
    """
    _check_parts(split)
    use_times = times == "use"
    # In both parts: a fit without times cannot be asked about one.
    if not use_times:
        split = Split(timeless(split.train), timeless(split.test), split.learns_test)
    histories = Histories.of(split.train)

    def fitted(train: EventColumns, *, is_short: bool = False) -> ModelSet:
        models = fit(Histories.of(train), use_times=use_times, is_short=is_short)
        return training_set(models, catalog, scale, len(train))

    compile_seconds = _compile(split, fitted)
    started = time.perf_counter()
    models = fit(histories, use_times=use_times)
    fit_seconds = time.perf_counter() - started
    model_set = training_set(models, catalog, scale, len(split.train))
    served, live_users, static = _served_scores(model_set, split, use_times=use_times)
    return Evaluation(
        scores=served,
        baselines=_baselines(split, scale),
        static=static,
        live_users=live_users,
        fit_seconds=fit_seconds,
        compile_seconds=compile_seconds,
        n_train=len(split.train),
        n_test=len(split.test),
    )


def _check_parts(split: Split) -> None:
    if not len(split.train) or not len(split.test):
        raise InputError(
            "one part of the split is empty: give more ratings, or another --test-share"
        )


def answer_from_both_sides(model_set: ModelSet, split: Split) -> Predictions:
    """Each test rating predicted from all of its user's training ratings, earlier and later; the
    like model likewise.
    """
    train = Histories.of(split.train)
    # The like model sees the same beliefs in its fit as when it answers: those that look ahead.
    like = fit_weights(model_set.like, model_set, train, has_gate=False, looks_ahead=True)
    events = EventColumns.concatenate([split.train, split.test])
    is_query = np.arange(len(events)) >= len(split.train)
    return predict_events(
        replace(model_set, models=model_set.models.replaced(like=like)),
        events,
        is_query,
        ~is_query,
        looks_ahead=True,
    )


def _served_scores(
    model_set: ModelSet, split: Split, *, use_times: bool
) -> tuple[Scores, Scores | None, Scores | None]:
    """As served; where test ratings are learned, also with users alone learning, and with
    nothing.
    """
    if split.learns_test:
        served, live_users, static = (_scores(model_set, split, learns) for learns in LEARNS)
        return served, live_users, static
    if use_times:
        predictions = answer_from_both_sides(model_set, split)
        return score(predictions, split.test.rating, model_set.scale), None, None
    return _scores(model_set, split, "nothing"), None, None


def _scores(model_set: ModelSet, split: Split, learns: Learns) -> Scores:
    return score(
        replay(model_set, split.train, split.test, learns), split.test.rating, model_set.scale
    )


def _baselines(split: Split, scale: RatingScale) -> dict[str, Scores]:
    models: dict[str, GlobalMean | BiasBaseline] = {
        "global_mean": GlobalMean.of(split.train, scale),
        "biases": BiasBaseline.of(split.train, scale),
    }
    test = split.test
    return {
        name: score_points(model.predict(test.user_id, test.item_id), test.rating, scale)
        for name, model in models.items()
    }


def _compile(split: Split, fitted: Callable[..., ModelSet]) -> float:
    """Seconds that a small fit and its answers take, nearly all of it compilation when nothing is
    cached.
    """
    started = time.perf_counter()
    few = Split(
        split.train[:RATINGS_TO_COMPILE], split.test[:RATINGS_TO_COMPILE], learns_test=False
    )
    _scores(fitted(few.train, is_short=True), few, "users and films")
    return time.perf_counter() - started


def training_set(
    models: ModelBundle, catalog: Catalog, scale: RatingScale, n_train: int
) -> ModelSet:
    """The set of models that were fitted to the `n_train` ratings of a split's first part."""
    return ModelSet(
        number=0,
        models=models,
        catalog=catalog,
        scale=scale,
        trained_on=TrainedOn({TRAIN: n_train}, {}),
    )


def in_partition(ratings: EventColumns, partition: int) -> EventColumns:
    """The same at the offsets 0, 1, ... of one partition."""
    n = len(ratings)
    return replace(
        ratings, partition=np.full(n, partition, np.int32), offset=np.arange(n, dtype=np.int64)
    )


def timeless(ratings: EventColumns) -> EventColumns:
    """The same, all at one time."""
    return replace(ratings, timestamp=np.zeros(len(ratings), np.int64))
