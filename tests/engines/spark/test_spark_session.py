"""The session: the one that is there is used, and what goes wrong is said in one sentence."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from reelstream.errors import FitError, MissingExtraError, SettingError

pytest.importorskip("pyspark", reason="PySpark is not installed")

from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from reelstream.engines.spark.session import open_session, spark_errors


@pytest.fixture
def no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which Spark was never started."""
    monkeypatch.setattr(SparkSession, "getActiveSession", classmethod(lambda _: None))
    monkeypatch.setattr(SparkSession, "_instantiatedSession", None)
    for name in ("_active_spark_context", "_gateway", "_jvm"):
        monkeypatch.setattr(SparkContext, name, None)


def test_a_session_that_is_there_is_used(spark_engine: Any) -> None:
    """Whoever has started Spark with their own settings keeps them."""
    running = spark_engine._session()
    assert open_session("local[7]", {"spark.driver.memory": "9g"}) is running


def test_a_master_that_does_not_answer_is_named(no_session: None) -> None:
    """At once, instead of after Spark's minute."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        master = f"spark://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(SettingError, match=f"{master} cannot be reached"):
            open_session(master, {})


@pytest.mark.parametrize(
    ("said", "sentence"),
    [('openjdk version "11.0.2" 2019-01-15', "is Java 11.0.2"), ('java version "1.8.0_392"', "is Java 1.8.0_392")],
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
        ("[PYTHON_VERSION_MISMATCH] Python in worker has different version", "set spark.pyspark.python"),
        ("ModuleNotFoundError: No module named 'reelstream'", "--py-files"),
        ("SparkException: Python worker exited unexpectedly (crashed)", "lack of memory"),
        ("ExecutorLostFailure (executor 1 exited)", "lost again and again"),
        ("Job aborted.\nCaused by: java.io.IOException: odd\n  at x", "Spark failed: java.io.IOException: odd"),
    ],
)
def test_what_spark_raises_becomes_one_sentence(raised: str, sentence: str) -> None:
    """With what to do about it, where that is known."""
    with pytest.raises(FitError) as caught, spark_errors():
        raise PySparkException(raised)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_workers_with_another_python_are_said(spark_engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that is not there, as on a cluster whose machines differ."""
    context = spark_engine._session().sparkContext
    monkeypatch.setattr(context, "pythonExec", os.fspath(Path("/nowhere/python")))
    with pytest.raises(FitError, match=r"set spark\.pyspark\.python"), spark_errors():
        context.parallelize([0], 1).count()
