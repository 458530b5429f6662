"""Ratings as Spark reads them: from the files of the batches to those that count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as sql

from reelstream.ratings import EVERY_ITEM, RatingColumns

COLUMNS = "userId long, movieId long, rating float, timestamp long, partition int, offset long"
"""Of a batch file; an empty rating deletes, that of every film where the film is empty too."""


def read_settled(session: SparkSession, files: Sequence[Path], partitions: int) -> DataFrame:
    """Of all ratings of one film by one user the last, even if it deletes; a user's are in one partition.

    The last is the one with the largest (timestamp, partition, offset), and none is left that lies before its user's last
    forget, as in `RatingColumns.settled`.
    """
    ratings = session.read.schema(COLUMNS).csv([str(file) for file in files], header=True, mode="FAILFAST")
    last = sql.max(sql.struct("timestamp", "partition", "offset", "rating")).alias("last")
    forget = sql.max(sql.when(sql.col("movieId") == EVERY_ITEM, sql.col("last"))).over(Window.partitionBy("userId"))
    return (
        ratings.na.fill(EVERY_ITEM, ["movieId"])
        .repartition(partitions, "userId")
        .groupBy("userId", "movieId")
        .agg(last)
        .withColumn("forget", forget)
        .where("forget is null or last >= forget")
        .select("userId", "movieId", "last.rating", "last.timestamp", "last.partition", "last.offset")
    )


def to_columns(batches: Iterable[pa.RecordBatch]) -> RatingColumns:
    """The ratings in Arrow's batches of `COLUMNS`."""
    table = pa.Table.from_batches(batches)
    columns = {name: table[name] for name in table.column_names}
    columns["rating"] = columns["rating"].fill_null(np.nan)
    return RatingColumns.of(*(column.to_numpy() for column in columns.values()))
