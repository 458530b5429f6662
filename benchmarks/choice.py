"""Does the choice model hold at the size of the largest public data set?

Made-up ratings, `--ratings` of `--items` films, in snapshots as the trainer maps them: seconds of a
cold fit and of a warm one after a tenth more, and the memory that the process takes at most. Then
ten recommendations of `--catalog` films for a user of 300 ratings, live, from a set that is fitted
to fewer ratings.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from common import Bar, at_most, finish, parser
from measuring import in_own_process
from reelstream.catalog import Catalog, Film
from reelstream.engines.interface import FitContext, FitParameters
from reelstream.engines.local import fit_models
from reelstream.models.bundle import ModelBundle
from reelstream.models.choice.fit import fit_choice_family
from reelstream.models.choice.live import LiveChoice
from reelstream.models.choice.model import ChoiceModel
from reelstream.models.family import FamilyInput
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.models.recommendation import LiveFilms, RecommendationQuery
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale
from reelstream.storage.snapshot import read_snapshot, write_snapshot

RATINGS, ITEMS, CATALOG = 32_000_000, 80_000, 88_000
A_USER = 160
"""Ratings of a user in the mean, as in ml-32m."""
TASTES = 20
GENRES = tuple(f"Genre {taste}" for taste in range(TASTES))
NEWEST = 1_700_000_000
SMALL = 1_000_000
"""Ratings of the set that recommends."""
QUICK = FitParameters(n_factors=15, sweeps=8, burn_in=4, n_draws=4)
HISTORY = 300


def main() -> int:
    """Fits, then lists; each in a process of its own, so that its memory is its own."""
    arguments = parser(__doc__)
    arguments.add_argument("--ratings", type=int, default=RATINGS, metavar="N")
    arguments.add_argument("--items", type=int, default=ITEMS, metavar="N")
    arguments.add_argument("--catalog", type=int, default=CATALOG, metavar="N")
    options = arguments.parse_args()
    sized = options.ratings == RATINGS and options.items == ITEMS and options.catalog == CATALOG
    with tempfile.TemporaryDirectory() as scratch:
        in_own_process(write_snapshots, options.ratings, options.items, Path(scratch))
        fits = in_own_process(measure_fits, Path(scratch), options.items)
    print(fits, flush=True)
    lists = in_own_process(
        measure_lists, min(options.ratings, SMALL), options.items, options.catalog
    )
    print(lists, flush=True)
    return finish("choice", {"fits": fits, "lists": lists}, judge(fits, lists), keep=sized)


def judge(fits: dict[str, Any], lists: dict[str, Any]) -> list[Bar]:
    """Bars 1, 4 and 5."""
    return [
        at_most("cold fit, s", fits["cold_seconds"], 8 * 60),
        at_most("memory of the fits, GiB", fits["peak_gib"], 8),
        at_most("the model in memory, MB", fits["model_mb"], 500),
        at_most("ten of all films for a user of 300 ratings, ms", lists["milliseconds"], 20),
    ]


def write_snapshots(n_ratings: int, n_items: int, folder: Path) -> None:
    """All ratings, and without the newest tenth of the log."""
    ratings = made_up(n_ratings, n_items)
    for name, chosen in (("older", ratings.offset < 0.9 * len(ratings)), ("all", slice(None))):
        (folder / name).mkdir()
        write_snapshot(Histories.of(ratings[chosen]), folder / name)


def measure_fits(folder: Path, n_items: int) -> dict[str, Any]:
    """A cold fit, and a warm one after a tenth more."""
    catalog = films(n_items)
    older, everything = (read_snapshot(folder / name) for name in ("older", "all"))
    before, older_seconds = fit(older, catalog, None)
    _, warm_seconds = fit(everything, catalog, before)
    model, cold_seconds = fit(everything, catalog, None)
    columns = model.columns
    arrays = (columns.starts, columns.targets, columns.weights, columns.variances, columns.counts)
    return {
        "ratings": len(everything),
        "items": n_items,
        "users": len(everything.user_ids),
        "columns": int(np.count_nonzero(columns.counts)),
        "older_seconds": older_seconds,
        "warm_seconds": warm_seconds,
        "cold_seconds": cold_seconds,
        "peak_gib": peak_gib(),
        "model_mb": sum(array.nbytes for array in arrays) / 1e6,
    }


def fit(
    histories: Histories, catalog: Catalog, previous: ChoiceModel | None
) -> tuple[ChoiceModel, float]:
    """The model, and the seconds that it took."""
    data = FamilyInput(
        histories=histories,
        catalog=catalog,
        scale=RatingScale(),
        models=ModelBundle(),
        previous=None if previous is None else ModelBundle(choice=previous),
        seed=0,
        has_gate=True,
    )
    started = time.perf_counter()
    model = fit_choice_family(data)
    return model, time.perf_counter() - started


def measure_lists(n_ratings: int, n_items: int, n_catalog: int) -> dict[str, Any]:
    """Ten recommendations of all films of a catalogue, while films learn."""
    catalog, histories = films(n_catalog), Histories.of(made_up(n_ratings, n_items))
    context = FitContext(catalog=catalog, scale=RatingScale(), parameters=QUICK)
    models = fit_models(histories, context)
    model_set = ModelSet(
        number=1,
        models=models,
        catalog=catalog,
        scale=RatingScale(),
        trained_on=TrainedOn({0: n_ratings}, {}),
    )
    choice = LiveChoice(models.of_type(ChoiceModel), catalog)
    newest = histories.ratings.by_time()[-1000:]
    choice.update(newest, histories.of_users(np.unique(newest.user_id)))
    live = LiveFilms(model_set=model_set, choice=choice, items=model_set.online_items())
    users = histories.user_ids[:2000].tolist()
    history = min(
        (histories.of_user(user) for user in users), key=lambda it: abs(len(it) - HISTORY)
    )
    state, at, seconds = model_set.fold_in(history), NEWEST, []
    for _ in range(60):
        started = time.perf_counter()
        live.recommend(state, history, RecommendationQuery(), at)
        seconds.append(time.perf_counter() - started)
    return {
        "films": len(choice),
        "ratings": len(history),
        "milliseconds": 1000 * float(np.median(seconds[10:])),
        "peak_gib": peak_gib(),
    }


def films(n: int) -> Catalog:
    """Films of one genre each."""
    return Catalog(
        Film(item, f"Film {item}", 1950 + item % 70, (GENRES[item % TASTES],)) for item in range(n)
    )


def made_up(n_ratings: int, n_items: int) -> EventColumns:
    """Ratings by users of one taste each, most of its films; a few films have most ratings."""
    rng = np.random.default_rng(0)
    n_users = max(n_ratings // A_USER, 2)
    appetite = rng.lognormal(0.0, 1.2, n_users)
    # Some more, as pairs that are drawn twice count once.
    user = np.repeat(
        np.arange(n_users), np.ceil(1.3 * n_ratings * appetite / appetite.sum()).astype(np.int64)
    )
    rank = (n_items * rng.random(len(user), np.float32) ** 3).astype(np.int64)
    within = rank // TASTES * TASTES + user % TASTES
    item = np.where(rng.random(len(user), np.float32) < 0.6, np.minimum(within, n_items - 1), rank)
    pairs = np.unique(user * n_items + item)
    pairs = np.sort(rng.permutation(pairs)[:n_ratings])
    n = len(pairs)
    user, item = np.divmod(pairs, n_items)
    joined = rng.integers(NEWEST - 10**8, NEWEST, n_users)
    timestamp = joined[user] + rng.integers(0, 86_400, n)
    stars = np.clip(np.round(2 * rng.normal(3.5, 1.0, n)) / 2, 0.5, 5.0)
    columns = EventColumns.of(user, item, stars, timestamp)
    place = np.empty(n, np.int64)
    place[np.argsort(timestamp, kind="stable")] = np.arange(n)
    return replace(columns, offset=place)


def peak_gib() -> float:
    """The most memory that this process has taken so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    sys.exit(main())
