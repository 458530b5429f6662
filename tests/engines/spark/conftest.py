"""What the tests of the Spark engine share: a cluster, and batches to train on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reelstream.cli.app import invoke


@pytest.fixture(scope="session")
def spark_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A master and two workers; each application takes one core of each worker, so that there is
    room for two.
    """
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17: apt-get install openjdk-17-jre-headless")
    pytest.importorskip("pyspark", reason="PySpark is not installed")
    from spark_cluster import SparkCluster  # noqa: PLC0415  (an extra)

    with SparkCluster(tmp_path_factory.mktemp("spark")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory, small_dataset: Path) -> Path:
    """A work folder with two batches, and nothing trained."""
    return batched(tmp_path_factory.mktemp("untrained") / "work", small_dataset, batch_rows=1500)


@pytest.fixture(scope="session")
def untrained_batch(tmp_path_factory: pytest.TempPathFactory, small_dataset: Path) -> Path:
    """The same with a single batch."""
    return batched(tmp_path_factory.mktemp("untrained") / "work", small_dataset, batch_rows=3000)


def batched(work: Path, dataset: Path, batch_rows: int) -> Path:
    """A work folder with the ratings of the data set in batches of that many rows."""
    for arguments in (
        ["produce", "--data", dataset, "--work", work],
        ["batch", "--once", "--batch-rows", batch_rows, "--work", work],
    ):
        assert invoke([str(argument) for argument in arguments]) == 0
    return work


@pytest.fixture
def work(untrained_batch: Path, tmp_path: Path) -> Path:
    """A copy of the folder with one batch, to train in."""
    return Path(shutil.copytree(untrained_batch, tmp_path / "work"))
