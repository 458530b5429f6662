"""`reelstream run`: from a folder of ratings to an API that answers, and on from there."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pipeline_process import MAX_SECONDS, audit, end, processes_of, reelstream, start

SMALL_BATCHES = ("--batch-rows", 1000, "--batch-seconds", 1, "--no-ui", "--port", 0)
KILLS = 10


@pytest.fixture
def running(small_dataset: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that goes on until it is ended, in `tmp_path / "work"`, slow enough to be caught at
    work.
    """
    process = start(
        "run", "--data", small_dataset, "--work", tmp_path / "work", *SMALL_BATCHES, "--rate", 400
    )
    yield process
    end(process)


def wait_for_stages(process: subprocess.Popen[str], work: Path) -> dict[str, int]:
    """Stage -> process id, once all of them run."""
    deadline = time.monotonic() + MAX_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        stages = stages_of(process, work)
        if {"batch", "train", "serve"} <= set(stages):
            return stages
        time.sleep(0.1)
    raise AssertionError("the stages did not come up")


def stages_of(process: subprocess.Popen[str], work: Path) -> dict[str, int]:
    """Stage -> process id of those that run now."""
    words = {pid: line.split() for pid, line in processes_of(work).items() if pid != process.pid}
    return {
        line[line.index("reelstream") + 1]: pid
        for pid, line in words.items()
        if "reelstream" in line
    }


@pytest.mark.slow
def test_a_run_reaches_its_set_and_a_second_goes_on(small_dataset: Path, tmp_path: Path) -> None:
    """Every rating lands in a batch once; the second run finds everything done and answers at
    once.
    """
    work = tmp_path / "work"
    run = ("run", "--data", small_dataset, "--work", work, *SMALL_BATCHES, "--json")
    first = reelstream(*run, "--until-set", 2)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["model_set"] >= 2
    assert processes_of(work) == {}
    second = reelstream(*run, "--until-set", 3)
    assert second.returncode == 0, second.stderr
    totals = audit(work)
    assert (totals["log_records"], totals["batched_rows"], totals["repeats"]) == (3000, 3000, 0)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything(
    running: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM: no process is left, and what is on disk adds up."""
    work = tmp_path / "work"
    wait_for_stages(running, work)
    running.send_signal(number)
    running.wait(MAX_SECONDS)
    assert running.returncode == 0
    assert processes_of(work) == {}


@pytest.mark.slow
def test_a_killed_run_takes_its_stages_with_it(
    running: subprocess.Popen[str], tmp_path: Path
) -> None:
    """kill -9 of the run itself leaves no stage behind to hold ports and locks."""
    work = tmp_path / "work"
    wait_for_stages(running, work)
    running.kill()
    deadline = time.monotonic() + MAX_SECONDS
    while processes_of(work):
        assert time.monotonic() < deadline, processes_of(work)
        time.sleep(0.1)


@pytest.mark.slow
def test_a_second_run_in_one_folder_is_refused(
    running: subprocess.Popen[str], tmp_path: Path
) -> None:
    """Two runs would fight over the stages; the second says so and ends with 1."""
    work = tmp_path / "work"
    wait_for_stages(running, work)
    second = reelstream("run", "--work", work, *SMALL_BATCHES)
    assert second.returncode == 1
    assert "another process" in second.stderr


@pytest.mark.slow
def test_kill_9_at_random_loses_and_doubles_nothing(small_dataset: Path, tmp_path: Path) -> None:
    """Ten times a stage is killed while ratings stream: afterwards every rating is in a batch
    exactly once.
    """
    work = tmp_path / "work"
    run = ("run", "--data", small_dataset, "--work", work, *SMALL_BATCHES)
    process = start(*run, "--rate", 200)
    chance = random.Random(7)
    try:
        wait_for_stages(process, work)
        killed = 0
        while killed < KILLS:
            time.sleep(chance.uniform(0.1, 1.5))
            assert process.poll() is None, process.communicate()[0]
            stages = stages_of(process, work)
            if stages:
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(sorted(stages.values())), signal.SIGKILL)
                    killed += 1
    finally:
        end(process)
    finished = reelstream(*run, "--until-set", 99)
    assert finished.returncode == 1
    assert "the data ended" in finished.stdout, finished.stdout + finished.stderr
    totals = audit(work)
    assert totals["batched_rows"] == 3000
    assert totals["waiting"] == 0


def test_a_port_in_use_is_one_sentence(small_dataset: Path, tmp_path: Path) -> None:
    """Exit code 2, the port and the flag are named, and nothing was started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = reelstream(
            "run", "--data", small_dataset, "--work", tmp_path / "work", "--no-ui", "--port", port
        )
    assert done.returncode == 2
    assert str(port) in done.stderr
    assert "--port" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "work").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(
    small_dataset: Path, tmp_path: Path
) -> None:
    """A work folder below a file cannot be made: exit code 1, and the path is named."""
    (tmp_path / "file").write_text("")
    done = reelstream(
        "run", "--data", small_dataset, "--work", tmp_path / "file" / "work", *SMALL_BATCHES
    )
    assert done.returncode == 1
    assert "file" in done.stderr
    assert done.stderr.count("\n") == 1
