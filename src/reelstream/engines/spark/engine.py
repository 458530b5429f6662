"""The Spark engine: Spark prepares the ratings and fits; the result is that of the local engine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from pyspark.sql import SparkSession

from reelstream.engines.interface import FitJob, FittedModels
from reelstream.engines.spark.block_fit import fit_in_blocks
from reelstream.engines.spark.frames import read_settled
from reelstream.engines.spark.one_task import RESULT, load_models, task_of
from reelstream.engines.spark.session import open_session, spark_errors
from reelstream.errors import FitError
from reelstream.files import temporary_path

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

    def fit(self, job: FitJob) -> FittedModels:
        """See `Engine.fit`."""
        files = [path for manifest in job.manifests for path in job.batches.rating_files(manifest)]
        session = self._session()
        scratch = temporary_path(job.history_out)
        scratch.mkdir()
        try:
            with spark_errors():
                n = sum(manifest.rows for manifest in job.manifests)
                if n > self._one_task_ratings:
                    partitions = max(session.sparkContext.defaultParallelism, n // PARTITION_RATINGS)
                    return fit_in_blocks(read_settled(session, files, partitions), job, scratch)
                said = read_settled(session, files, 1).mapInArrow(task_of(job, scratch), RESULT).collect()
            if said[0].problem:
                raise FitError(said[0].problem)
            return load_models(scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)  # what is mapped stays readable

    def _session(self) -> SparkSession:
        if self._opened is None or self._opened.sparkContext._jsc is None:
            self._opened = open_session(self._master, self._conf)
        return self._opened


def _import_all(_: int) -> None:
    import reelstream.engines.spark.block_fit  # noqa: F401, PLC0415
