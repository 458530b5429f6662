"""The Spark engine: Spark compacts the ratings and fits; the result is the local engine's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from reelstream.engines.interface import FitJob, SnapshotJob
from reelstream.engines.spark.block_fit import fit_in_blocks
from reelstream.engines.spark.frames import check_files, read_compacted
from reelstream.engines.spark.one_task import fit_in_one_task
from reelstream.engines.spark.session import open_session, spark_errors
from reelstream.engines.spark.snapshot import write_in_one_task, write_in_parts
from reelstream.files import remove_shared_folder, temporary_path
from reelstream.models.bundle import ModelBundle
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.storage.batch_files import BatchFile
from reelstream.storage.snapshot import write_snapshot

# About how many rows of batches Spark sorts at once.
PARTITION_ROWS = 1_000_000
# Up to so many rows of batches one task writes the snapshot.
ONE_TASK_ROWS = 5_000_000


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

    def write_snapshot(self, job: SnapshotJob) -> None:
        """See `Engine.write_snapshot`."""
        if not any(manifest.files for manifest in job.manifests):
            write_snapshot(Histories.of(EventColumns.empty()), job.out)
            return
        # A task has another working directory than this process.
        out, rows = job.out.absolute(), sum(manifest.rows for manifest in job.manifests)
        with spark_errors():
            if rows > ONE_TASK_ROWS:
                cores = self._session().sparkContext.defaultParallelism
                write_in_parts(self._read(job, max(cores, rows // PARTITION_ROWS)), out)
                return
            with _scratch_beside(out) as scratch:
                write_in_one_task(self._read(job, 1), scratch, out)

    def fit(self, job: FitJob) -> ModelBundle:
        """See `Engine.fit`."""
        job = replace(job, snapshot=job.snapshot.absolute())
        in_blocks = job.batch_rows > job.context.parameters.one_task_ratings
        fit = fit_in_blocks if in_blocks else fit_in_one_task
        with spark_errors(), _scratch_beside(job.snapshot) as scratch:
            return fit(self._session(), job, scratch)

    def _read(self, job: SnapshotJob, partitions: int) -> DataFrame:
        """The compacted events of the job's batches.

        Each file is checked once in the life of this process. Raises DamagedError.
        """
        session = self._session()
        paths = [path for manifest in job.manifests for path in job.batches.rating_files(manifest)]
        files = {file for manifest in job.manifests for file in manifest.files}
        check_files(session, job.batches.store, files - self._checked)
        self._checked |= files
        text_ids = {role for manifest in job.manifests for role in manifest.text_ids}
        return read_compacted(session, paths, partitions, text_ids)

    def _session(self) -> SparkSession:
        if self._opened is None or self._opened.sparkContext._jsc is None:
            self._opened = open_session(self._master, self._conf)
        return self._opened


@contextmanager
def _scratch_beside(folder: Path) -> Iterator[Path]:
    """A folder that all machines see, for as long as it is needed."""
    scratch = temporary_path(folder)
    scratch.mkdir()
    try:
        yield scratch
    finally:
        with suppress(OSError):  # the next sweep removes what cannot be removed now
            remove_shared_folder(scratch)  # what is mapped stays readable


def _import_all(_: int) -> None:
    # In the worker, whose Python Spark uses again for later tasks.
    import reelstream.engines.spark.block_fit  # noqa: F401, PLC0415
