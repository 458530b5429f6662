"""How the page's server is started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from streamlit.web import cli

from reelstream.ui import launcher
from reelstream.ui.launcher import API_URL_VARIABLE


def test_streamlit_is_told_to_stay_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs the page where it is told, asks nobody outside for an address, and reports
    nothing.
    """
    started: list[list[str]] = []

    def run(arguments: list[str], **_: Any) -> None:
        started.append(arguments)

    monkeypatch.setattr(cli, "main", run)
    monkeypatch.setenv(API_URL_VARIABLE, "")
    launcher.launch("http://127.0.0.1:5001", "127.0.0.1", 8600)
    [(command, page, *options)] = started
    assert (command, Path(page).name, Path(page).is_file()) == ("run", "page.py", True)
    assert {
        "--server.address=127.0.0.1",
        "--server.port=8600",
        "--browser.gatherUsageStats=false",
    } <= set(options)
    assert os.environ[API_URL_VARIABLE] == "http://127.0.0.1:5001"
