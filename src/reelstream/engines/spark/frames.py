"""Ratings as Spark reads them: from the files of the batches to those that count."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as sql

from reelstream.engines.spark.session import NOT_SHARED
from reelstream.errors import DamagedError, FitError
from reelstream.ratings.columns import NO_ITEM, EventColumns
from reelstream.storage.batch_files import BatchFile, BatchFolder
from reelstream.storage.snapshot import STORED_COLUMNS
from reelstream.storage.store import Store

# Of a batch file; an empty rating deletes, that of every film where the film is empty too.
COLUMNS = "userId long, movieId long, rating float, timestamp long, partition int, offset long"


def check_files(session: SparkSession, store: Store, files: Collection[BatchFile]) -> None:
    """Hold the batch files of a place against their manifests, where the workers see them. Raises
    DamagedError.
    """
    if not files:
        return

    def problems(some: Iterable[BatchFile]) -> Iterator[str]:
        batches = BatchFolder(store)
        for file in some:
            # The driver has the file: a worker that does not find it shares no disk with it, and
            # this error says so (NOT_SHARED); the check would call the file damaged.
            store.local_path(file.name).stat()
            try:
                batches.check(file)
            except DamagedError as error:
                yield str(error)

    context = session.sparkContext
    checked = context.parallelize(
        sorted(files, key=lambda file: file.name), min(len(files), context.defaultParallelism)
    )
    found = checked.mapPartitions(problems).collect()
    if found:
        raise DamagedError(found[0])


def read_compacted(session: SparkSession, files: Sequence[Path], partitions: int) -> DataFrame:
    """Of all ratings of one film by one user the last, even if it deletes; a user's are in one
    partition.

    The last is the one with the largest (timestamp, partition, offset), and none is left that lies
    before its user's last erasure, as in `compact`.
    """
    reader = session.read.schema(COLUMNS).options(
        header=True, mode="FAILFAST", ignoreMissingFiles=False
    )
    ratings = reader.option("ignoreCorruptFiles", False).csv([_spark_path(file) for file in files])
    # Of many files workers make the list, and leave out what they do not see.
    if len(ratings.inputFiles()) != len(files):
        raise FitError(NOT_SHARED)
    # No two events have the same (timestamp, partition, offset): the rating, which may be null, is
    # there to come along, and is never compared.
    last = sql.max(sql.struct("timestamp", "partition", "offset", "rating")).alias("last")
    forget = sql.max(sql.when(sql.col("movieId") == NO_ITEM, sql.col("last"))).over(
        Window.partitionBy("userId")
    )
    # One shuffle, by user: grouping and window both find their rows together in it.
    return (
        ratings.na.fill(NO_ITEM, ["movieId"])
        .repartition(partitions, "userId")
        .groupBy("userId", "movieId")
        .agg(last)
        .withColumn("forget", forget)
        .where("forget is null or last >= forget")
        .select(
            "userId", "movieId", "last.rating", "last.timestamp", "last.partition", "last.offset"
        )
    )


def to_columns(batches: Iterable[pa.RecordBatch]) -> EventColumns:
    """The ratings in Arrow's batches of `COLUMNS`."""
    table = pa.Table.from_batches(batches)
    # Not strict: further columns of the table are not wanted.
    names = dict(zip(STORED_COLUMNS, table.column_names, strict=False))
    table = table.set_column(2, "rating", table["rating"].fill_null(np.nan))
    return EventColumns.with_nulls(lambda name: table[names[name]].to_numpy())


def _spark_path(file: Path) -> str:
    """Of this file system whatever the cluster's default is, and of this file alone: Spark reads
    paths as patterns.
    """
    return "file://" + re.sub(r"([\\{}\[\]*?])", r"\\\1", str(file.absolute()))
