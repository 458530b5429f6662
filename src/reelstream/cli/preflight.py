"""Checks before anything starts, so that a command fails at once and in one sentence."""

from __future__ import annotations

import errno
import socket
from importlib.util import find_spec

from reelstream.errors import MissingExtraError, SettingError, how_to_install


def free_port(host: str, port: int, flag: str) -> int:
    """`port` when it can be listened on, or any free port for 0. Raises SettingError, naming
    `flag`.
    """
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )
        # Another process may take the port before the server does, which then reports it.
        with socket.socket(family, kind, protocol) as probe:
            # as servers do: a port just freed is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        what_to_do = {
            errno.EADDRINUSE: f"stop what uses it, or name another with {flag}",
            errno.EACCES: f"name one above 1023 with {flag}",
        }.get(error.errno or 0, "name an address of this machine")
        raise SettingError(
            f"port {port} of {host} cannot be used ({reason}): {what_to_do}"
        ) from error


def check_page() -> None:
    """Raises MissingExtraError when the page's packages are not installed."""
    if find_spec("streamlit") is None or find_spec("altair") is None:
        raise MissingExtraError(
            f"the page needs Streamlit: {how_to_install('ui')}; or `reelstream run --no-ui`"
        )


def check_tracing() -> None:
    """Raises MissingExtraError when OpenTelemetry's packages are not installed."""
    try:
        is_there = find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    # Of a package above it.
    except ModuleNotFoundError:
        is_there = False
    if not is_there:
        raise MissingExtraError(f"--tracing needs OpenTelemetry: {how_to_install('otel')}")
