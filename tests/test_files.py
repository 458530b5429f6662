"""The helpers that publish, lock and lease."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from reelstream.files import Lease


def test_a_lease_from_before_the_clock_was_set_back_runs_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note that lies far ahead is not waited for: its holder would have renewed it since."""
    now = time.time()
    monkeypatch.setattr("reelstream.files.time.time", lambda: now + 3600)
    assert Lease(tmp_path / "lease", "dead", 3.0).acquire()
    monkeypatch.setattr("reelstream.files.time.time", lambda: now)
    assert Lease(tmp_path / "lease", "successor", 3.0).acquire()


def test_a_lease_is_held_by_one(tmp_path: Path) -> None:
    """Another has to wait until it is released."""
    holder, other = Lease(tmp_path / "lease", "a", 30.0), Lease(tmp_path / "lease", "b", 30.0)
    assert holder.acquire() and not other.acquire() and holder.acquire()
    holder.release()
    assert other.acquire()
