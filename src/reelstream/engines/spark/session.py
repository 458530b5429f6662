"""A Spark session, and one sentence for everything that goes wrong with it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from reelstream.compute.native_threads import NATIVE_THREADS
from reelstream.errors import FitError, MissingExtraError, SettingError

# Of Spark 4.
MIN_JAVA = 17
CONNECT_SECONDS = 5.0

# For a master on this machine: nothing listens for others.
_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}
# Whatever fails arrives as an exception, without Java's traces on the way.
_QUIET = {"spark.ui.showConsoleProgress": "false", "spark.log.level": "FATAL"}
# What a worker's libraries read when they are loaded.
_WORKERS = {f"spark.executorEnv.{name}": value for name, value in NATIVE_THREADS.items()}
_TOO_SMALL = (
    "a worker's Python ran out of memory: give the executors more, or have fewer cores on each"
)
NOT_SHARED = (
    "the workers do not find the files of the work folder: it must lie on a disk that all of them"
    " share"
)
# What stands in an error -> what to do about it; the first that is found counts.
_SENTENCES = {
    "NoSuchMethodError": (
        "the Spark of the cluster is another version than PySpark here: install the cluster's"
        " version"
    ),
    "PYTHON_VERSION_MISMATCH": (
        "the workers run another Python than this one: set spark.pyspark.python to a Python "
        f"{platform.python_version().rpartition('.')[0]}"
    ),
    "ModuleNotFoundError": (
        "the workers' Python lacks a package: install reelstream there, or send it along with "
        "--py-files and --archives"
    ),
    "Cannot run program": (
        "the workers have no such Python: set spark.pyspark.python to one that is there"
    ),
    "OutOfMemoryError": (
        "Spark ran out of memory: raise spark.executor.memory or spark.driver.memory"
    ),
    "MemoryError": _TOO_SMALL,
    "failed to map segment": _TOO_SMALL,  # a library that no longer fits
    "Resource temporarily unavailable": _TOO_SMALL,  # a thread whose stack no longer fits
    "without setting an exception": _TOO_SMALL,  # a SystemError: not even an exception fits
    "without exception set": _TOO_SMALL,  # the same in other words
    "No space left on device": (
        "a disk is full: free some space, or set spark.local.dir to another disk"
    ),
    "exited unexpectedly": (
        "a worker's Python was killed, most likely for lack of memory: give the executors more "
        "spark.executor.memoryOverhead"
    ),
    "ExecutorLostFailure": (
        "executors were lost again and again, most likely for lack of memory: give them more "
        "spark.executor.memory, or spark.executor.memoryOverhead"
    ),
    "maxResultSize": (
        "there are too many films and users for the driver: raise spark.driver.maxResultSize and "
        "spark.driver.memory"
    ),
    "SparkContext was shut down": (
        "the connection to the Spark cluster was lost: look at the master's log"
    ),
    "stopped SparkContext": (
        "the connection to the Spark cluster was lost: look at the master's log"
    ),
    "PATH_NOT_FOUND": NOT_SHARED,
    "FILE_NOT_EXIST": NOT_SHARED,
    "FileNotFoundError": NOT_SHARED,
}


def open_session(master: str | None, conf: Mapping[str, str]) -> SparkSession:
    """The session of this process: the one that is there already, or a new one on `master`.

    Without a master, Spark's own settings say where it runs, by default on all cores of this
    machine. `conf` are settings of Spark. Raises SettingError when the master cannot be reached,
    MissingExtraError when there is no suitable Java.
    """
    active = SparkSession.getActiveSession()
    # A stopped session can still be the active one: it has no `_jsc`.
    if active is not None and active.sparkContext._jsc is not None:
        return active
    # spark-submit has chosen where and with what
    is_submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    wanted = master or (None if is_submitted else _named_master(conf))
    is_local = not is_submitted and (wanted or "local").startswith("local")
    settings = {
        **_WORKERS,
        **({} if is_submitted else _QUIET),
        **(_LOCAL if is_local else {}),
        **conf,
    }
    if wanted is not None:
        _check_reachable(wanted)
        settings["spark.master"] = wanted
    if (workers_python := conf.get("spark.pyspark.python")) is not None:
        # PySpark heeds the setting under spark-submit only
        os.environ["PYSPARK_PYTHON"] = workers_python
    elif is_local:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("reelstream")
    for name, value in settings.items():
        builder = builder.config(name, value)
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        with spark_errors():
            session = builder.getOrCreate()
    except FitError:
        if not is_submitted:
            _check_java()
        raise
    finally:
        if SparkContext._active_spark_context is not None:
            _keep_signal(interrupt)
    if not is_submitted and "spark.log.level" not in conf:
        _let_scheduler_warn(session.sparkContext)
    return session


@contextmanager
def spark_errors() -> Iterator[None]:
    """Raises FitError for what Spark raises: one sentence, what to do in it where the cause is
    known.
    """
    try:
        yield
    except (PySparkException, Py4JError, ConnectionError) as error:
        raise FitError(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    text = str(error)
    for sign, sentence in _SENTENCES.items():
        if sign in text:
            return sentence
    _, in_python, trace = text.partition("Traceback (most recent call last):\n")
    if in_python:
        return (
            "Spark failed in a worker's Python:"
            f" {next((line for line in trace.splitlines() if line[:1].strip()), '')}"
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    # by Java, under Py4J's own words
    raised = [line.removeprefix(": ") for line in lines if line.startswith(": ")]
    return f"Spark failed: {[*lines[:1], *raised[:1], *causes][-1]}"


def _named_master(conf: Mapping[str, str]) -> str | None:
    """Where Spark itself would run: the first of these settings, PySpark's arguments, Spark's
    defaults, and MASTER.
    """
    arguments = os.environ.get("PYSPARK_SUBMIT_ARGS", "")
    folder = Path(
        os.environ.get("SPARK_CONF_DIR") or Path(os.environ.get("SPARK_HOME", "")) / "conf"
    )
    defaults = folder / "spark-defaults.conf"
    lines = defaults.read_text() if defaults.is_file() else ""
    named = [
        conf.get("spark.master"),
        *re.findall(r"""(?:--master[\s=]+|spark\.master=)["']?([^\s"']+)""", arguments),
        *re.findall(r"^\s*spark\.master[\s=:]+(\S+)", lines, re.MULTILINE),
        os.environ.get("MASTER"),
    ]
    return next(filter(None, named), None)


def _check_reachable(master: str) -> None:
    """Spark itself would try for a minute. Raises SettingError."""
    if not master.startswith("spark://"):
        return
    reasons = []
    # of masters that stand by for each other one will do
    for address in master.removeprefix("spark://").split(","):
        try:
            parts = urlsplit(f"//{address}")
            with closing(
                socket.create_connection(
                    (parts.hostname or "", parts.port or 7077), CONNECT_SECONDS
                )
            ):
                return
        except (OSError, ValueError) as error:
            reasons.append(str(error))
    raise SettingError(
        f"the Spark master {master} cannot be reached ({reasons[-1]}): start it, or name another"
    )


def _check_java() -> None:
    """Raises MissingExtraError when Java is why the session did not start."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    needed = f"Spark needs Java {MIN_JAVA} or newer"
    if java is None or not Path(java).exists():
        raise MissingExtraError(f"{needed}, and there is none: install it, or set JAVA_HOME")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = said.partition('"')[2].partition('"')[0]
    number = version.removeprefix("1.").partition(".")[0].partition("-")[0]
    if number.isdecimal() and int(number) < MIN_JAVA:
        raise MissingExtraError(
            f"{needed}, and {java} is Java {version}: install a newer one, or set JAVA_HOME"
        )


def _let_scheduler_warn(context: SparkContext) -> None:
    """That no worker has room, or that one was lost, is in no exception."""
    jvm: Any = context._jvm
    log4j = jvm.org.apache.logging.log4j
    log4j.core.config.Configurator.setLevel(
        "org.apache.spark.scheduler.TaskSchedulerImpl", log4j.Level.WARN
    )


def _keep_signal(handler: object) -> None:
    """Give Ctrl-C back to the program that opened the session: Spark takes it for itself."""
    # elsewhere Spark leaves the signal alone as well
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and (callable(handler) or isinstance(handler, signal.Handlers)):
        signal.signal(signal.SIGINT, handler)
