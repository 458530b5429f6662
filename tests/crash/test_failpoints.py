"""Every step of the commit protocols is killed somewhere: none can be added unnoticed."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import steps
from requeueing import reject_two, requeue_rows

import reelstream
from mean_engine import TrainingWorld, close_batch
from reelstream.failpoints import VARIABLE, reached
from reelstream.storage.batch_erasure import erase_users
from streams import Stream


def test_the_steps_of_a_stream_are_those_that_are_killed(stream: Stream) -> None:
    """Of a producer, and of the batch writer until its first batch is finished."""
    assert steps.steps_of(stream.produce) == steps.PRODUCER
    written = steps.steps_of(stream.batch)
    assert written[: len(steps.BATCH_WRITER)] == steps.BATCH_WRITER
    assert steps.RESUMING_PRODUCER in steps.steps_of(lambda: stream.produce(order="file"))


def test_the_steps_of_a_redrive_are_those_that_are_killed(stream: Stream) -> None:
    reject_two(stream)
    ran = steps.steps_of(lambda: requeue_rows(stream.root, stream.dataset.folder))
    assert ran == steps.REDRIVE


def test_the_steps_of_a_trainer_are_those_that_are_killed(tmp_path: Path) -> None:
    world = TrainingWorld(tmp_path, keep=1)
    close_batch(world.batches)
    world.trainer.run_once()
    close_batch(world.batches)
    assert steps.steps_of(world.trainer.run_once) == steps.TRAINER


def test_the_steps_of_an_erasure_are_those_that_are_killed(tmp_path: Path) -> None:
    world = TrainingWorld(tmp_path)
    close_batch(world.batches, 1000)
    close_batch(world.batches, 1000, forgets=(7,))
    assert steps.steps_of(lambda: erase_users(world.batches)) == steps.ERASURE


def test_every_failpoint_of_the_source_is_killed() -> None:
    """Also one that none of the runs above would reach."""
    listed = [*steps.PRODUCER, *steps.BATCH_WRITER, *steps.REDRIVE, *steps.TRAINER, *steps.ERASURE]
    killed = {step.partition("@")[0] for step in [*listed, steps.RESUMING_PRODUCER]}
    source = Path(reelstream.__file__).parent
    named = {
        call.args[0].value
        for path in source.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == reached.__name__
        and isinstance(call.args[0], ast.Constant)
    }
    assert named == killed


@pytest.mark.parametrize(
    ("place", "survives"),
    [
        ("file_linked@models/release_1.json", False),
        ("file_linked@*/release_?.json 2", False),
        ("file_linked@models/release_1.json 3", True),
        ("file_linked@models/release_2.json", True),
        ("file_synced@models/release_1.json", True),
    ],
)
def test_the_variable_kills_at_one_step(place: str, survives: bool) -> None:
    """Of the name, the subject and the time that it says."""
    program = (
        "from reelstream.failpoints import reached\n"
        "for _ in range(2): reached('file_linked', 'models/release_1.json')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {VARIABLE: place}, check=False
    )
    assert ended.returncode == (0 if survives else -signal.SIGKILL)
