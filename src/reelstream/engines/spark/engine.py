"""The Spark engine: Spark prepares the ratings and fits; the result is that of the local engine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from pyspark.sql import SparkSession

from reelstream.engines.interface import FitJob, FittedModels, HistoryJob
from reelstream.engines.spark.block_fit import fit_in_blocks
from reelstream.engines.spark.frames import read_settled
from reelstream.engines.spark.layout import write_history
from reelstream.engines.spark.one_task import RESULT, load_models, task_of
from reelstream.engines.spark.session import open_session, spark_errors
from reelstream.errors import NothingToLearnError
from reelstream.files import temporary_path
from reelstream.ratings import RatingColumns
from reelstream.storage.history import History

PARTITION_RATINGS = 1_000_000
"""About how many ratings Spark sorts at once."""


class SparkEngine:
    """Fits on a Spark cluster whose machines share the work folder."""

    name = "spark"

    def __init__(
        self,
        master: str | None = None,
        conf: Mapping[str, str] | None = None,
        one_task_ratings: int = 5_000_000,
    ) -> None:
        """`master` and `conf` as in `open_session`; up to `one_task_ratings` one task runs the whole chain.

        A sweep of so many takes one task about as long as Spark takes to start and end a job.
        """
        self._master, self._conf, self._one_task_ratings = master, dict(conf or {}), one_task_ratings
        self._opened: SparkSession | None = None

    def prepare(self) -> None:
        """Start Spark, and a worker's Python with all that a fit needs."""
        with spark_errors():
            self._session().sparkContext.parallelize([0], 1).foreach(_import_all)

    def write_history(self, job: HistoryJob) -> None:
        """See `Engine.write_history`."""
        files = _rating_files(job)
        if not files:
            History.of(RatingColumns.empty()).save(job.history_out)
            return
        session = self._session()
        with spark_errors():
            write_history(read_settled(session, files, _partitions(session, job)), job.history_out)

    def fit(self, job: FitJob) -> FittedModels:
        """See `Engine.fit`."""
        files = _rating_files(job)
        if not files:
            raise NothingToLearnError
        session = self._session()
        scratch = temporary_path(job.history_out)
        scratch.mkdir()
        try:
            with spark_errors():
                if _rows(job) > self._one_task_ratings:
                    return fit_in_blocks(read_settled(session, files, _partitions(session, job)), job, scratch)
                said = read_settled(session, files, 1).mapInArrow(task_of(job, scratch), RESULT).collect()
            if not said[0].is_fitted:
                raise NothingToLearnError
            return load_models(scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)  # what is mapped stays readable

    def _session(self) -> SparkSession:
        if self._opened is None or self._opened.sparkContext._jsc is None:
            self._opened = open_session(self._master, self._conf)
        return self._opened


def _rating_files(job: HistoryJob) -> list[Path]:
    return [path for manifest in job.manifests for path in job.batches.rating_files(manifest)]


def _rows(job: HistoryJob) -> int:
    return sum(manifest.rows for manifest in job.manifests)


def _partitions(session: SparkSession, job: HistoryJob) -> int:
    return max(session.sparkContext.defaultParallelism, _rows(job) // PARTITION_RATINGS)


def _import_all(_: int) -> None:
    import reelstream.engines.spark.block_fit  # noqa: F401, PLC0415
