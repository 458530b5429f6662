"""How long does training take, how does it grow with the data, and how long do other libraries
take?

Growth: a process for each size, real ratings at 100 k and simulated ones above, with as many
factors and draws at all of them. A sweep of the base model is timed with times ignored, one with
all parts on inside a whole fit of all three models; whether that has converged is judged by ratings
that it has not seen. Fits of ml-latest-small: cold, and warm after a further tenth of it. Peers:
the same part of ml-latest-small in the same run.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from common import Bar, at_least, at_most, data_set, finish, more_than, parser
from measuring import in_own_process, timed_sweeps
from peers import Missing, Question, contestants
from reelstream.catalog import Catalog
from reelstream.datasets import Dataset, detect, simulate
from reelstream.engines.chain import Chain
from reelstream.engines.interface import (
    FEW_DRAWS,
    FEW_FACTORS,
    FitContext,
    FitParameters,
)
from reelstream.engines.local import fit_models, fit_rating
from reelstream.evaluation.offline import Split, split_at_random
from reelstream.evaluation.scores import score, score_points
from reelstream.features.holdout import is_trainable, judges_at_gate
from reelstream.models.bundle import ModelBundle
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.models.rating.model import ItemDraws
from reelstream.models.replay import predict_events
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale
from served import answers, compile_all, fit, without_times

SIZES = {1_000_000: (6_000, 4_000), 10_000_000: (60_000, 20_000), 32_000_000: (200_000, 80_000)}
"""Ratings -> users and films."""
LARGE = 32_000_000
BASE = FitParameters(n_factors=FEW_FACTORS, sweeps=16, burn_in=15, n_draws=1, use_times=False)
SAME_AT_ALL_SIZES = FitParameters(n_factors=FEW_FACTORS, n_draws=FEW_DRAWS)
WARM_UP = 4
"""Sweeps before those that are timed."""
MAX_JUDGES = 2_000
"""Users whose unseen ratings judge a whole fit."""
SEEDS = (42, 43, 44)
REPEATS = 3
PEERS = ("Surprise SVD++", "Spark ALS, tuned")
OURS = {
    "reelstream": FitParameters(use_times=False),
    "reelstream, 40 sweeps": FitParameters(sweeps=40, burn_in=16, use_times=False),
    "reelstream, 20 sweeps": FitParameters(sweeps=20, burn_in=8, use_times=False),
    "reelstream, 20 sweeps, 7 factors": FitParameters(
        n_factors=7, sweeps=20, burn_in=8, use_times=False
    ),
}


def main() -> int:
    """Growth, whole fits, peers."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--small", action="store_true", help="without the 32 M ratings, which take most of the time"
    )
    options = arguments.parse_args()
    dataset = data_set(options.data)
    growth = measure_growth(dataset, [size for size in SIZES if size < LARGE or not options.small])
    compile_all()
    catalog = dataset.read_catalog().catalog
    whole = [measure_fits(dataset, catalog, seed) for seed in SEEDS]
    peers, missing = measure_peers(dataset, catalog)
    return finish(
        "training",
        {"data": dataset.name, "growth": growth, "fits": whole, "peers": peers, "missing": missing},
        [*judge_growth(growth), *judge_fits(whole), *judge_peers(peers, missing)],
        packages=("scikit-surprise", "pyspark"),
    )


def measure_growth(dataset: Dataset, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Each size in a process of its own, so that its peak of memory is its own."""
    rows = [in_own_process(measure_size, dataset.folder)]
    with tempfile.TemporaryDirectory() as scratch:
        for size in sizes:
            users, items = SIZES[size]
            folder = Path(scratch) / f"simulated-{size}"
            simulate(folder, users=users, items=items, ratings=size, seed=1)
            rows.append(in_own_process(measure_size, folder))
    return rows


def measure_size(folder: Path) -> dict[str, Any]:
    """Seconds of reading, of a sweep, of a whole fit; how well that has converged; and this
    process's peak of memory.
    """
    compile_all()
    started = time.perf_counter()
    dataset = detect(folder)
    history = Histories.of(dataset.read_ratings())
    catalog = dataset.read_catalog().catalog
    n = len(history)
    row: dict[str, Any] = {"data": dataset.name, "ratings": n, "users": len(history.user_ids)}
    row["read_seconds"] = time.perf_counter() - started
    with timed_sweeps(Chain) as seconds:
        fit_rating(history.ratings, catalog, None, BASE)
    row["base"] = pace(seconds, n)
    context = FitContext(catalog=catalog, scale=dataset.scale, parameters=SAME_AT_ALL_SIZES)
    started = time.perf_counter()
    with timed_sweeps(Chain) as seconds:
        models = fit_models(history, context)
    row["fit_seconds"] = time.perf_counter() - started
    row["all_parts"] = pace(seconds, n)
    row["rmse"] = [rmse_unseen(half, history, catalog, dataset.scale) for half in halves(models)]
    row["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(row, flush=True)
    return row


def pace(seconds: Sequence[float], n_ratings: int) -> dict[str, float]:
    """Of an ordinary sweep."""
    one = float(np.median(seconds[WARM_UP:]))
    return {
        "sweep_seconds": one,
        "sweeps": len(seconds) - WARM_UP,
        "ratings_a_second": n_ratings / one,
    }


def halves(models: ModelBundle) -> Iterator[ModelBundle]:
    """The models with the first half of their draws, and with the second: a chain that still climbs
    tells them apart.
    """
    half = models.rating.n_draws // 2
    for kept in (slice(half), slice(half, None)):
        draws = ItemDraws(
            **{
                field.name: getattr(models.rating.draws, field.name)[kept]
                for field in fields(ItemDraws)
            }
        )
        yield models.replaced(rating=replace(models.rating, draws=draws))


def rmse_unseen(
    models: ModelBundle, history: Histories, catalog: Catalog, scale: RatingScale
) -> float:
    """Of the gate's half of the holdout, which no part of the fit has seen, of an even sample of
    the users.
    """
    some = history.of_users(history.user_ids[:: len(history.user_ids) // MAX_JUDGES + 1])
    learned = is_trainable(some)
    judges = judges_at_gate(some)
    everything = TrainedOn({0: int(history.ratings.offset.max()) + 1}, {})
    model_set = ModelSet(
        number=0, models=models, catalog=catalog, scale=scale, trained_on=everything
    )
    predictions = predict_events(model_set, some, judges, learned)
    return float(score(predictions, some.rating[judges], scale).rmse or np.nan)


def measure_fits(dataset: Dataset, catalog: Catalog, seed: int) -> dict[str, Any]:
    """Whole fits with all parts on: all ratings; then, of a random split's train part, cold, and
    warm on its last tenth.
    """
    ratings = dataset.read_ratings()
    everything = [
        fit(ratings, catalog, dataset.scale, FitParameters(seed=seed)).seconds
        for _ in range(REPEATS)
    ]
    split = split_at_random(ratings, 0.2, seed)
    in_time = split.train.by_time()
    earlier = fit(
        in_time[: len(in_time) * 9 // 10], catalog, dataset.scale, FitParameters(seed=seed)
    )
    warm = [
        fit(split.train, catalog, dataset.scale, FitParameters(), earlier.models)
        for _ in range(REPEATS)
    ]
    cold = fit(split.train, catalog, dataset.scale, FitParameters(seed=seed))
    rmse = {
        name: rmse_of(each, split, dataset.scale)
        for name, each in (("warm", warm[0]), ("cold", cold))
    }
    row = {
        "seed": seed,
        "full_seconds": float(np.median(everything)),
        "warm_seconds": float(np.median([each.seconds for each in warm])),
        "warm_rmse": rmse["warm"],
        "cold_rmse": rmse["cold"],
    }
    print(row, flush=True)
    return row


def rmse_of(fitted: Any, split: Split, scale: RatingScale) -> float:
    """Of the served path on the test part."""
    return float(score(answers(fitted, split), split.test.rating, scale).rmse or np.nan)


def measure_peers(
    dataset: Dataset, catalog: Catalog
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Fit seconds and RMSE on one random split, times ignored; and who could not take part."""
    split = without_times(split_at_random(dataset.read_ratings(), 0.2, SEEDS[0]))
    rows = [
        measure_ours(name, parameters, split, catalog, dataset.scale)
        for name, parameters in OURS.items()
    ]
    missing = {}
    for peer in contestants(quick=False):
        if peer.name not in PEERS:
            continue
        if isinstance(peer.make, Missing):
            missing[peer.name] = peer.make.reason
            continue
        answer = peer.make().answer(
            Question(split.train, split.test, catalog, dataset.scale, in_time=False)
        )
        rmse = score_points(answer.predicted, split.test.rating, dataset.scale).rmse
        rows.append({"name": peer.name, "fit_seconds": answer.fit_seconds, "rmse": rmse})
        print(rows[-1], flush=True)
    return rows, missing


def measure_ours(
    name: str, parameters: FitParameters, split: Split, catalog: Catalog, scale: RatingScale
) -> dict[str, Any]:
    """A whole fit, and within it what other libraries do too: the rating model alone."""
    whole = [fit(split.train, catalog, scale, parameters) for _ in range(REPEATS)]
    history = Histories.of(split.train)
    learned = history.ratings[is_trainable(history.ratings)]
    alone = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        fit_rating(learned, catalog, None, parameters)
        alone.append(time.perf_counter() - started)
    row = {
        "name": name,
        "fit_seconds": float(np.median(alone)),
        "whole_seconds": float(np.median([each.seconds for each in whole])),
        "rmse": rmse_of(whole[0], split, scale),
    }
    print(row, flush=True)
    return row


def judge_growth(rows: Sequence[dict[str, Any]]) -> list[Bar]:
    """Ratings a second at 1 M; at 32 M, when measured, not much slower, and within memory."""
    million = next(row for row in rows if row["ratings"] == 1_000_000)
    bars = [
        at_least(
            "1 M: million ratings a second, base model",
            million["base"]["ratings_a_second"] / 1e6,
            20,
        ),
        at_least(
            "1 M: million ratings a second, all parts on",
            million["all_parts"]["ratings_a_second"] / 1e6,
            10,
        ),
    ]
    for row in rows:
        if row["ratings"] == LARGE:
            slower = million["all_parts"]["ratings_a_second"] / row["all_parts"]["ratings_a_second"]
            minutes = (row["read_seconds"] + row["fit_seconds"]) / 60
            climb = row["rmse"][0] - row["rmse"][1]
            bars.append(
                at_most("32 M: minutes to read, sort and fit all three models", minutes, 10)
            )
            bars.append(
                at_most(
                    "32 M: unseen RMSE of the first half of the draws above the second's",
                    climb,
                    0.001,
                )
            )
            bars.append(at_most("32 M: peak memory, GiB", row["peak_gib"], 8))
            bars.append(at_most("32 M: time a rating and sweep, as a multiple of 1 M", slower, 1.5))
    return bars


def judge_fits(rows: Sequence[dict[str, Any]]) -> list[Bar]:
    """The slowest of the seeds, and their mean RMSE."""
    worse = float(np.mean([row["warm_rmse"] - row["cold_rmse"] for row in rows]))
    return [
        at_most(
            "ml-latest-small: seconds of a full fit, all parts on",
            max(row["full_seconds"] for row in rows),
            8,
        ),
        at_most(
            "warm start after a further tenth: seconds",
            max(row["warm_seconds"] for row in rows),
            2.5,
        ),
        at_most("warm start after a further tenth: RMSE above a cold fit's", worse, 0.002),
    ]


def judge_peers(rows: Sequence[dict[str, Any]], missing: dict[str, str]) -> list[Bar]:
    """How many times faster the shortest of our fits is that is better than the peer; a missing
    peer is a missed bar.
    """
    bars = [
        Bar(f"{name}: times faster", 0.0, f">= 5, not measured: {reason}", False)
        for name, reason in missing.items()
    ]
    for peer in rows[len(OURS) :]:
        better = [ours for ours in rows[: len(OURS)] if ours["rmse"] < peer["rmse"]]
        ours = min(better or rows[:1], key=lambda row: row["fit_seconds"])
        bars.append(
            at_least(
                f"{peer['name']}: times faster, {ours['name']}",
                peer["fit_seconds"] / ours["fit_seconds"],
                5,
            )
        )
        bars.append(
            more_than(
                f"{peer['name']}: lead in RMSE, {ours['name']}", peer["rmse"] - ours["rmse"], 0
            )
        )
    return bars


if __name__ == "__main__":
    sys.exit(main())
