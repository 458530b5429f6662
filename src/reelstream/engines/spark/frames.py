"""Ratings as Spark reads them: from the files of the batches to those that count."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as sql

from reelstream.engines.spark.session import NOT_SHARED
from reelstream.errors import DamagedError, FitError
from reelstream.ratings.columns import NO_ITEM, EventColumns
from reelstream.storage.batch_files import BatchFile, BatchFolder
from reelstream.storage.snapshot import RATINGS, STORED_COLUMNS
from reelstream.storage.store import Store

# The columns of a batch file whose ids may be texts.
_ID_COLUMNS = {"user": "userId", "item": "movieId"}
# Of a batch file; an empty rating deletes, that of every film where the film is empty too, and one
# that is NaN dismisses.
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


def read_compacted(
    session: SparkSession, files: Sequence[Path], partitions: int, text_ids: Collection[str] = ()
) -> DataFrame:
    """Of all ratings of one film by one user the last, even if it deletes; a user's are in one
    partition. Ids of the roles `text_ids`, `user` and `item`, are texts in the files.

    The last is the one with the largest (timestamp, partition, offset), and none is left that lies
    before its user's last erasure, as in `compact`.
    """
    texts = [_ID_COLUMNS[role] for role in text_ids]
    schema = COLUMNS
    for name in texts:
        schema = schema.replace(f"{name} long", f"{name} string")
    # Quotes within a text are doubled.
    reader = session.read.schema(schema).options(
        header=True, mode="FAILFAST", ignoreMissingFiles=False, escape='"'
    )
    ratings = reader.option("ignoreCorruptFiles", False).csv([_spark_path(file) for file in files])
    # Of many files workers make the list, and leave out what they do not see.
    if len(ratings.inputFiles()) != len(files):
        raise FitError(NOT_SHARED)
    for name in texts:
        ratings = ratings.withColumn(name, _hash_of(sql.col(name)))
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


def _hash_of(text: Column) -> Column:
    """What `ratings.ids.hash_of` makes of a text, in SQL; null stays null."""
    digits = sql.sha2(text, 256)
    # 32 bits at a time, as all 63 would overflow on their way.
    high, low = (sql.conv(sql.substring(digits, at, 8), 16, 10).cast("long") for at in (1, 9))
    return high * 2**31 + sql.shiftright(low, 1)


def to_columns(batches: Iterable[pa.RecordBatch]) -> EventColumns:
    """The ratings in Arrow's batches of `COLUMNS`."""
    table = pa.Table.from_batches(batches)
    # Not strict: further columns of the table are not wanted.
    names = dict(zip(STORED_COLUMNS[RATINGS], table.column_names, strict=False))
    is_dismissal = pc.is_nan(table["rating"]).fill_null(False).to_numpy()
    table = table.set_column(2, "rating", table["rating"].fill_null(np.nan))
    return EventColumns.with_nulls(lambda name: table[names[name]].to_numpy(), is_dismissal)


def _spark_path(file: Path) -> str:
    """Of this file system whatever the cluster's default is, and of this file alone: Spark reads
    paths as patterns.
    """
    return "file://" + re.sub(r"([\\{}\[\]*?])", r"\\\1", str(file.absolute()))
