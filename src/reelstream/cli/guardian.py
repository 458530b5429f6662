"""Ends the stages of a run that was killed.

A run that is killed with -9 cannot end its stages. This small process can: the run tells it over a
pipe which process groups it has started (`+123`) and which have ended (`-123`). When the pipe ends
and groups are left, the run was killed: they get SIGTERM, and after a while SIGKILL.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable

GRACE_SECONDS = 3.0


def guard(lines: Iterable[str], grace_seconds: float = GRACE_SECONDS) -> None:
    """Read which groups the run starts and ends; when `lines` end, end the groups that are left."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        groups.add(group) if line[0] == "+" else groups.discard(group)
    end_groups(groups, grace_seconds)


def end_groups(
    groups: Iterable[int], grace_seconds: float, reap: Callable[[], None] = lambda: None
) -> None:
    """Send SIGTERM to every process group, and SIGKILL to those left after `grace_seconds`.

    A parent that ends its own children passes `reap`, which waits for them: a group exists as long
    as it has a process, even an ended one for which nobody has waited.
    """
    # All get SIGTERM first, so that they end side by side within one grace period.
    left = {group for group in groups if _signal(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace_seconds
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        reap()
        # Signal 0 is not delivered: it only tells whether the group exists.
        left = {group for group in left if _signal(group, 0)}
    for group in left:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    guard(sys.stdin)
