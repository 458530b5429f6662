"""Do the intervals and the probabilities hold what they say, for rare and for busy users and films?

ml-latest-small: the random 80/20 splits of seeds 42, 43 and 44 together with times withheld, and
the time split with users and films learning as they rate. Users and films are grouped by the
ratings that were known of them at the question.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import data_set, finish, parser
from reelstream.catalog import Catalog
from reelstream.engines.interface import FitParameters
from reelstream.evaluation.offline import Split, split_at_random, split_in_time
from reelstream.evaluation.prequential import Learns
from reelstream.evaluation.scores import ECE_BINS, clipped_errors
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.scale import RatingScale
from served import answers, compile_all, fit, without_times

SEEDS = (42, 43, 44)
GROUPS = {"0": (0, 0), "1-5": (1, 5), "6-20": (6, 20), "21-100": (21, 100), "> 100": (101, np.inf)}
"""Known ratings, from and to."""


@dataclass(frozen=True)
class Asked:
    """ItemQueries with their answers, and what was known."""

    rating: NDArray[np.float64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    like_probability: NDArray[np.float64]
    of_user: NDArray[np.int64]
    """(n,): ratings known of the user."""
    of_item: NDArray[np.int64]
    """(n,): ratings known of the film."""

    @classmethod
    def together(cls, parts: Sequence[Asked]) -> Asked:
        """All of them."""
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in cls.__dataclass_fields__
            )
        )


def main() -> int:
    """Both splits."""
    dataset = data_set(parser(__doc__).parse_args().data)
    ratings, catalog = dataset.read_ratings(), dataset.read_catalog().catalog
    compile_all()
    withheld = [without_times(split_at_random(ratings, 0.2, seed)) for seed in SEEDS]
    ignoring = FitParameters(use_times=False)
    at_random = [ask(split, catalog, dataset.scale, ignoring, "nothing") for split in withheld]
    in_time = ask(
        split_in_time(ratings, 0.333), catalog, dataset.scale, FitParameters(), "users and films"
    )
    results = {
        "random": describe(Asked.together(at_random), dataset.scale),
        "time": describe(in_time, dataset.scale),
    }
    return finish("calibration", {"data": dataset.name, **results}, [])


def ask(
    split: Split, catalog: Catalog, scale: RatingScale, parameters: FitParameters, learns: Learns
) -> Asked:
    """The served path's answers on a split."""
    said = answers(fit(split.train, catalog, scale, parameters), split, learns)
    of_user = known_ratings(split.train, split.test, "user_id", in_time=split.learns_test)
    of_item = known_ratings(split.train, split.test, "item_id", in_time=split.learns_test)
    return Asked(
        split.test.rating.astype(np.float64),
        said.mean,
        said.sd,
        said.like_probability,
        of_user,
        of_item,
    )


def known_ratings(
    train: EventColumns, test: EventColumns, field: str, *, in_time: bool
) -> NDArray[np.int64]:
    """Ratings with the same user or film before each test rating (n,): train, and in time the test
    ratings before.
    """
    keys = np.concatenate([getattr(train, field), getattr(test, field)])
    _, group = np.unique(keys, return_inverse=True)
    first = len(train)
    known = np.bincount(group[:first], minlength=int(group.max()) + 1)[group[first:]]
    if in_time:
        order = np.argsort(group[first:], kind="stable")
        grouped = group[first:][order]
        starts = np.flatnonzero(np.append(True, grouped[1:] != grouped[:-1]))
        place = np.arange(len(grouped)) - np.repeat(
            starts, np.diff(np.append(starts, len(grouped)))
        )
        known[order] += place
    return known


def describe(asked: Asked, scale: RatingScale) -> dict[str, Any]:
    """The reliability diagram, and coverage by group."""
    return {
        "n": len(asked.rating),
        "reliability": reliability(asked, scale),
        "by_user": by_group(asked, asked.of_user, scale),
        "by_item": by_group(asked, asked.of_item, scale),
    }


def reliability(asked: Asked, scale: RatingScale) -> list[dict[str, float]]:
    """For each tenth of like probabilities: what was said on average, and what came."""
    liked = asked.rating >= scale.like_threshold
    bins = np.minimum((asked.like_probability * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    return [
        {
            "n": int(inside.sum()),
            "said": float(asked.like_probability[inside].mean()),
            "came": float(liked[inside].mean()),
        }
        for number in range(ECE_BINS)
        if (inside := bins == number).any()
    ]


def by_group(asked: Asked, known: NDArray[np.int64], scale: RatingScale) -> list[dict[str, Any]]:
    """RMSE and coverage by how many ratings were known."""
    errors = np.abs(asked.rating - asked.mean)
    squares = clipped_errors(asked.mean, asked.rating, scale) ** 2
    rows = []
    for name, (low, high) in GROUPS.items():
        inside = (known >= low) & (known <= high)
        if inside.any():
            rows.append(
                {
                    "known": name,
                    "n": int(inside.sum()),
                    "rmse": float(np.sqrt(squares[inside].mean())),
                    "sd": float(asked.sd[inside].mean()),
                    "coverage_1sd": float((errors <= asked.sd)[inside].mean()),
                    "coverage_2sd": float((errors <= 2 * asked.sd)[inside].mean()),
                }
            )
    return rows


if __name__ == "__main__":
    sys.exit(main())
