"""How the page's server is started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from reelstream.errors import MissingExtraError
from reelstream.ui import launcher


def test_streamlit_stays_on_this_machine() -> None:
    """It listens where it is told, asks nobody outside for an address, and reports nothing."""
    command = launcher.command("127.0.0.1", 8600)
    assert command[:4] == [sys.executable, "-m", "streamlit", "run"]
    assert Path(command[4]).is_file()
    assert {"--server.address=127.0.0.1", "--server.port=8600", "--browser.gatherUsageStats=false"} <= set(command)


def test_the_page_learns_the_address_of_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process becomes Streamlit, with the API's address in its environment beside all that was there."""
    started: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda *call: started.append(call))
    monkeypatch.setenv("KEPT", "yes")
    launcher.launch("http://127.0.0.1:5001", "127.0.0.1", 8600)
    [(program, arguments, environment)] = started
    assert (program, arguments) == (sys.executable, launcher.command("127.0.0.1", 8600))
    assert (environment["REELSTREAM_UI_API"], environment["KEPT"]) == ("http://127.0.0.1:5001", "yes")


def test_a_missing_extra_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Streamlit nothing is started, and the message says how to install it."""
    monkeypatch.setattr(launcher, "find_spec", lambda name: None if name == "streamlit" else object())
    monkeypatch.setattr(os, "execve", lambda *call: pytest.fail("started"))
    with pytest.raises(MissingExtraError, match=r"pip install 'reelstream\[ui\]'"):
        launcher.launch("http://127.0.0.1:5001", "127.0.0.1", 8600)
