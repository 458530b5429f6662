"""One stage of a run: a process of its own, restarted when it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import IO

import msgspec

from reelstream.cli.exit_codes import WRONG_USAGE
from reelstream.errors import ReelstreamError, SettingError
from reelstream.files import translate_errors

FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 30.0
# After so long a run the pause before a restart is the first one again.
HEALTHY_SECONDS = 10.0
# A run ends after so many failures of a stage in a row with the same message: another restart would
# not help.
MAX_SAME_FAILURES = 5


# A shell that becomes the command once it has read a line, and ends when the run dies before that.
_WHEN_REGISTERED = ("/bin/sh", "-c", 'read -r line && exec "$@" </dev/null', "reelstream")


class StageState(StrEnum):
    """What a stage is doing."""

    RUNNING = "running"
    WAITING = "restarting"
    DONE = "done"


class _LogLine(msgspec.Struct):
    """A line of a log that structlog wrote."""

    event: str
    level: str


class Stage:
    """A command that runs until it is done or stopped; its output goes into a log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        ends: bool = False,
        niceness: int = 0,
    ) -> None:
        """Prepare a stage, which `start` starts.

        Args:
            name: How reports call it.
            command: The program and its arguments.
            log: The file for its output.
            environment: Variables that it gets beside those of this process.
            ends: Whether it has an end; any other that exits with 0 is started again as well.
            niceness: How much priority it gives up where all stages want the same cores.
        """
        self.name = name
        self.environment = dict(environment or {})
        self.state = StageState.WAITING
        self.restarts = 0
        self._command, self._log, self._ends, self._niceness = list(command), log, ends, niceness
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = FIRST_PAUSE_SECONDS
        self._start_at = 0.0
        self._reading: IO[bytes] | None = None
        self._last_line = ""
        self._failure = ""
        self._same_failures = 0

    @property
    def group(self) -> int | None:
        """Its process group, with the processes that it started; None when not running."""
        # A process that starts a session leads its group: both have its number.
        return self._process.pid if self._process else None

    def start(self, environment: Mapping[str, str], register: Callable[[int], None]) -> None:
        """Start the process in a session of its own: a Ctrl-C reaches the run alone.

        `register` is called with its process group before the command begins: whoever ends the
        groups of a killed run must know of every one that does something.
        """
        with translate_errors(self._log), open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [*_WHEN_REGISTERED, *self._command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment, **environment},
                start_new_session=True,
            )
        if self._niceness:
            # From outside: Popen's preexec_fn is not safe in a process with threads.
            os.setpriority(os.PRIO_PROCESS, self._process.pid, self._niceness)
        register(self._process.pid)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as begin:  # it may be killed already
            begin.write(b"begin\n")
        self._started = time.monotonic()
        self.state = StageState.RUNNING

    def is_due(self) -> bool:
        """Whether it is waiting, and has waited long enough."""
        return self.state is StageState.WAITING and time.monotonic() >= self._start_at

    def check(self) -> str | None:
        """What happened since the last check, in a sentence; None when it is still running.

        Raises:
            SettingError: The stage reported wrong usage; the message is its own.
            ReelstreamError: It failed MAX_SAME_FAILURES times in a row with the same message.
        """
        if self._process is None or (exit_code := self._process.poll()) is None:
            return None
        with suppress(ProcessLookupError):  # its own children must not hold its port
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process = None
        if exit_code == 0 and self._ends:
            self.state = StageState.DONE
            return f"{self.name} is done"
        # Every restart would fail alike: the command line and settings stay the same.
        if exit_code == WRONG_USAGE:
            raise SettingError(self._last_words())
        # A negative code is a signal, often from outside: a restart may help every time.
        if exit_code > 0:
            self._count_failure()
        return self._plan_restart(exit_code)

    def warnings(self) -> list[str]:
        """Lines in the log since the last call that a person should see."""
        if self._reading is None:
            with suppress(FileNotFoundError):
                self._reading = open(self._log, "rb")  # noqa: SIM115  (each call reads on)
        if self._reading is None:
            return []
        found = []
        for raw in self._reading.readlines():
            line = raw.decode(errors="replace").strip()
            if line:
                self._last_line = line
            try:
                event = msgspec.json.decode(line, type=_LogLine)
            except msgspec.MsgspecError:
                if line.startswith("reelstream: "):
                    found.append(f"{self.name}: {line.removeprefix('reelstream: ')}")
                continue
            if event.level in ("warning", "error", "critical"):
                found.append(f"{self.name}: {_readable(line)}")
        return found

    def reap(self) -> None:
        """Collect the exit code of an ended process, so that its group disappears."""
        if self._process is not None:
            self._process.poll()

    def close(self) -> None:
        """Wait for the process, which has been ended, and close the log."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)
        if self._reading is not None:
            self._reading.close()

    def _last_words(self) -> str:
        # Reads the rest of the log, and with it the last line.
        self.warnings()
        return self._last_line.removeprefix("reelstream: ") or f"{self.name} ended: see {self._log}"

    def _count_failure(self) -> None:
        failure, self._failure = self._failure, self._last_words()
        self._same_failures = self._same_failures + 1 if failure == self._failure else 1
        if self._same_failures == MAX_SAME_FAILURES:
            raise ReelstreamError(
                f"{self.name} failed {MAX_SAME_FAILURES} times with the same error, see "
                f"{self._log}: {self._failure}"
            )

    def _plan_restart(self, exit_code: int) -> str:
        if time.monotonic() - self._started >= HEALTHY_SECONDS:
            self._pause = FIRST_PAUSE_SECONDS
        pause, self._pause = self._pause, min(2 * self._pause, MAX_PAUSE_SECONDS)
        self._start_at = time.monotonic() + pause
        self.state = StageState.WAITING
        self.restarts += 1
        how = (
            f"was killed by signal {-exit_code}"
            if exit_code < 0
            else f"ended with exit code {exit_code}"
        )
        return f"{self.name} {how}: it starts again in {pause:g} s (its log: {self._log})"


def _readable(line: str) -> str:
    """A JSON log line as `event key=value ...`."""
    keys = msgspec.json.decode(line, type=dict[str, object])
    event = keys.pop("event")
    for name in ("level", "timestamp"):
        keys.pop(name, None)
    return " ".join([str(event), *(f"{name}={value}" for name, value in keys.items())])
