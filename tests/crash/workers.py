"""Producers and batch writers in processes of their own, which kill or stop themselves or are
killed.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from dying import work

from streams import Stream

HERE = Path(__file__).parent
MAX_SECONDS = 120
"""Far more than anything here takes."""


@contextmanager
def one_fork_server() -> Iterator[None]:
    """One process imports everything once, and every worker is forked from it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent)]), os.pathsep)
        multiprocessing.set_forkserver_preload(["dying"])
        forkserver.ensure_running()
    yield


def start(
    stream: Stream, role: str, failpoint: str | None = None, **options: object
) -> ForkServerProcess:
    """A producer or a batch writer of the stream, at work."""
    place = (stream.root, stream.topic, stream.kafka_url)
    return fork(work, role, place, stream.dataset.folder, failpoint, options)


def fork(target: Callable[..., None], *arguments: object) -> ForkServerProcess:
    """A process that runs `target`, whose last argument is where it says that it is at work."""
    context = multiprocessing.get_context("forkserver")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(*arguments, sending))
    process.start()
    sending.close()
    assert receiving.recv() == "at work"
    return process


def die(stream: Stream, role: str, failpoint: str) -> None:
    """Let it work until it dies at its failpoint."""
    await_death(start(stream, role, failpoint))


def await_death(process: ForkServerProcess) -> None:
    """Until it has killed itself."""
    process.join(timeout=MAX_SECONDS)
    assert process.exitcode == -signal.SIGKILL, "it never came to its failpoint"


def wait_until_stopped(process: ForkServerProcess) -> None:
    """Until it has stopped itself."""
    deadline = time.monotonic() + MAX_SECONDS
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline, "it never came to its failpoint"
        time.sleep(0.01)


def go_on(process: ForkServerProcess) -> int | None:
    """Continue a process that has stopped itself, and wait for its end: its exit code."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGCONT)
    process.join(timeout=MAX_SECONDS)
    return process.exitcode
