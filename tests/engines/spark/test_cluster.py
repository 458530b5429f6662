"""A real cluster: what is killed changes nothing, the code comes with the job, and what goes wrong is said."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cluster_trainer
import pytest

from reelstream.cli.app import invoke
from reelstream.engines import block_chain
from reelstream.engines.interface import Engine
from reelstream.engines.local import LocalEngine
from reelstream.storage.history_store import HistoryStore
from reelstream.storage.model_registry import ModelRegistry
from spark_cluster import LONGEST_SECONDS, SparkCluster

MANY = 10**6
MODES = {"one task": MANY, "blocks": 0}
"""Up to how many ratings one task fits."""
MID_FIT = {
    "one task": "history/.tmp-*/user_ids.npy",
    "blocks": f"history/.tmp-*/blocks/sweep-{cluster_trainer.SWEEPS + 2}",
}
"""What is there while the second set is being fitted: its history, and what its third sweep leaves."""


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory, small_dataset: Path) -> Path:
    """A work folder with two batches, and nothing trained yet; tests copy it."""
    work = tmp_path_factory.mktemp("batches") / "work"
    for arguments in (
        ["produce", "--data", small_dataset, "--work", work],
        ["batch", "--once", "--batch-rows", 1500, "--work", work],
    ):
        assert invoke([str(argument) for argument in arguments]) == 0
    return work


@pytest.fixture
def work(batches: Path, tmp_path: Path) -> Path:
    """One to train in."""
    return Path(shutil.copytree(batches, tmp_path / "work"))


@pytest.fixture(scope="module")
def undisturbed(
    batches: Path, spark_engine: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[int, Any]]:
    """Of each mode the sets that this machine alone makes."""
    from reelstream.engines.spark.engine import SparkEngine  # noqa: PLC0415  (an extra)

    in_blocks = SparkEngine(one_task_ratings=0)
    in_blocks._opened = spark_engine._session()
    engines: dict[str, Engine] = {"one task": LocalEngine(), "blocks": in_blocks}
    sets = {}
    for mode, engine in engines.items():
        work = shutil.copytree(batches, tmp_path_factory.mktemp("undisturbed") / "work")
        cluster_trainer.trainer(work, engine).run_once()
        sets[mode] = published(work)
        assert list(sets[mode]) == [1, 2]
    return sets


@pytest.fixture(scope="module", autouse=True)
def _small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_chain, "BLOCK_RATINGS", cluster_trainer.BLOCK_RATINGS)
        yield


@pytest.fixture(scope="module")
def on_cluster(spark_cluster: SparkCluster, undisturbed: object, spark_engine: Any) -> Iterator[Callable[[int], Any]]:
    """Engines with a session on the cluster, in this process; the one on this machine's cores makes room meanwhile."""
    from reelstream.engines.spark.engine import SparkEngine  # noqa: PLC0415  (an extra)

    spark_engine._session().stop()
    first = SparkEngine(spark_cluster.master, spark_cluster.conf)
    session = first._session()
    assert session.sparkContext.master == spark_cluster.master
    yield lambda one_task_ratings: SparkEngine(spark_cluster.master, one_task_ratings=one_task_ratings)
    session.stop()


def published(work: Path) -> dict[int, Any]:
    """Number -> the checksums of the set's files."""
    return {release.number: release.checksums for release in ModelRegistry(work / "models").all_releases()}


@pytest.mark.parametrize("mode", MODES)
def test_an_executor_killed_in_mid_fit_changes_nothing(
    mode: str, work: Path, spark_cluster: SparkCluster, on_cluster: Callable[[int], Any], undisturbed: dict[str, Any]
) -> None:
    """The cluster makes the first set undisturbed, and loses all executors over the second: both are as always."""
    killed_at: list[float] = []

    def kill() -> None:
        await_paths(work, "history/CURRENT", MID_FIT[mode])
        killed_at.append(time.time())
        spark_cluster.kill_executors()

    killer = threading.Thread(target=kill)
    killer.start()
    cluster_trainer.trainer(work, on_cluster(MODES[mode])).run_once()
    killer.join()
    assert published(work) == undisturbed[mode]
    assert not list(work.rglob(".tmp-*"))


def test_a_driver_killed_in_mid_fit_has_published_nothing(
    work: Path, spark_cluster: SparkCluster, on_cluster: Callable[[int], Any], undisturbed: dict[str, Any]
) -> None:
    """The first set stays as it is, nothing of the second can be seen, and the next trainer makes it."""
    program = [sys.executable, cluster_trainer.__file__, work, spark_cluster.master, json.dumps(spark_cluster.conf)]
    driver = subprocess.Popen([str(word) for word in program], start_new_session=True)
    try:
        await_paths(work, "history/CURRENT", MID_FIT["blocks"], while_running=driver)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    first = {1: undisturbed["blocks"][1]}
    assert published(work) == first
    assert sorted(path.name for path in (work / "models").glob("*_1")) == sorted(
        f"{family}_model_set_1" for family in ("regression", "classification", "clustering")
    )
    assert not list((work / "models").glob("*_2*"))
    _, meta = HistoryStore(work / "history").current() or pytest.fail("no history")
    assert meta.manifests == [(1, 1)]

    cluster_trainer.trainer(work, on_cluster(0)).run_once()
    assert published(work) == undisturbed["blocks"]
    assert not list(work.rglob(".tmp-*"))


def await_paths(work: Path, *patterns: str, while_running: subprocess.Popen[bytes] | None = None) -> None:
    """Until each pattern names something in the work folder."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while not all(any(work.glob(pattern)) for pattern in patterns):
        assert time.monotonic() < deadline, f"there is no {patterns} yet"
        assert while_running is None or while_running.poll() is None, "the driver ended too soon"
        time.sleep(0.005)
