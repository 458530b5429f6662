"""The blocks of a fit as tasks: one job a sweep, whose second stage draws the items."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pyspark import SparkContext

from reelstream.compute import threads
from reelstream.engines.blocks import (
    BlockFolder,
    BlockSums,
    begin_users,
    gram_size,
    multiply_audience,
    step_items,
    step_users,
)
from reelstream.engines.kernels.row_draws import GRAM_UNIT
from reelstream.engines.kernels.row_prior import RowSums
from reelstream.engines.sweep import ItemRange, SweepPlan

# Of what one task sends to one other: Python's side of Spark takes no more than 2 GiB at once.
MAX_MESSAGE_BYTES = 256 * 2**20


class SparkTasks:
    """Brings each sweep's plan to the blocks, and what they add up to the items."""

    def __init__(
        self, context: SparkContext, folder: BlockFolder, firsts: NDArray[np.int64]
    ) -> None:
        """`firsts` (n_blocks + 1,) as `BlockBackend` has it."""
        n_blocks = len(firsts) - 1
        self._context, self._folder, self._firsts = context, folder, firsts
        self._n_tasks = min(n_blocks, _tasks_at_once(context))
        # Where a number is stored, its block's files are in the machine's memory: Spark sends the
        # task there again.
        self._numbers = context.parallelize(range(n_blocks), self._n_tasks).map(int).persist()

    def begin(self, vectors: NDArray[np.float64], sweep: int) -> Sequence[tuple[int, RowSums]]:
        """See `BlockRunner.begin`."""
        folder, shared = self._folder, self._context.broadcast(vectors)

        def begin(numbers: Iterable[int]) -> Iterable[tuple[int, RowSums]]:
            begin_task()
            return begin_users(folder, numbers, shared.value, sweep)

        sums: list[tuple[int, RowSums]] = self._numbers.mapPartitions(begin).collect()
        shared.destroy()
        return sums

    def sweep(self, plan: SweepPlan) -> tuple[Sequence[BlockSums], Sequence[ItemRange]]:
        """See `BlockRunner.sweep`."""
        folder, firsts = self._folder, self._firsts
        n_items, D = plan.item_rows.shape
        # A task sends each place its part of all Gram matrices, eight bytes a number.
        n_places = min(
            max(self._n_tasks, 8 * n_items * gram_size(D) // MAX_MESSAGE_BYTES + 1), n_items
        )
        edges = np.linspace(0, n_items, n_places + 1).astype(int).tolist()
        shared = self._context.broadcast(plan)

        def users(
            numbers: Iterable[int],
        ) -> Iterator[tuple[int, tuple[NDArray[np.int64], list[BlockSums]]]]:
            begin_task()
            grams, sums = step_users(folder, firsts, numbers, shared.value)
            for place in range(len(edges) - 1):
                yield place, (grams[edges[place] : edges[place + 1]], sums)

        def items(
            parts: Iterable[tuple[int, tuple[NDArray[np.int64], list[BlockSums]]]],
        ) -> Iterator[tuple[list[BlockSums], ItemRange]]:
            begin_task()
            total, everything, place = None, [], 0
            for place, (grams, sums) in parts:  # noqa: B007  (all parts are of one place)
                total = grams if total is None else total + grams
                everything += sums
            if total is not None:
                drawn = step_items(shared.value, edges[place], total, everything)
                # Every place has the sums of all blocks: one of them sends them to the driver.
                yield (everything if place == 0 else []), drawn

        # A key is the number of a place, and with `int` as hash that of its partition as well.
        found = (
            self._numbers.mapPartitions(users)
            .partitionBy(n_places, int)
            .mapPartitions(items)
            .collect()
        )
        shared.destroy()
        return [each for sums, _ in found for each in sums], [drawn for _, drawn in found]

    def multiply_audience(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """R'R x over all blocks: see `features_of_products`."""
        folder, shared = self._folder, self._context.broadcast(x)

        def multiply(numbers: Iterable[int]) -> Iterator[NDArray[np.int64]]:
            begin_task()
            yield multiply_audience(folder, numbers, shared.value)

        product: NDArray[np.int64] = self._numbers.mapPartitions(multiply).treeReduce(np.add)
        shared.destroy()
        return product.astype(np.float64) * GRAM_UNIT

    def close(self) -> None:
        """Forget where the blocks are."""
        self._numbers.unpersist()


def _tasks_at_once(context: SparkContext) -> int:
    """As many as the cluster has room for: each sends a Gram matrix of every item, so that more
    would move more.
    """
    return max(context.defaultParallelism // int(context.getConf().get("spark.task.cpus") or 1), 1)


def begin_task() -> None:
    """Use as many threads as this task has cores, which Spark tells a worker's libraries."""
    own = int(os.environ.get("OMP_NUM_THREADS") or 1)
    threads.use(min(own, os.cpu_count() or 1))
    threads.limit_blas()
    # A worker collects garbage after every task, and with all our libraries loaded that takes
    # longer than a small task. What is there now has outlived such a collection: none shall visit
    # it again.
    gc.freeze()
