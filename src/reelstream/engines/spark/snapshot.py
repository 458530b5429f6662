"""History snapshots by Spark: in one task, or by many that write a range of users each.

Both write the same files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as sql

from reelstream.engines.blocks import cut_blocks
from reelstream.engines.spark.frames import COLUMNS, to_columns
from reelstream.engines.spark.one_step import in_one_step
from reelstream.ratings.histories import Histories
from reelstream.storage.snapshot import SnapshotWriter, write_snapshot

RESULT = "is_written boolean"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCounts:
    """How many events count of each user: U users, in order of id."""

    ids: NDArray[np.int64]
    """(U,)"""
    ratings: NDArray[np.int64]
    """(U,)"""
    tombstones: NDArray[np.int64]
    """(U,)"""


def write_in_one_task(compacted: DataFrame, scratch: Path, out: Path) -> None:
    """Write the snapshot of events that are all in one partition of the frame."""
    compacted.mapInArrow(snapshot_task(scratch, out), RESULT).collect()


def snapshot_task(
    scratch: Path, out: Path
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What turns all compacted events into the snapshot in `out`."""

    def write(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        histories = Histories.of(to_columns(batches))
        with in_one_step(scratch, out) as folder:
            write_snapshot(histories, folder)
        yield pa.RecordBatch.from_pydict({"is_written": [True]})

    return write


def write_in_parts(compacted: DataFrame, out: Path) -> None:
    """Write the snapshot, a range of users at a time."""
    with _persisted(compacted) as events:
        counts = _count(events)
        _write_ranges(events, counts, out)


def _count(events: DataFrame) -> UserCounts:
    rating = sql.col("rating")
    # Null deletes, NaN dismisses.
    is_tombstone = rating.isNull() | sql.isnan(rating)
    table = (
        events.groupBy("userId")
        .agg(sql.count_if(~is_tombstone), sql.count_if(is_tombstone))
        .toArrow()
    )
    # Groups come in no order.
    ids, ratings, tombstones = (column.to_numpy() for column in table.columns)
    order = np.argsort(ids)
    return UserCounts(ids=ids[order], ratings=ratings[order], tombstones=tombstones[order])


def _write_ranges(events: DataFrame, counts: UserCounts, out: Path) -> None:
    firsts = cut_blocks(counts.ratings + counts.tombstones)
    first_ratings, first_tombstones = (
        np.concatenate([[0], np.cumsum(each)])[firsts]
        for each in (counts.ratings, counts.tombstones)
    )
    edges = counts.ids[firsts[1:-1]]
    has_ratings = counts.ratings > 0
    # The files get their full length first: tasks then write their ranges in any order.
    writer = SnapshotWriter(out)
    writer.create(
        counts.ids[has_ratings], counts.ratings[has_ratings], int(counts.tombstones.sum())
    )

    def assign(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            number = np.searchsorted(edges, batch["userId"].to_numpy(), side="right")
            yield batch.append_column("range", pa.array(number.astype(np.int32)))

    def write(table: pa.Table) -> pa.Table:
        number = table["range"][0].as_py()
        histories = Histories.of(to_columns(table.drop_columns("range").to_batches()))
        writer.write(histories, int(first_ratings[number]), int(first_tombstones[number]))
        return pa.table({"range": pa.array([number], pa.int32())})

    assigned = events.mapInArrow(assign, f"{COLUMNS}, range int")
    assigned.groupBy("range").applyInArrow(write, "range int").collect()


@contextmanager
def _persisted(frame: DataFrame) -> Iterator[DataFrame]:
    """The frame, computed once for all that is done with it meanwhile."""
    frame.persist()
    try:
        yield frame
    finally:
        frame.unpersist()
