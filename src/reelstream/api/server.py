"""Runs the API on granian: worker processes, which load everything, under a supervisor, which loads
nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask
from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings

# How long a stopping server waits for the requests in progress.
STOP_SECONDS = 1
# A connection that sends no whole header within it is closed, an idle one too.
HEADER_MILLISECONDS = 15_000
MAX_HEADER_BYTES = 64 * 1024
# An idle connection costs some kilobytes; with fewer allowed, some thousand would keep all others
# out.
MAX_CONNECTIONS = 10_000


def serve(host: str, port: int, make_app: Callable[[], Flask], workers: int = 1) -> None:
    """Serve until SIGTERM or SIGINT, then end within two seconds.

    make_app: called in the worker process; a module's function or a `functools.partial` of one, as
    it must be picklable. The caller checks that the port is free.
    workers: processes that answer on the one port; each loads and follows everything by itself. One
    of several that dies is started again. Raises SystemExit(1) when a single one dies.
    """
    _allow_open_files()
    server = Granian(
        "reelstream",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        workers=workers,
        # A single one is started again by whoever watches this process.
        respawn_failed_workers=workers > 1,
        workers_kill_timeout=STOP_SECONDS,
        backpressure=MAX_CONNECTIONS,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEADER_MILLISECONDS, max_buffer_size=MAX_HEADER_BYTES
        ),
        websockets=False,
        # structlog writes the project's logs; granian's lines have another form.
        log_enabled=False,
    )
    # Not wrapped: granian would call the loader with the name "reelstream" as its argument.
    server.serve(target_loader=_Loader(make_app), wrap_loader=False)


def _allow_open_files() -> None:
    """As many as this user may open: a connection is one, and the usual limit is 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Loader:
    """Makes the application in the worker; a class, because a closure cannot be pickled."""

    def __init__(self, make_app: Callable[[], Flask]) -> None:
        self._make_app = make_app

    def __call__(self) -> Callable[..., Any]:
        threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
        # Only the worker imports the application.
        from reelstream.api.app import create_entrance  # noqa: PLC0415

        return create_entrance(self._make_app()).answer


def _end_with_parent() -> None:
    """End this worker when its supervisor ends: a killed one cannot stop it, and it would hold the
    port.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        # `sys.exit` would end this thread alone.
        os._exit(1)
