"""Do users keep their segment number when a hundredth is added, and does another fit find the same
segments?

The Movies Dataset and ml-latest-small, and a simulated data set: sets that go on from each other
while the data grow by 1 % each, from a tenth of it to all, in order of time and in random order.
And cold fits of all of it: with other seeds, and of users drawn with replacement.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from common import at_least, data_set, finish, parser
from reelstream.catalog import Catalog
from reelstream.datasets import Dataset, detect, simulate
from reelstream.features.user_profiles import GenreShares
from reelstream.models.segment.fit import fit_segments
from reelstream.models.segment.model import SegmentModel
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories

FIRST_SHARE, GROWTH = 0.1, 1.01
REFITS = 5


def main() -> int:
    """Chains, then re-fits."""
    given = parser(__doc__).parse_args().data
    rows, bars = [], []
    with tempfile.TemporaryDirectory() as made_up:
        simulate(Path(made_up) / "simulated", users=671, items=9_000, ratings=100_000, seed=1)
        for dataset in (
            data_set(given),
            data_set(given, "the-movies-dataset"),
            detect(Path(made_up) / "simulated"),
        ):
            row = measure(dataset)
            rows.append(row)
            bars += [
                at_least(
                    f"{row['data']}, {order}: users that keep their number, worst of the sets",
                    chain["worst"],
                    0.95,
                )
                for order, chain in row["chains"].items()
            ]
    return finish("segments", {"data": rows}, bars)


def measure(dataset: Dataset) -> dict[str, Any]:
    """One data set."""
    ratings, catalog = dataset.read_ratings().by_time(), dataset.read_catalog().catalog
    shuffled = ratings[np.random.default_rng(0).permutation(len(ratings))]
    history = Histories.of(ratings)
    found = numbers(history, fit(history, catalog, None), catalog)
    seeds = [
        numbers(history, fit(history, catalog, None, seed), catalog)
        for seed in range(1, REFITS + 1)
    ]
    redrawn = [
        numbers(history, fit(sample, catalog, None), catalog)
        for sample in drawn_with_replacement(history)
    ]
    return {
        "data": dataset.name,
        "users": len(history.user_ids),
        "segments": len(np.unique(found)),
        "chains": {"by time": chain(ratings, catalog), "in random order": chain(shuffled, catalog)},
        "agreement_other_seed": float(
            np.mean([adjusted_rand_score(found, other) for other in seeds])
        ),
        "agreement_redrawn_users": float(
            np.mean([adjusted_rand_score(found, other) for other in redrawn])
        ),
    }


def chain(ratings: EventColumns, catalog: Catalog) -> dict[str, Any]:
    """Shares of users that keep their number, set after set."""
    n = int(FIRST_SHARE * len(ratings))
    history = Histories.of(ratings[:n])
    model = fit(history, catalog, None)
    before = numbers(history, model, catalog)
    kept = []
    while n < len(ratings):
        n = min(int(n * GROWTH) + 1, len(ratings))
        grown = Histories.of(ratings[:n])
        model = fit(grown, catalog, model)
        after = numbers(grown, model, catalog)
        kept.append(float((before == after[np.isin(grown.user_ids, history.user_ids)]).mean()))
        history, before = grown, after
    return {
        "sets": len(kept),
        "worst": min(kept),
        "mean": float(np.mean(kept)),
        "segments": len(model.segments),
    }


def fit(
    history: Histories, catalog: Catalog, previous: SegmentModel | None, seed: int = 0
) -> SegmentModel:
    """The segments of all users of a history."""
    shares = GenreShares(catalog, catalog.genres)
    return fit_segments(history.ratings, history.starts, shares, previous, seed)


def numbers(history: Histories, model: SegmentModel, catalog: Catalog) -> NDArray[np.int64]:
    """Every user's segment number (n_users,)."""
    return model.segments_of(history.ratings, history.starts, GenreShares(catalog, catalog.genres))


def drawn_with_replacement(history: Histories) -> Iterator[Histories]:
    """LiveHistories of as many users, some of whom come more than once and get new ids."""
    for seed in range(REFITS):
        drawn = np.random.default_rng(seed).choice(len(history.user_ids), len(history.user_ids))
        lengths = np.diff(history.starts)[drawn]
        users = np.repeat(np.arange(len(drawn)), lengths)
        rows = np.concatenate(
            [np.arange(history.starts[user], history.starts[user + 1]) for user in drawn.tolist()]
        )
        again = history.ratings[rows]
        yield Histories.of(EventColumns.of(users, again.item_id, again.rating, again.timestamp))


if __name__ == "__main__":
    sys.exit(main())
