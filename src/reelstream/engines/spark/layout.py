"""From settled ratings to blocks: counts of users and films first, then each block's files and its
part of the history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as sql

from reelstream.engines.block_chain import cut_blocks
from reelstream.engines.blocks import BlockFolder
from reelstream.engines.spark.frames import COLUMNS, to_columns
from reelstream.engines.training_data import TrainingData
from reelstream.features.holdout import in_holdout
from reelstream.features.vocabulary import Vocabulary
from reelstream.ratings.histories import Histories
from reelstream.storage.snapshot import SnapshotWriter


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is of whom: U users with ratings or deletions, I items that are learned, both
    in order of id.
    """

    user_ids: NDArray[np.int64]
    """(U,)"""
    ratings: NDArray[np.int64]
    """(U,)"""
    deletions: NDArray[np.int64]
    """(U,)"""
    learned: NDArray[np.int64]
    """(U,): ratings outside the holdout."""
    item_ids: NDArray[np.int64]
    """(I,)"""
    item_ratings: NDArray[np.int64]
    """(I,): learned."""
    item_likes: NDArray[np.int64]
    """(I,): of these."""
    mean: float
    """Of all learned ratings."""

    @property
    def learned_users(self) -> NDArray[np.int64]:
        """The ids of the chain's users."""
        return self.user_ids[self.learned > 0]


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the blocks begin: B of them."""

    firsts: NDArray[np.int64]
    """(B + 1,): the row of each block's first user among the chain's users."""
    edges: NDArray[np.int64]
    """(B - 1,): the ids of those users, the very first left out."""
    first_ratings: NDArray[np.int64]
    """(B,): the place of each block's first rating in the history."""
    first_deletions: NDArray[np.int64]
    """(B,)"""


def mark_learned(settled: DataFrame) -> DataFrame:
    """The ratings with a column that says whether the chain learns from them."""

    def mark(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = to_columns([batch])
            learned = ~in_holdout(columns.user_id, columns.item_id) & columns.is_rating
            yield batch.append_column("learned", pa.array(learned))

    return settled.mapInArrow(mark, f"{COLUMNS}, learned boolean")


@contextmanager
def kept(frame: DataFrame) -> Iterator[DataFrame]:
    """The frame, computed once for all that is done with it meanwhile."""
    frame.persist()
    try:
        yield frame
    finally:
        frame.unpersist()


def count(marked: DataFrame, like_threshold: float) -> Counts:
    """The counts of `mark_learned`'s ratings, brought to the driver."""
    users = _arrays(
        marked.groupBy("userId").agg(
            sql.count("rating"), sql.count_if(sql.col("rating").isNull()), sql.count_if("learned")
        )
    )
    items = _arrays(
        marked.where("learned")
        .groupBy("movieId")
        .agg(
            sql.count("rating"),
            # as the ratings are
            sql.count_if(sql.col("rating") >= sql.lit(like_threshold).cast("float")),
            sql.sum(sql.col("rating").cast("double")),
        )
    )
    mean = float(items[3].sum() / max(items[1].sum(), 1))
    return Counts(users[0], users[1], users[2], users[3], items[0], items[1], items[2], mean)


def cut(counts: Counts) -> Cut:
    """Blocks of about as many ratings each."""
    learned = counts.learned[counts.learned > 0]
    firsts = cut_blocks(learned)
    edges = counts.learned_users[firsts[1:-1]]
    block = np.searchsorted(edges, counts.user_ids, side="right")
    ratings, deletions = (
        np.bincount(block, each, len(firsts) - 1) for each in (counts.ratings, counts.deletions)
    )
    first_ratings, first_deletions = (
        (np.cumsum(each) - each).astype(np.int64) for each in (ratings, deletions)
    )
    return Cut(firsts, edges, first_ratings, first_deletions)


def lay_out(
    marked: DataFrame, counts: Counts, where: Cut, blocks: BlockFolder, history_out: Path
) -> None:
    """Write every block, and the history snapshot."""
    items, mean = Vocabulary(counts.item_ids), counts.mean

    def write(number: int, history: Histories) -> None:
        learned = history.ratings[~in_holdout(history.ratings.user_id, history.ratings.item_id)]
        users = Vocabulary.of(learned.user_id)
        rows = users.rows(learned.user_id), items.rows(learned.item_id)
        data = TrainingData.of(
            users.ids, rows[0], items.ids, rows[1], learned.rating, learned.timestamp, mean
        )
        blocks.write(number, data)

    _write_parts(marked, counts, where, history_out, write)


def write_history(settled: DataFrame, history_out: Path) -> None:
    """Write the history snapshot alone."""
    with kept(mark_learned(settled)) as marked:
        counts = count(marked, like_threshold=0.0)
        _write_parts(marked, counts, cut(counts), history_out, lambda number, history: None)


def _write_parts(
    marked: DataFrame,
    counts: Counts,
    where: Cut,
    history_out: Path,
    write_besides: Callable[[int, Histories], None],
) -> None:
    """Write the history snapshot, block by block; `write_besides` takes the number and the history
    of each.
    """
    has_ratings = counts.ratings > 0
    parts = SnapshotWriter(history_out)
    parts.create(
        counts.user_ids[has_ratings], counts.ratings[has_ratings], int(counts.deletions.sum())
    )
    edges = where.edges

    def assign(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            block = np.searchsorted(edges, batch["userId"].to_numpy(), side="right")
            yield batch.append_column("block", pa.array(block.astype(np.int32)))

    def write(table: pa.Table) -> pa.Table:
        number = table["block"][0].as_py()
        history = Histories.of(to_columns(table.drop_columns("block").to_batches()))
        parts.write(history, int(where.first_ratings[number]), int(where.first_deletions[number]))
        write_besides(number, history)
        return pa.table({"block": pa.array([number], pa.int32())})

    assigned = marked.drop("learned").mapInArrow(assign, f"{COLUMNS}, block int")
    assigned.groupBy("block").applyInArrow(write, "block int").collect()


def _arrays(frame: DataFrame) -> list[NDArray[Any]]:
    """The columns of a small frame, in order of the first."""
    table = frame.toArrow()
    columns = [column.to_numpy() for column in table.columns]
    order = np.argsort(columns[0])
    return [column[order] for column in columns]
