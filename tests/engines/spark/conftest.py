"""A Spark cluster that all tests here share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spark_cluster import SparkCluster, why_not


@pytest.fixture(scope="session")
def spark_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    """A master and two workers; each application takes one core of each worker, so that there is room for two."""
    if reason := why_not():
        pytest.skip(reason)
    with SparkCluster(tmp_path_factory.mktemp("spark")) as cluster:
        yield cluster
