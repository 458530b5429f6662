"""What a sweep in blocks costs on a cluster, from its measured parts.

    seconds = fixed + a N / (M C) + b I + bytes through the busiest wire / bandwidth

N ratings, I items, M machines of C cores. `fixed` is what Spark takes to start and end a job; `a`
the seconds of one core for one rating; `b` what a task takes to write, and another to read and add
up, the Gram matrix of one item: every task writes those of all items, and reads its share of them
from all tasks. Each of T tasks sends I Gram matrices, so that T should be small: one task a
machine, with all its cores (`spark.task.cpus`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

from reelstream.engines.blocks import gram_size
from reelstream.engines.interface import FEW_FACTORS

WIDTH = FEW_FACTORS + 1
"""Numbers in a row, D, of a fit of many ratings."""
GRAM_BYTES = 8 * gram_size(WIDTH)
"""Of one item's Gram matrix on its way, in whole numbers."""
PLAN_BYTES = 8 + 4 * 2 * WIDTH
"""Of one item in the broadcast plan: id, row, prior term."""
DRAWN_BYTES = 4 * 2 * WIDTH
"""Of one item on its way back: draw and mean."""
RATING_BYTES = 20
"""Of one rating in its block: both sides' rows, value, gap, place."""


@dataclass(frozen=True)
class Parts:
    """Seconds that a sweep is made of."""

    fixed: float
    a_rating: float
    """Of one core."""
    an_item: float


@dataclass(frozen=True)
class Cluster:
    """Machines that are all alike."""

    machines: int
    cores: int
    """Of each."""
    gigabits: float
    """A second, of each machine's wire, in each direction."""
    task_cores: int
    """Of each task: `spark.task.cpus`."""

    @property
    def tasks(self) -> int:
        """As many as run at once."""
        return self.machines * (self.cores // self.task_cores)


def parts_of(rows: Sequence[Mapping[str, Any]], fixed: float, cores: int) -> Parts:
    """The parts that explain the measured `sweep_seconds` of these `ratings` and `items` best, in
    relative error.
    """
    seconds = np.array([row["sweep_seconds"] for row in rows])
    causes = np.array([[row["ratings"] / cores, row["items"]] for row in rows])
    scale = causes.max(0)  # nnls compares its numbers with the machine's rounding
    found, _ = nnls(causes / scale / seconds[:, None], np.maximum(seconds - fixed, 0) / seconds)
    a_rating, an_item = (found / scale).tolist()
    return Parts(fixed, a_rating, an_item)


def sweep_on(cluster: Cluster, parts: Parts, ratings: int, items: int) -> dict[str, float]:
    """One sweep: bytes that move, and seconds by part."""
    elsewhere = 1 - 1 / cluster.machines  # the part of a shuffle that leaves its machine
    grams = cluster.tasks * items * GRAM_BYTES * elsewhere
    plan, drawn = cluster.machines * items * PLAN_BYTES, items * DRAWN_BYTES
    busiest = grams / cluster.machines + items * (PLAN_BYTES + DRAWN_BYTES)
    seconds = {
        "fixed_seconds": parts.fixed,
        "rating_seconds": parts.a_rating * ratings / (cluster.machines * cluster.cores),
        "item_seconds": parts.an_item * items,
        "wire_seconds": busiest * 8 / (cluster.gigabits * 1e9),
    }
    return {
        "tasks": cluster.tasks,
        "gram_bytes": grams,
        "moved_bytes": grams + plan + drawn,
        "machine_bytes": ratings * RATING_BYTES / cluster.machines,
        **seconds,
        "sweep_seconds": sum(seconds.values()),
    }
