"""The helpers that publish, lock and lease."""

from __future__ import annotations

import itertools
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from reelstream.errors import StorageError
from reelstream.files import Lease, sweep_temporary, translate_errors


def test_a_lease_from_before_the_clock_was_set_back_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_a_write_that_the_disk_took_in_part_is_a_full_disk(tmp_path: Path) -> None:
    """What numpy raises has no error number: the sentence says what to do all the same."""
    with pytest.raises(StorageError, match="free some space"), translate_errors(tmp_path):
        raise OSError("175104 requested and 17376 written")


def test_sweeping_spares_what_another_process_may_be_writing(tmp_path: Path) -> None:
    """By its name, and only as long as its writer can still be at work."""
    young, old, own = (
        tmp_path / f".tmp-1-2-{name}" for name in ("PINNED", "pruned_1.json", "release_3.json")
    )
    for path in (young, old, own):
        path.write_text("{")
    os.utime(old, (0, 0))
    sweep_temporary(tmp_path, of_others=("PINNED", "pruned_"))
    assert [path.exists() for path in (young, old, own)] == [True, False, False]


def test_sweeping_removes_a_folder_that_others_write_into(tmp_path: Path) -> None:
    """They belong to a driver that was killed: they find no folder any more, and leave none."""
    folder = tmp_path / ".tmp-1-2-snapshot" / "blocks"
    folder.mkdir(parents=True)

    def write() -> None:
        with suppress(FileNotFoundError):
            for number in itertools.count():
                (folder / str(number)).touch()

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    while not (folder / "500").exists():
        pass
    sweep_temporary(tmp_path)
    for writer in writers:
        writer.join()
    assert not list(tmp_path.iterdir())


def test_sweeping_removes_links_and_not_what_they_lead_to(tmp_path: Path) -> None:
    """A link under a temporary name is no folder of ours."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / ".tmp-link").symlink_to(elsewhere)
    sweep_temporary(tmp_path)
    assert elsewhere.is_dir() and not (tmp_path / ".tmp-link").is_symlink()
