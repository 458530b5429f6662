"""`reelstream ui`: the page that queries the API."""

from __future__ import annotations

import os
import sys

from reelstream.cli.addresses import announce, url
from reelstream.cli.command_settings import with_settings
from reelstream.cli.options import Json
from reelstream.cli.preflight import check_page, free_port
from reelstream.settings import Settings, declared_settings
from reelstream.storage.work_folder import WorkFolder


@with_settings(
    "work", "ui.api", "ui.api_key_file", "ui.host", "ui.port", flags={"ui.port": "--port"}
)
def ui(settings: Settings, as_json: Json = False) -> int:
    """Become the page's server, so that signals reach it directly.

    It is a program of its own, which knows the API alone.
    """
    check_page()
    port = free_port(settings.ui.host, settings.ui.port, "--port")
    api = settings.ui.api or url(settings.serve.host, settings.serve.port)
    announce("page", settings.ui.host, port, as_json=as_json)
    key_file = settings.ui.api_key_file or WorkFolder(settings.work).page_key
    if key_file.exists() or settings.ui.api_key_file:
        os.environ[declared_settings()["ui.api_key_file"].variable] = str(key_file)
    # Not a child: SIGTERM and the run's process group reach the page without a relay.
    launch = [sys.executable, "-m", "reelstream.ui.launcher", api, settings.ui.host, str(port)]
    os.execv(sys.executable, launch)
