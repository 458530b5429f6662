"""Functions that numba compiles, once for all processes of this machine."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from numba import njit
from numba.core.compiler_lock import global_compiler_lock

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[Function], Function]:
    """`numba.njit` for a function whose machine code is kept on disk and runs without Python's
    lock; `options` are numba's others.

    Several processes that need a function for the first time at once, such as the stages of a run,
    would each compile it for seconds. Here one does, and the others load what it has kept.
    """

    def compile_as_needed(function: Function) -> Function:
        dispatcher: Any = njit(cache=True, nogil=True, **options)(function)
        if dispatcher is function:
            return function  # NUMBA_DISABLE_JIT
        compile_here = dispatcher.compile

        @wraps(compile_here)
        def compile_alone(signature: Any) -> Any:
            # First numba's own lock: a thread that waits for it must not keep other processes
            # waiting for the file. Who compiles a function needs those that it calls, never the
            # reverse, so that two processes cannot wait for each other.
            with global_compiler_lock, _alone(dispatcher.stats.cache_path, function):
                return compile_here(signature)

        dispatcher.compile = compile_alone
        compiled_function: Function = dispatcher
        return compiled_function

    return compile_as_needed


@contextmanager
def _alone(folder: str | None, function: Callable[..., Any]) -> Iterator[None]:
    """Hold the lock of a function among all processes that keep their compiled code in `folder`."""
    if folder is None:  # nothing is kept that another process could load
        yield
        return
    descriptor = None
    # Where no lock can be had, two processes may do the same work, as numba lets them.
    with suppress(OSError):
        path = Path(folder) / f"{function.__module__}.{function.__qualname__}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
