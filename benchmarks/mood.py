"""What does the gain from times rest on, and how is it spread over users?

ml-latest-small by time, predicted rating by rating, with times used and with times withheld. Mood
lasts for minutes, so the gain should come from questions soon after another rating of the same
user: here it is by the time since that rating.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import data_set, finish, parser
from reelstream.engines.interface import FitParameters
from reelstream.evaluation.offline import Split, split_in_time
from reelstream.evaluation.scores import clipped_errors
from reelstream.ratings.columns import EventColumns
from served import answers, compile_all, fit

GAPS = {
    "first rating": (-np.inf, -0.5),
    "same second": (-0.5, 0.5),
    "under a minute": (0.5, 60),
    "1 to 10 minutes": (60, 600),
    "10 minutes to a day": (600, 86_400),
    "longer": (86_400, np.inf),
}
"""Seconds since the user's rating before, from and below."""
FEWEST = 20
"""Test ratings of a user whose gain is worth a place in the spread."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def main() -> int:
    """With times and without."""
    dataset = data_set(parser(__doc__).parse_args().data)
    split = split_in_time(dataset.read_ratings(), 0.333)
    catalog = dataset.read_catalog().catalog
    compile_all()
    squares = {}
    for use_times in (True, False):
        fitted = fit(split.train, catalog, dataset.scale, FitParameters(use_times=use_times))
        said = answers(fitted, split, "users and films")
        squares[use_times] = clipped_errors(said.mean, split.test.rating, dataset.scale) ** 2
    results = {
        "data": dataset.name,
        "rmse_with": float(np.sqrt(squares[True].mean())),
        "rmse_without": float(np.sqrt(squares[False].mean())),
        "by_gap": by_gap(gaps(split), squares[True], squares[False]),
        "by_user": by_user(split.test.user_id, squares[True], squares[False]),
    }
    return finish("mood", results, [])


def gaps(split: Split) -> NDArray[np.float64]:
    """Seconds since the rating before by the same user, for each test rating (n,); -1 for the
    user's first.
    """
    events = EventColumns.concatenate([split.train, split.test])
    order = np.lexsort((events.offset, events.partition, events.timestamp, events.user_id))
    user, seconds = events.user_id[order], events.timestamp[order]
    since = np.full(len(events), -1.0)
    goes_on = user[1:] == user[:-1]
    since[order[1:][goes_on]] = (seconds[1:] - seconds[:-1])[goes_on]
    return since[len(split.train) :]


def by_gap(
    since: NDArray[np.float64], with_times: NDArray[np.float64], without: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """RMSE with and without, and the part that each group has in the whole gain."""
    whole = float((without - with_times).sum())
    rows = []
    for name, (low, high) in GAPS.items():
        inside = (since >= low) & (since < high)
        if inside.any():
            rows.append(
                {
                    "gap": name,
                    "n": int(inside.sum()),
                    "rmse_with": float(np.sqrt(with_times[inside].mean())),
                    "rmse_without": float(np.sqrt(without[inside].mean())),
                    "part_of_gain": float((without - with_times)[inside].sum()) / whole,
                }
            )
    return rows


def by_user(
    user_ids: NDArray[np.int64], with_times: NDArray[np.float64], without: NDArray[np.float64]
) -> dict[str, Any]:
    """How the gain in RMSE is spread over users."""
    _, row = np.unique(user_ids, return_inverse=True)
    n = np.bincount(row)
    gain = np.sqrt(np.bincount(row, without) / n) - np.sqrt(np.bincount(row, with_times) / n)
    gain = gain[n >= FEWEST]
    return {
        "users": len(gain),
        "fewest_ratings": FEWEST,
        "better_off": float((gain > 0).mean()),
        "quantiles": {
            f"{q:g}": float(value)
            for q, value in zip(QUANTILES, np.quantile(gain, QUANTILES), strict=True)
        },
    }


if __name__ == "__main__":
    sys.exit(main())
