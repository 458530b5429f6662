"""A run keeps its stages alive, and ends them all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reelstream.cli import supervisor as supervisor_module
from reelstream.cli.guardian import guard
from reelstream.cli.stage import Stage, StageState
from reelstream.cli.supervisor import Supervisor
from reelstream.errors import ReelstreamError, SettingError

SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def stage(tmp_path: Path) -> Callable[..., Stage]:
    """A stage that runs this Python code."""

    def make(code: str, *, ends: bool = False) -> Stage:
        return Stage("work", [sys.executable, "-c", code], tmp_path / "work.log", ends=ends)

    return make


def wait_until(true: Callable[[], bool], step: Callable[[], None] = lambda: None) -> None:
    """Until `true`, calling `step`; far longer than it ever takes."""
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        step()
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_stage_that_keeps_failing_with_the_same_error_ends_the_run(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five identical failures will not heal by themselves; a run that hides them would hang."""
    monkeypatch.setattr("reelstream.cli.stage.MAX_PAUSE_SECONDS", 0.05)
    broken = stage("import sys; print('reelstream: the disk is full of stones'); sys.exit(1)")
    with (
        Supervisor([broken], print) as supervisor,
        pytest.raises(ReelstreamError, match=r"5 times.*full of stones"),
    ):
        wait_until(lambda: False, supervisor.check)


def test_a_stage_that_dies_is_started_again_and_reported(stage: Callable[..., Stage]) -> None:
    """Killed with -9, it comes back with another process, and a person is told."""
    said: list[str] = []
    work = stage(SLEEP)
    with Supervisor([work], said.append) as supervisor:
        supervisor.check()
        first = work.group
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_until(
            lambda: work.restarts == 1 and work.state is StageState.RUNNING, supervisor.check
        )
        assert work.group != first
    assert any("signal 9" in sentence for sentence in said)


def test_back_off_doubles(stage: Callable[..., Stage]) -> None:
    """A stage that dies at once is started less and less often."""
    said: list[str] = []
    with Supervisor([stage("raise SystemExit(1)")], said.append) as supervisor:
        wait_until(lambda: len(said) == 2, supervisor.check)
    assert "starts again in 0.5 s" in said[0]
    assert "starts again in 1 s" in said[1]


def test_a_stage_with_an_end_is_done(stage: Callable[..., Stage]) -> None:
    """Exit code 0 is the end of a producer, and it is not started again."""
    work = stage("", ends=True)
    with Supervisor([work], lambda _: None) as supervisor:
        wait_until(lambda: supervisor.is_done("work"), supervisor.check)
        supervisor.check()
        assert work.group is None
        assert work.restarts == 0


def test_wrong_usage_ends_the_run_with_the_stages_own_sentence(stage: Callable[..., Stage]) -> None:
    """Starting it again would not help."""
    work = stage("import sys; print('reelstream: --port is taken', file=sys.stderr); sys.exit(2)")
    with (
        Supervisor([work], lambda _: None) as supervisor,
        pytest.raises(SettingError, match=r"^--port is taken$"),
    ):
        wait_until(lambda: False, supervisor.check)


def test_warnings_of_a_stage_are_shown_and_the_rest_is_kept_in_its_log(
    stage: Callable[..., Stage], tmp_path: Path
) -> None:
    """Of JSON log lines those from warning on; all lines are in the file."""
    lines = [
        '{"event": "fine", "level": "info"}',
        '{"event": "disk_nearly_full", "level": "warning", "left": 3, "timestamp": "now"}',
        "not JSON",
    ]
    said: list[str] = []
    work = stage(f"print({chr(10).join(lines)!r})", ends=True)
    with Supervisor([work], said.append) as supervisor:
        wait_until(lambda: supervisor.is_done("work"), supervisor.check)
        supervisor.check()
    assert said == ["work: disk_nearly_full left=3", "work is done"] or said == [
        "work is done",
        "work: disk_nearly_full left=3",
    ]
    assert (tmp_path / "work.log").read_text().splitlines() == lines


def test_a_stage_that_nobody_knows_of_does_nothing(tmp_path: Path) -> None:
    """A run that is killed before its guardian has heard of a stage leaves none at work."""
    began = tmp_path / "began"
    program = f"""
import os, signal, sys
from pathlib import Path
from reelstream.cli.stage import Stage

def die(group):
    print(group, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

command = [sys.executable, "-c", "from pathlib import Path; Path({str(began)!r}).touch()"]
Stage("work", command, Path({str(tmp_path / "log")!r})).start({{}}, die)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], check=False, stdout=subprocess.PIPE, text=True
    )
    assert run.returncode == -signal.SIGKILL
    wait_until(lambda: not is_alive(int(run.stdout)))
    assert not began.exists()


def test_the_end_of_a_run_ends_what_its_stages_started(
    stage: Callable[..., Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage's own children go with it, also when it ignores SIGTERM."""
    monkeypatch.setattr(supervisor_module, "END_SECONDS", 0.2)
    note = tmp_path / "child"
    code = (
        "import signal, subprocess, sys, pathlib, time; signal.signal(signal.SIGTERM,"
        " signal.SIG_IGN);child = subprocess.Popen([sys.executable, '-c',"
        f" {SLEEP!r}]);pathlib.Path({str(note)!r}).write_text(str(child.pid)); time.sleep(60)"
    )
    work = stage(code)
    with Supervisor([work], lambda _: None) as supervisor:
        wait_until(lambda: note.exists() and note.read_text() != "", supervisor.check)
        group = work.group
        assert group is not None
    assert not is_alive(group)
    wait_until(lambda: not is_alive(int(note.read_text())))


def test_the_guardian_ends_what_a_killed_run_left() -> None:
    """Groups that were announced and not taken back are ended when the account ends; others are
    left alone.
    """
    start = [sys.executable, "-c", SLEEP]
    left, finished = (subprocess.Popen(start, start_new_session=True) for _ in range(2))
    try:
        guard([f"+{left.pid}\n", f"+{finished.pid}\n", f"-{finished.pid}\n"], grace_seconds=0.2)
        assert left.wait(60) < 0
        assert finished.poll() is None
    finally:
        finished.kill()
        finished.wait()


def test_a_killed_guardian_is_replaced(stage: Callable[..., Stage]) -> None:
    """The run is never without one for long."""
    with Supervisor([stage(SLEEP)], lambda _: None) as supervisor:
        supervisor.check()
        first = supervisor.guardian_pid
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: supervisor.guardian_pid != first, supervisor.check)
