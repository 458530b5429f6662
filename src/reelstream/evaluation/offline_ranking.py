"""Scores of recommendations without any stream: fit on one part of the ratings, recommend, and look
what was liked in the other.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from reelstream.catalog import Catalog
from reelstream.errors import InputError
from reelstream.evaluation.offline import (
    TEST,
    TRAIN,
    Fit,
    Split,
    in_partition,
    split_in_time,
    timeless,
    training_set,
)
from reelstream.evaluation.ranking import (
    BASELINES,
    OURS,
    RankingRun,
    rank_for_anonymous_users,
    rank_in_time,
)
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale

# Of a user that the set has not seen, the share of ratings that are folded in.
FOLDED_SHARE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingEvaluation:
    """What recommendations score on a split."""

    run: RankingRun
    static: RankingRun | None
    """By time: without learning from test ratings."""
    fit_seconds: float
    n_train: int
    n_test: int

    def as_dict(self) -> dict[str, Any]:
        """Flat, as one line of JSON has it."""
        ours = self.run.lists[OURS].scores()
        found: dict[str, Any] = {
            **msgspec.to_builtins(ours),
            "baselines": {
                name: msgspec.to_builtins(self.run.lists[name].scores()) for name in BASELINES
            },
        }
        if self.static is not None:
            found["static"] = msgspec.to_builtins(self.static.lists[OURS].scores())
        if OURS in self.run.at_start:
            found["sitting_start"] = {
                name: {
                    "ndcg_10": scores.scores().ndcg_10,
                    "ndcg_10_by_user": scores.scores().ndcg_10_by_user,
                }
                for name, scores in self.run.at_start.items()
            }
        if bins := self.run.calibration.bins():
            found["choice_calibration"] = msgspec.to_builtins(bins)
        if self.run.later:
            found["rated_later"] = {
                name: {
                    "n": len(later.said),
                    "like_predicted": _mean(later.said),
                    "like_share": _mean([float(liked) for liked in later.liked]),
                    "mean_stars": _mean(later.stars),
                }
                for name, later in self.run.later.items()
            }
        return found | {
            "fit_seconds": self.fit_seconds,
            "n_train": self.n_train,
            "n_test": self.n_test,
        }


def evaluate_ranking_in_time(
    ratings: EventColumns, test_share: float, catalog: Catalog, scale: RatingScale, fit: Fit
) -> RankingEvaluation:
    """The set of the first ratings recommends at each later moment, users and films live.

    Raises InputError when nothing was liked in the test part, or a part is empty.
    """
    split = split_in_time(ratings, test_share)
    _check(len(split.train), len(split.test))
    started = time.perf_counter()
    models = fit(Histories.of(split.train), use_times=True)
    seconds = time.perf_counter() - started
    model_set = training_set(models, catalog, scale, len(split.train))
    run, static = (
        rank_in_time(model_set, split.train, split.test, is_live=is_live)
        for is_live in (True, False)
    )
    return _result(run, static, seconds, split)


def evaluate_ranking_for_anonymous_users(
    ratings: EventColumns,
    test_share: float,
    seed: int,
    catalog: Catalog,
    scale: RatingScale,
    fit: Fit,
) -> RankingEvaluation:
    """A share of the users is drawn by the seed and hidden; of each one a random 80 % of the
    ratings are folded in. Times are withheld.

    Raises InputError when nothing is to be found, or a part is empty.
    """
    train, folded, hidden = split_users(ratings, test_share, seed)
    split = Split(train, EventColumns.concatenate([folded, hidden]), learns_test=False)
    _check(len(train), len(split.test))
    started = time.perf_counter()
    models = fit(Histories.of(split.train), use_times=False)
    seconds = time.perf_counter() - started
    model_set = training_set(models, catalog, scale, len(split.train))
    run = rank_for_anonymous_users(model_set, train, folded, hidden)
    return _result(run, None, seconds, split)


def split_users(
    ratings: EventColumns, test_share: float, seed: int
) -> tuple[EventColumns, EventColumns, EventColumns]:
    """The ratings of all other users, and of the users drawn those that are folded in and those
    that are hidden; all at one time.
    """
    ratings = timeless(Histories.of(ratings).ratings)
    users = np.unique(ratings.user_id)
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.permutation(users)[: int(test_share * len(users))])
    is_test = np.isin(ratings.user_id, drawn)
    # In another partition: the set has learned nothing of these.
    test = in_partition(ratings[is_test], TEST)
    # Each user's ratings in a random order, by the place as a share of all of the user's.
    by_user = np.lexsort((rng.random(len(test)), test.user_id))
    starts = np.searchsorted(test.user_id[by_user], drawn)
    counts = np.diff(np.append(starts, len(test)))
    place = np.empty(len(test))
    place[by_user] = (np.arange(len(test)) - np.repeat(starts, counts)) / np.repeat(counts, counts)
    is_folded = place < FOLDED_SHARE
    return in_partition(ratings[~is_test], TRAIN), test[is_folded], test[~is_folded]


def _result(
    run: RankingRun, static: RankingRun | None, seconds: float, split: Split
) -> RankingEvaluation:
    if OURS not in run.lists:
        raise InputError("nothing was liked in the test part: give more ratings")
    return RankingEvaluation(
        run=run,
        static=static,
        fit_seconds=seconds,
        n_train=len(split.train),
        n_test=len(split.test),
    )


def _check(n_train: int, n_test: int) -> None:
    if not n_train or not n_test:
        raise InputError(
            "one part of the split is empty: give more ratings, or another --test-share"
        )


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if value == value]  # noqa: PLR0124  (not NaN)
    return float(np.mean(known)) if known else None
