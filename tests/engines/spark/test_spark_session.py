"""The session: the one that is there is used, and what goes wrong is said in one sentence."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reelstream.cli.app import invoke
from reelstream.errors import FitError, MissingExtraError, SettingError

pytest.importorskip("pyspark", reason="PySpark is not installed")

from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from reelstream.engines.spark.session import open_session, spark_errors
from spark_session import session_of


@pytest.fixture
def no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which Spark was never started."""
    monkeypatch.setattr(SparkSession, "getActiveSession", classmethod(lambda _: None))
    monkeypatch.setattr(SparkSession, "_instantiatedSession", None)
    for name in ("_active_spark_context", "_gateway", "_jvm"):
        monkeypatch.setattr(SparkContext, name, None)


def test_a_session_that_is_there_is_used(spark_engine: Any) -> None:
    """Whoever has started Spark with their own settings keeps them."""
    running = session_of(spark_engine)
    assert open_session("local[7]", {"spark.driver.memory": "9g"}) is running


def test_a_master_that_does_not_answer_is_named(no_session: None) -> None:
    """At once, instead of after Spark's minute."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        master = f"spark://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(SettingError, match=f"{master} cannot be reached"):
            open_session(master, {})


@pytest.mark.parametrize("where", ["conf", "PYSPARK_SUBMIT_ARGS", "spark-defaults.conf", "MASTER"])
def test_a_master_that_spark_knows_already_is_not_taken_for_this_machine(
    no_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Wherever it is named: a driver that only this machine can reach would wait for workers in
    vain.
    """
    master, conf = "spark://127.0.0.1:1", {}
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    if where == "conf":
        conf = {"spark.master": master}
    elif where == "spark-defaults.conf":
        (tmp_path / where).write_text(
            f"# ours\nspark.eventLog.enabled false\nspark.master   {master}\n"
        )
    else:
        monkeypatch.setenv(
            where, f"--name us --master {master} pyspark-shell" if where != "MASTER" else master
        )
    with pytest.raises(SettingError, match=f"{master} cannot be reached"):
        open_session(None, conf)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ('openjdk version "11.0.2" 2019-01-15', "is Java 11.0.2"),
        ('java version "1.8.0_392"', "is Java 1.8.0_392"),
    ],
)
def test_an_old_java_is_named(
    no_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, sentence: str
) -> None:
    """A Java that fails as old ones do, and says its version."""
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{said}' >&2\ntest \"$1\" = -version\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingExtraError, match=sentence):
        open_session("local[1]", {})


def test_no_java_is_said(no_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Spark is made of is an extra that pip cannot bring."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(MissingExtraError, match="Java 17 or newer, and there is none"):
        open_session("local[1]", {})


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        ("x\njava.lang.OutOfMemoryError: Java heap space", "raise spark.executor.memory"),
        (
            "[PYTHON_VERSION_MISMATCH] Python in worker has different version",
            "set spark.pyspark.python",
        ),
        ("ModuleNotFoundError: No module named 'reelstream'", "--py-files"),
        ("SparkException: Python worker exited unexpectedly (crashed)", "lack of memory"),
        (
            "ImportError: libllvmlite.so: failed to map segment from shared object",
            "a worker's Python ran out of memory",
        ),
        (
            "BlockingIOError: [Errno 11] Resource temporarily unavailable",
            "a worker's Python ran out of memory",
        ),
        (
            "SystemError: <built-in function x> returned NULL without setting an exception",
            "Python ran out of memory",
        ),
        ("SystemError: error return without exception set", "a worker's Python ran out of memory"),
        ("ExecutorLostFailure (executor 1 exited)", "lost again and again"),
        (
            "[FAILED_READ_FILE.FILE_NOT_EXIST] java.io.FileNotFoundException: File file:/x",
            "all of them share",
        ),
        (
            "An error occurred while calling o1.x.\n: java.io.IOException: odd\n\tat x",
            "Spark failed: java.io.IOException: odd",
        ),
        (
            "Job aborted.\nCaused by: java.io.IOException: odd\n  at x",
            "Spark failed: java.io.IOException: odd",
        ),
    ],
)
def test_what_spark_raises_becomes_one_sentence(raised: str, sentence: str) -> None:
    """With what to do about it, where that is known."""
    with pytest.raises(FitError) as caught, spark_errors():
        raise PySparkException(raised)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [("pythonExec", "/nowhere/python"), ("pythonVer", "2.6")]
)
def test_workers_with_another_python_are_said(
    spark_engine: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A Python that is not there, and one of another version, as on a cluster whose machines
    differ.
    """
    context = session_of(spark_engine).sparkContext
    monkeypatch.setattr(context, name, value)
    with pytest.raises(FitError, match=r"set spark\.pyspark\.python"), spark_errors():
        context.parallelize([0], 1).count()


def test_the_python_of_the_workers_is_the_one_that_is_set(
    no_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--conf spark.pyspark.python` counts although nobody called spark-submit."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("PYSPARK_PYTHON", "another")
    with pytest.raises(MissingExtraError):
        open_session("local[1]", {"spark.pyspark.python": "/opt/python"})
    assert os.environ["PYSPARK_PYTHON"] == "/opt/python"


def test_what_a_task_raises_is_said_without_its_traceback(spark_engine: Any) -> None:
    """Whatever nobody has foreseen."""
    context = session_of(spark_engine).sparkContext
    with pytest.raises(FitError) as caught, spark_errors():
        context.parallelize(["odd"], 1).foreach(int)
    assert (
        str(caught.value)
        == "Spark failed in a worker's Python: ValueError: invalid literal for int() with base 10:"
        " 'odd'"
    )


def test_a_worker_without_enough_memory_is_said(spark_engine: Any) -> None:
    """A task that asks for a petabyte."""
    context = session_of(spark_engine).sparkContext
    with pytest.raises(FitError, match="a worker's Python ran out of memory"), spark_errors():
        context.parallelize([0], 1).foreach(lambda _: bytearray(1 << 50))


def test_a_driver_that_may_not_take_the_result_is_said(spark_engine: Any) -> None:
    """A kilobyte is allowed, and a megabyte comes."""
    context = session_of(spark_engine).sparkContext
    settings = context._jsc.sc().conf()
    settings.set("spark.driver.maxResultSize", "1k")
    try:
        with pytest.raises(FitError, match=r"raise spark\.driver\.maxResultSize"), spark_errors():
            context.parallelize([0], 1).map(lambda _: os.urandom(1 << 20)).collect()
    finally:
        settings.remove("spark.driver.maxResultSize")


@pytest.mark.parametrize(
    ("master", "java", "sentence"),
    [
        ("spark://127.0.0.1:1", "/usr", "the Spark master spark://127.0.0.1:1 cannot be reached"),
        ("local[1]", "/nowhere", "Spark needs Java 17 or newer, and there is none"),
    ],
)
def test_a_person_reads_one_sentence(
    no_session: None,
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    master: str,
    java: str,
    sentence: str,
) -> None:
    """And the exit code says that something must be set or installed."""
    monkeypatch.setenv("JAVA_HOME", java)
    assert invoke(["train", "--engine", "spark", "--master", master, "--work", str(work)]) == 2
    said = capfd.readouterr().err
    assert said.splitlines()[-1].startswith(f"reelstream: {sentence}")
    assert "Traceback" not in said


def test_spark_submit_of_an_environment_finds_its_spark() -> None:
    """Also where the environment is not activated: the variable that the documentation names says
    which Python has Spark. Without it the script asks whatever python3 comes first.
    """
    script = Path(sys.executable).parent / "find-spark-home"
    done = subprocess.run(
        ["bash", "-c", 'source "$0"; test -x "$SPARK_HOME/bin/spark-class"', script],
        env={"PATH": "/usr/bin:/bin", "PYSPARK_PYTHON": sys.executable},
        check=False,
    )
    assert done.returncode == 0
