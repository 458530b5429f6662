"""A real cluster: what is killed changes nothing, the code comes with the job, and what goes wrong
is said.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import pytest

pytest.importorskip("pyspark", reason="PySpark is not installed")

import cluster_trainer

import reelstream
from reelstream.cli.app import invoke
from reelstream.engines import blocks
from reelstream.engines.interface import Engine
from reelstream.engines.local import LocalEngine
from reelstream.engines.spark.engine import SparkEngine
from reelstream.engines.spark.session import spark_errors
from reelstream.errors import FitError
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.snapshot_store import SnapshotStore
from spark_cluster import MAX_SECONDS, SparkCluster, spark_program
from spark_session import session_of

ROOT = Path(__file__).parents[3]
SOURCE = Path(reelstream.__file__).parent.parent

MANY = 10**6
MODES = {"one task": MANY, "blocks": 0}
"""Up to how many ratings one task fits."""
MID_FIT = {
    "one task": "history/.tmp-*/user_ids.npy",
    "blocks": f"history/.tmp-*/blocks/sweep-{cluster_trainer.SWEEPS + 1}",
}
"""What is there while the second set is being fitted: its history, and what its second sweep
leaves.
"""


@pytest.fixture(scope="module")
def trained_alone(
    untrained_batch: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, Any]:
    """The set of `reelstream train` on this machine."""
    work = shutil.copytree(untrained_batch, tmp_path_factory.mktemp("alone") / "work")
    assert invoke(["train", "--work", str(work)]) == 0
    return published(work)


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has all packages but reelstream."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "packages").mkdir()
    for entry in Path(numpy.__file__).parent.parent.iterdir():
        if "reelstream" not in entry.name and entry.suffix != ".pth":
            (folder / "packages" / entry.name).symlink_to(entry)
    program = folder / "python"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{folder}/packages" exec {sys.executable} -S "$@"\n'
    )
    program.chmod(0o755)
    return program


@pytest.fixture(scope="module", autouse=True)
def _small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_RATINGS", cluster_trainer.BLOCK_RATINGS)
        yield


@pytest.fixture(scope="module")
def on_cluster(spark_cluster: SparkCluster) -> Iterator[SparkEngine]:
    """An engine with a session on the cluster, in this process."""
    engine = SparkEngine(spark_cluster.master, spark_cluster.conf)
    session = session_of(engine)
    assert session.sparkContext.master == spark_cluster.master
    yield engine
    session.stop()


class Undisturbed(NamedTuple):
    """What comes out where nothing is killed."""

    first_set: Path
    """The work folder with the first set, and the second still to be made."""
    both_sets: Path
    """The work folder with both."""


@pytest.fixture(scope="module")
def undisturbed(
    untrained: Path, on_cluster: SparkEngine, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Undisturbed]:
    """Of each mode: of one task on this machine alone, of blocks on the cluster (`test_block_mode`
    compares those with this machine's).
    """
    engines: dict[str, Engine] = {"one task": LocalEngine(), "blocks": on_cluster}
    found = {}
    for mode, engine in engines.items():
        folder = tmp_path_factory.mktemp("undisturbed")
        work = folder / "work"
        shutil.copytree(untrained, work, ignore=shutil.ignore_patterns("*_2.*"))
        cluster_trainer.trainer(work, engine, MODES[mode]).run_once()
        shutil.copytree(untrained, work, dirs_exist_ok=True)
        first_set = Path(shutil.copytree(work, folder / "first_set"))
        cluster_trainer.trainer(work, engine, MODES[mode]).run_once()
        assert list(published(first_set)) == [1]
        assert list(published(work)) == [1, 2]
        found[mode] = Undisturbed(first_set, work)
    return found


def published(work: Path) -> dict[int, Any]:
    """Number -> the checksums of the set's files."""
    return {
        release.number: release.checksums
        for release in ModelSetStore.in_folder(work / "models").all_releases()
    }


def assert_same_sets(work: Path, expected: Path) -> None:
    """Sets and their checksums are the same; of numbers in JSON a failure shows both."""
    for path in (expected / "models").rglob("*.json"):
        found = work / path.relative_to(expected)
        if "_model_set_" in str(path):
            assert json.loads(found.read_bytes()) == json.loads(path.read_bytes()), found
    assert published(work) == published(expected)


@pytest.mark.parametrize("mode", MODES)
def test_an_executor_killed_in_mid_fit_changes_nothing(
    mode: str,
    tmp_path: Path,
    spark_cluster: SparkCluster,
    on_cluster: SparkEngine,
    undisturbed: dict[str, Undisturbed],
) -> None:
    """The cluster loses all executors over the second set, which is as always."""
    work = Path(shutil.copytree(undisturbed[mode].first_set, tmp_path / "work"))
    killed_at: list[float] = []

    def kill() -> None:
        await_path(work, MID_FIT[mode])
        killed_at.append(time.time())
        spark_cluster.kill_executors()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    cluster_trainer.trainer(work, on_cluster, MODES[mode]).run_once()
    killer.join()
    assert killed_at[0] < (work / "models/release_2.json").stat().st_mtime
    assert_same_sets(work, undisturbed[mode].both_sets)
    assert not list(work.rglob(".tmp-*"))


def test_a_driver_killed_in_mid_fit_has_published_nothing(
    tmp_path: Path,
    spark_cluster: SparkCluster,
    on_cluster: SparkEngine,
    undisturbed: dict[str, Undisturbed],
) -> None:
    """The first set stays as it is, nothing of the second can be seen, and the next trainer makes
    it.
    """
    work = Path(shutil.copytree(undisturbed["blocks"].first_set, tmp_path / "work"))
    program = [
        sys.executable,
        cluster_trainer.__file__,
        work,
        spark_cluster.master,
        json.dumps(spark_cluster.conf),
    ]
    driver = subprocess.Popen([str(word) for word in program], start_new_session=True)
    try:
        await_path(work, MID_FIT["blocks"], while_running=driver)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    assert published(work) == published(undisturbed["blocks"].first_set)
    assert sorted(path.name for path in (work / "models").glob("*_1")) == sorted(
        f"{family}_model_set_1"
        for family in ("regression", "classification", "clustering", "choice")
    )
    assert not list((work / "models").glob("*_2*"))
    _, meta = SnapshotStore.in_folder(work / "history").current() or pytest.fail("no history")
    assert meta.manifests == [(1, 1)]

    cluster_trainer.trainer(work, on_cluster, 0).run_once()
    assert_same_sets(work, undisturbed["blocks"].both_sets)
    assert not list(work.rglob(".tmp-*"))


def test_the_package_comes_with_the_job(
    work: Path,
    trained_alone: dict[int, Any],
    spark_cluster: SparkCluster,
    bare_python: Path,
    tmp_path: Path,
) -> None:
    """`--py-files`: neither driver nor executors have reelstream installed, and the set is the
    local engine's.

    The work folder is named from the driver's working directory, which is not the executors'.
    """
    package = tmp_path / "reelstream.zip"
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-c", package, SOURCE / "reelstream"], check=True
    )
    said = run(
        [spark_program("spark-submit"), "--master", spark_cluster.master, "--py-files", package],
        spark_cluster.conf_without_source,
        [ROOT / "spark_training.py", "--work", work.name],
        work.parent,
        PYSPARK_PYTHON=bare_python,
        PYTHONPATH="",
    )
    assert said.returncode == 0, said.stderr
    assert published(work) == trained_alone


WHERE_WORKERS_FIND_IT = """
import json, sys
from reelstream.engines.spark.session import open_session

def place(_):
    import reelstream.engines.spark.block_fit as found
    return found.__file__

context = open_session(sys.argv[1], json.loads(sys.argv[2])).sparkContext
print(context.parallelize([0], 1).map(place).first())
"""


def test_a_whole_environment_comes_with_the_job(
    spark_cluster: SparkCluster, bare_python: Path, tmp_path: Path
) -> None:
    """An archive: the executors' Python is the one in it, and finds reelstream there."""
    environment = tmp_path / "environment"
    shutil.copytree(SOURCE / "reelstream", environment / "lib" / "reelstream")
    program = environment / "bin" / "python"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH="$PWD/environment/lib" exec {bare_python} "$@"\n')
    program.chmod(0o755)
    archive = shutil.make_archive(str(environment), "gztar", environment)
    conf = spark_cluster.conf_without_source | {
        "spark.archives": f"{archive}#environment",
        "spark.pyspark.python": "./environment/bin/python",
    }
    command = [sys.executable, "-c", WHERE_WORKERS_FIND_IT, spark_cluster.master]
    said = run([*command, json.dumps(conf)], {}, [])
    assert said.returncode == 0, said.stderr
    found = Path(said.stdout.strip())
    assert found.is_relative_to(spark_cluster.folder)
    assert "environment/lib/reelstream" in str(found)


def test_what_workers_lack_is_said(
    work: Path, spark_cluster: SparkCluster, bare_python: Path
) -> None:
    """One sentence with what to do, and no traceback, neither Python's nor Java's; nothing is
    published.
    """
    said = run(
        [
            sys.executable,
            "-m",
            "reelstream",
            "train",
            "--engine",
            "spark",
            "--master",
            spark_cluster.master,
        ],
        spark_cluster.conf_without_source,
        ["--conf", f"spark.pyspark.python={bare_python}", "--work", work],
        PYSPARK_PYTHON=sys.executable,
    )
    assert said.returncode == 1
    sentence = (
        "reelstream: the workers' Python lacks a package: install reelstream there, or send it"
    )
    assert said.stderr.splitlines()[-1].startswith(sentence)
    assert "Traceback" not in said.stderr
    assert "\tat " not in said.stderr
    assert published(work) == {}


def test_executors_that_die_again_and_again_are_said(on_cluster: SparkEngine) -> None:
    """A task whose Python kills its executor, as the kernel does with the largest process when
    memory runs out.
    """

    def kill_executor(_: int) -> None:
        daemon = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()
        os.kill(int(daemon[1]), signal.SIGKILL)

    context = session_of(on_cluster).sparkContext
    with pytest.raises(FitError, match="executors were lost again and again"), spark_errors():
        context.parallelize([0], 1).foreach(kill_executor)


def test_a_heap_that_is_too_small_is_said(on_cluster: SparkEngine) -> None:
    """A task that wants two gigabytes at once of an executor that has a third of them."""
    session = session_of(on_cluster)
    with (
        pytest.raises(FitError, match=r"(raise|give them more) spark\.executor\.memory"),
        spark_errors(),
    ):
        session.range(1).selectExpr("length(repeat(cast(id as string), 2000000000)) as n").collect()


def run(
    before: Sequence[object],
    conf: Mapping[str, str],
    after: Sequence[object],
    cwd: Path | None = None,
    **environment: object,
) -> subprocess.CompletedProcess[str]:
    """A command with these settings of Spark, run to its end."""
    settings = [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
    return subprocess.run(
        [str(word) for word in (*before, *settings, *after)],
        cwd=cwd,
        env=os.environ | {name: str(value) for name, value in environment.items()},
        capture_output=True,
        text=True,
        timeout=MAX_SECONDS,
        check=False,
    )


def await_path(
    work: Path, pattern: str, while_running: subprocess.Popen[bytes] | None = None
) -> None:
    """Until the pattern names something in the work folder."""
    deadline = time.monotonic() + MAX_SECONDS
    while not any(work.glob(pattern)):
        assert time.monotonic() < deadline, f"there is no {pattern} yet"
        assert while_running is None or while_running.poll() is None, "the driver ended too soon"
        time.sleep(0.005)
