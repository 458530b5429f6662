"""Starts Streamlit on the page, with every option that keeps it quick, quiet and on this machine.

A program of its own, as the command line starts it:
`python -m reelstream.ui.launcher API_URL HOST PORT`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# The environment variable that tells the page where the API is: the setting `ui.api`.
API_URL_VARIABLE = "REELSTREAM_UI_API"

# The same for the file with the page's key: the setting `ui.api_key_file`.
API_KEY_FILE_VARIABLE = "REELSTREAM_UI_API_KEY_FILE"

_FOLDER = Path(__file__).parent


def launch(api_url: str, host: str, port: int) -> None:
    """Serve the page on `host:port` until a signal ends it; the page queries the API at `api_url`.

    Streamlit ends the process: with status 1 and one sentence when the port is taken.
    """
    from streamlit.web import cli  # noqa: PLC0415  (an extra)

    # Streamlit runs the page as a script: the environment is how a parameter reaches it.
    os.environ[API_URL_VARIABLE] = api_url
    cli.main(["run", str(_FOLDER / "page.py"), *options(host, port)], prog_name="streamlit")


def options(host: str, port: int) -> list[str]:
    """Streamlit's flags for a page on `host:port`."""
    chosen = {
        # Without it Streamlit requests this machine's public address from a server outside.
        "server.address": host,
        "server.port": port,
        "server.headless": "true",
        # The page's files do not change while it is served.
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "browser.serverAddress": host,
        "client.toolbarMode": "minimal",
        # A visitor sees no traceback; the process writes it to its log.
        "client.showErrorDetails": "none",
        # Else Streamlit shows the value of every expression that stands alone in page.py.
        "runner.magicEnabled": "false",
        "logger.hideWelcomeMessage": "true",
        "theme.base": _FOLDER / "theme.toml",
    }
    return [f"--{name}={value}" for name, value in chosen.items()]


if __name__ == "__main__":
    launch(sys.argv[1], sys.argv[2], int(sys.argv[3]))
