"""Named steps of the commit protocols, at which a crash test kills or stops the process.

The source says `reached("file_linked", "batched_data/manifest_3.1.json")`; that step is called
`file_linked@batched_data/manifest_3.1.json`. Nothing happens unless a step is armed, by `arm` or by
the variable REELSTREAM_FAILPOINT. It holds a step (`*` stands for any characters), then, if it is
not the first time, which time, and then, if it is not SIGKILL, which signal:
`pointer_replaced@*/producer.json 2 SIGSTOP`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from fnmatch import fnmatchcase

VARIABLE = "REELSTREAM_FAILPOINT"

_action: Callable[[str], None] | None = None


def reached(name: str, subject: str = "") -> None:
    """Say that a step is done, of what it writes if the same code writes different things."""
    if _action is not None:
        _action(f"{name}@{subject}" if subject else name)


def arm(action: Callable[[str], None] | None) -> None:
    """Have each step call `action` with its name from now on; None: do nothing."""
    global _action  # noqa: PLW0603  (one per process, like the signal handlers)
    _action = action


def killing(place: str) -> Callable[[str], None]:
    """An action that sends this process a signal at one step, written as in the variable."""
    step, *rest = place.split()
    left = int(rest[0]) if rest else 1
    number = signal.Signals[rest[1] if rest[1:] else "SIGKILL"]

    def act(reached_step: str) -> None:
        nonlocal left
        if fnmatchcase(reached_step, step):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), number)

    return act


# At import, so that processes which the tested one starts are armed too.
if VARIABLE in os.environ:
    arm(killing(os.environ[VARIABLE]))
