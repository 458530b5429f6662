"""Starts Streamlit on the page, with every option that keeps it quick, quiet and on this machine."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from reelstream.errors import MissingExtraError
from reelstream.ui.client import API_URL_VARIABLE

_FOLDER = Path(__file__).parent


def launch(api_url: str, host: str, port: int) -> None:
    """Become the page's server: this process is replaced, so that signals reach Streamlit directly.

    The page on `host:port` asks the API at `api_url`. Streamlit ends with status 1 and one sentence when the port is
    taken. Raises MissingExtraError when Streamlit is not installed.
    """
    if find_spec("streamlit") is None or find_spec("altair") is None:
        raise MissingExtraError("the page needs Streamlit; install it with: pip install 'reelstream[ui]'")
    os.execve(sys.executable, command(host, port), os.environ | {API_URL_VARIABLE: api_url})


def command(host: str, port: int) -> list[str]:
    """The command line that serves the page on `host:port`."""
    options = {
        "server.address": host,  # without it Streamlit asks a machine outside for its public address
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": False,
        "browser.serverAddress": host,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "runner.magicEnabled": False,
        "logger.hideWelcomeMessage": True,
        "theme.base": _FOLDER / "theme.toml",
    }
    flags = [f"--{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in options.items()]
    return [sys.executable, "-m", "streamlit", "run", str(_FOLDER / "page.py"), *flags]
