"""A compiled function on all cores: every thread takes its share of the rows.

The threads are Python's, since compiled functions release its lock. numba can spread a loop over
threads by itself, but such a function takes far longer to compile, and must not be called by two
threads at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import Concatenate, ParamSpec

from threadpoolctl import threadpool_limits

_Parameters = ParamSpec("_Parameters")

_count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count() -> int:
    """How many threads `share` uses: at first as many as this process may use cores."""
    return _count


def use(threads: int) -> None:
    """Let `share` use so many threads from now on; it changes no result."""
    global _count  # noqa: PLW0603  (a fact of the process)
    _count = threads


def share(
    function: Callable[Concatenate[int, int, _Parameters], None],
    *arguments: _Parameters.args,
    **named: _Parameters.kwargs,
) -> None:
    """Call `function(thread, threads, *arguments)` for thread 0, 1, ... at once; return when all
    have returned.

    A compiled function takes positional arguments only. Raises what a call raised, once all have
    ended.
    """
    threads = _count
    others = [
        _pool(threads - 1).submit(function, thread, threads, *arguments, **named)
        for thread in range(1, threads)
    ]
    try:
        function(0, threads, *arguments, **named)
    finally:
        # They write into the caller's arrays: none may still run when an exception leaves here.
        wait(others)
    for other in others:
        other.result()


@contextmanager
def one_for_blas() -> Iterator[None]:
    """Meanwhile BLAS has one thread: with more, long sums have another order and so another last
    bit.
    """
    with threadpool_limits(1, "blas"):
        yield


@cache
def limit_blas() -> None:
    """One thread for BLAS from now on, in a process that is ours but that others started."""
    # Not a `with`: the limit stays. Cached, since threadpoolctl looks at all loaded libraries at
    # every call, and a Spark worker runs many short tasks.
    threadpool_limits(1, "blas")


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "kernel")


if hasattr(os, "register_at_fork"):
    # A forked process has none of its parent's threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)
