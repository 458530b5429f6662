"""The Spark engine: Spark prepares the ratings and fits; the result is that of the local engine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace

from pyspark.sql import DataFrame, SparkSession

from reelstream.engines.interface import FitJob, FittedModels, SnapshotJob
from reelstream.engines.spark.block_fit import fit_in_blocks
from reelstream.engines.spark.frames import check_files, read_compacted
from reelstream.engines.spark.layout import write_history
from reelstream.engines.spark.one_task import fit_in_one_task
from reelstream.engines.spark.session import open_session, spark_errors
from reelstream.errors import NothingToLearnError
from reelstream.files import temporary_path
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.storage.batch_files import BatchFile
from reelstream.storage.snapshot import write_snapshot

PARTITION_RATINGS = 1_000_000
"""About how many ratings Spark sorts at once."""


class SparkEngine:
    """Fits on a Spark cluster whose machines share the work folder."""

    name = "spark"

    def __init__(self, master: str | None = None, conf: Mapping[str, str] | None = None) -> None:
        """`master` and `conf` as in `open_session`."""
        self._master, self._conf = master, dict(conf or {})
        self._checked: set[BatchFile] = set()
        self._opened: SparkSession | None = None

    def prepare(self) -> None:
        """Start Spark, and a worker's Python with all that a fit needs."""
        with spark_errors():
            self._session().sparkContext.parallelize([0], 1).foreach(_import_all)

    def write_history(self, job: SnapshotJob) -> None:
        """See `Engine.write_history`."""
        if not any(manifest.files for manifest in job.manifests):
            write_snapshot(Histories.of(EventColumns.empty()), job.history_out)
            return
        with spark_errors():
            write_history(self._read(job), job.history_out.absolute())

    def fit(self, job: FitJob) -> FittedModels:
        """See `Engine.fit`."""
        if not any(manifest.files for manifest in job.manifests):
            raise NothingToLearnError
        # A task has another working directory than this process.
        job = replace(job, history_out=job.history_out.absolute())
        scratch = temporary_path(job.history_out)
        scratch.mkdir()
        try:
            with spark_errors():
                if _rows(job) > job.parameters.one_task_ratings:
                    return fit_in_blocks(self._read(job), job, scratch)
                return fit_in_one_task(self._read(job, partitions=1), job, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)  # what is mapped stays readable

    def _read(self, job: SnapshotJob, partitions: int | None = None) -> DataFrame:
        """The settled ratings of the job's batches, checked once in the life of this process.
        Raises DamagedError.
        """
        session = self._session()
        paths = [path for manifest in job.manifests for path in job.batches.rating_files(manifest)]
        files = {file for manifest in job.manifests for file in manifest.files}
        check_files(session, job.batches.path, files - self._checked)
        self._checked |= files
        if partitions is None:
            partitions = max(
                session.sparkContext.defaultParallelism, _rows(job) // PARTITION_RATINGS
            )
        return read_compacted(session, paths, partitions)

    def _session(self) -> SparkSession:
        if self._opened is None or self._opened.sparkContext._jsc is None:
            self._opened = open_session(self._master, self._conf)
        return self._opened


def _rows(job: SnapshotJob) -> int:
    return sum(manifest.rows for manifest in job.manifests)


def _import_all(_: int) -> None:
    import reelstream.engines.spark.block_fit  # noqa: F401, PLC0415
