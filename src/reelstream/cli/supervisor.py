"""Keeps the stages of a run alive, and ends all of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from reelstream.cli.guardian import end_groups
from reelstream.cli.stage import Stage, StageState
from reelstream.telemetry import LOG_FORMAT_VARIABLE

# How long the stages may take to end after SIGTERM; then they are killed.
END_SECONDS = 3.5


class Supervisor:
    """Starts stages in `with`, restarts those that die, and ends all of them at its end, however it
    ends.
    """

    def __init__(self, stages: Sequence[Stage], report: Callable[[str], None]) -> None:
        """`report` is called with each sentence that a person should read."""
        self.stages = stages
        self._report = report
        self._guardian: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._start_guardian()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The guardian outlives the stages: a run killed in this very call still leaves none.
        end_groups(self._groups(), END_SECONDS, self._reap)
        for stage in self.stages:
            stage.close()
        if self._guardian is not None:
            self._guardian.kill()  # no stage is left for it to end
            self._guardian.communicate()

    def check(self) -> None:
        """Report what happened, and start what is due. Raises SettingError when a stage calls its
        usage wrong.
        """
        for stage in self.stages:
            # Before `check`, which forgets the group of a stage that has ended.
            group = stage.group
            for line in stage.warnings():
                self._report(line)
            event = stage.check()
            if event is not None:
                self._report(event)
                # The system may give the number to another process, which must not be killed.
                self._tell_guardian(f"-{group}")
            if stage.is_due():
                stage.start(
                    {LOG_FORMAT_VARIABLE: "json"}, lambda group: self._tell_guardian(f"+{group}")
                )
        if self._guardian is not None and self._guardian.poll() is not None:
            self._start_guardian()

    @property
    def guardian_pid(self) -> int | None:
        """Process id of the guardian."""
        return None if self._guardian is None else self._guardian.pid

    def is_done(self, name: str) -> bool:
        """Whether the stage `name` has come to its end."""
        return any(stage.name == name and stage.state is StageState.DONE for stage in self.stages)

    def _start_guardian(self) -> None:
        # In a session of its own it survives signals to the run's group. No stage inherits the pipe
        # (Popen closes other descriptors), so it ends exactly when the run does.
        self._guardian = subprocess.Popen(
            [sys.executable, "-m", "reelstream.cli.guardian"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        for group in self._groups():
            self._tell_guardian(f"+{group}")

    def _tell_guardian(self, line: str) -> None:
        if self._guardian is None or self._guardian.stdin is None:
            return
        try:
            print(line, file=self._guardian.stdin, flush=True)
        except BrokenPipeError:
            return  # it was killed: the next check starts another

    def _reap(self) -> None:
        for stage in self.stages:
            stage.reap()

    def _groups(self) -> list[int]:
        return [stage.group for stage in self.stages if stage.group is not None]
