"""What a run looks at before it starts anything, so that it fails at once and in one sentence."""

from __future__ import annotations

import socket
from importlib.util import find_spec

from reelstream.errors import MissingExtraError, SettingError


def free_port(host: str, port: int, flag: str) -> int:
    """`port` when nothing listens on it, or any free port for 0. Raises SettingError, naming `flag`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a port just freed is free
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingError(
                f"port {port} of {host} cannot be used ({(error.strerror or str(error)).lower()}): "
                f"stop what uses it, or name another with {flag}"
            ) from error
        return int(probe.getsockname()[1])


def check_page() -> None:
    """Raises MissingExtraError when the page's packages are not installed."""
    if find_spec("streamlit") is None or find_spec("altair") is None:
        raise MissingExtraError(
            "the page needs Streamlit: install it with `pip install 'reelstream[ui]'`, or leave it out with --no-ui"
        )
