"""From a history snapshot to the blocks of a fit: first counts, then the blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyspark import SparkContext

from reelstream.engines.blocks import BlockFolder, cut_blocks
from reelstream.engines.training_data import TrainingData
from reelstream.features.holdout import is_trainable
from reelstream.features.vocabulary import Vocabulary
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.storage.snapshot import read_snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the chain learns from: U users and I items with ratings outside the holdout, by id."""

    user_ids: NDArray[np.int64]
    """(U,)"""
    user_keys: NDArray[np.int64]
    """(U,): see `Side.keys`."""
    user_ratings: NDArray[np.int64]
    """(U,)"""
    item_ids: NDArray[np.int64]
    """(I,)"""
    item_keys: NDArray[np.int64]
    """(I,): see `Side.keys`."""
    item_ratings: NDArray[np.int64]
    """(I,)"""
    item_sums: NDArray[np.float64]
    """(I,): of the ratings."""

    @property
    def mean(self) -> float:
        """Of all ratings."""
        return float(self.item_sums.sum() / max(self.item_ratings.sum(), 1))


def count(context: SparkContext, snapshot: Path) -> Counts:
    """The counts of a snapshot, brought to the driver."""
    histories = read_snapshot(snapshot)
    if not len(histories):
        return counts_of(histories.ratings)
    edges = histories.user_ids[cut_blocks(np.diff(histories.starts))[1:-1]]

    def count_some(numbers: Iterable[int]) -> Iterator[Counts]:
        # Mapped again where the task runs: Spark would send the driver's arrays along whole.
        here = read_snapshot(snapshot)
        parts = [counts_of(_learned(here, edges, number)) for number in numbers]
        if parts:
            yield merged(parts)

    n_ranges = len(edges) + 1
    n_tasks = min(n_ranges, context.defaultParallelism)
    return merged(context.parallelize(range(n_ranges), n_tasks).mapPartitions(count_some).collect())


def write_blocks(
    context: SparkContext, snapshot: Path, counts: Counts, blocks: BlockFolder
) -> NDArray[np.int64]:
    """Write every block; the row of each block's first user, and U (n_blocks + 1,)."""
    items, mean = Vocabulary(counts.item_ids), counts.mean
    firsts = cut_blocks(counts.user_ratings)
    edges = counts.user_ids[firsts[1:-1]]

    def write(numbers: Iterable[int]) -> None:
        histories = read_snapshot(snapshot)
        for number in numbers:
            learned = _learned(histories, edges, number)
            users = Vocabulary.of(learned.user_id)
            blocks.write(number, TrainingData.of(learned, users, items, mean=mean))

    n_blocks = len(edges) + 1
    n_tasks = min(n_blocks, context.defaultParallelism)
    context.parallelize(range(n_blocks), n_tasks).foreachPartition(write)
    return firsts


def counts_of(learned: EventColumns) -> Counts:
    """The counts of some users' ratings, sorted by user and time, all of which the chain learns
    from.
    """
    user_ids, firsts, user_ratings = np.unique(
        learned.user_id, return_index=True, return_counts=True
    )
    items = Vocabulary.of(learned.item_id)
    rows, n_items = items.rows(learned.item_id), len(items)
    sums = np.bincount(rows, weights=learned.rating, minlength=n_items)
    item_keys = np.full(n_items, np.iinfo(np.int64).max)
    np.minimum.at(item_keys, rows, learned.positions)
    return Counts(
        user_ids=user_ids,
        user_keys=learned.positions[firsts],
        user_ratings=user_ratings,
        item_ids=items.ids,
        item_keys=item_keys,
        item_ratings=np.bincount(rows, minlength=n_items),
        item_sums=np.asarray(sums, np.float64),
    )


def merged(parts: Iterable[Counts]) -> Counts:
    """The counts of different users as one; who counted which of them changes nothing."""
    # A range whose users have no ratings outside the holdout counts nobody, and may come anywhere.
    parts = sorted(parts, key=lambda part: part.user_ids[0] if len(part.user_ids) else 0)
    items = Vocabulary.of(np.concatenate([part.item_ids for part in parts]))
    ratings, sums = np.zeros(len(items), np.int64), np.zeros(len(items))
    keys = np.full(len(items), np.iinfo(np.int64).max)
    for part in parts:
        rows = items.rows(part.item_ids)
        ratings[rows] += part.item_ratings
        sums[rows] += part.item_sums
        keys[rows] = np.minimum(keys[rows], part.item_keys)
    return Counts(
        user_ids=np.concatenate([part.user_ids for part in parts]),
        user_keys=np.concatenate([part.user_keys for part in parts]),
        user_ratings=np.concatenate([part.user_ratings for part in parts]),
        item_ids=items.ids,
        item_keys=keys,
        item_ratings=ratings,
        item_sums=np.asarray(sums, np.float64),
    )


def _learned(histories: Histories, edges: NDArray[np.int64], number: int) -> EventColumns:
    """The ratings outside the holdout of range `number` of the users.

    edges: the id of each range's first user, without that of the first range.
    """
    ends = np.concatenate(
        [[0], np.searchsorted(histories.user_ids, edges), [len(histories.user_ids)]]
    )
    first, after = histories.starts[ends[number : number + 2]].tolist()
    ratings = histories.ratings[first:after]
    return ratings[is_trainable(ratings)]
