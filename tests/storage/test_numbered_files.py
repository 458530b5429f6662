"""The numbers in a folder's file names: never one too few, and no list made for nothing."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelstream.storage import folder_view, numbered_files
from reelstream.storage.folder_view import STABLE_SECONDS
from reelstream.storage.numbered_files import NumberedFiles

PATTERN = r"release_([1-9][0-9]*)\.json"


def test_other_names_are_nobodys(tmp_path: Path) -> None:
    """Only the whole name counts, and a number is written in one way."""
    files = NumberedFiles(tmp_path / "models", PATTERN)
    assert files.numbers() == ()
    (tmp_path / "models").mkdir()
    for name in (
        "release_10.json",
        "release_9.json",
        "release_1 copy.json",
        "release_07.json",
        ".tmp-release_3.json",
    ):
        (tmp_path / "models" / name).touch()
    assert files.numbers() == ((9,), (10,))


def test_a_stable_folder_is_listed_no_more_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when whoever changed it puts its old time back, as a copying program does."""
    now, listdir, listed = [0.0], os.listdir, []

    def list_folder(folder: Path) -> list[str]:
        listed.append(folder)
        return listdir(folder)

    monkeypatch.setattr(folder_view, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(numbered_files, "os", SimpleNamespace(listdir=list_folder))
    files = NumberedFiles(tmp_path, PATTERN)
    (tmp_path / "release_1.json").touch()
    first = files.numbers()
    now[0] += STABLE_SECONDS
    assert files.numbers() is files.numbers() is first
    assert len(listed) == 2
    times = (tmp_path.stat().st_atime_ns, tmp_path.stat().st_mtime_ns)
    (tmp_path / "release_2.json").touch()
    os.utime(tmp_path, ns=times)
    assert files.numbers() == ((1,), (2,))
    (tmp_path / "release_1.json").unlink()
    assert files.numbers() == ((2,),)


@settings(max_examples=500)
@given(
    tick=st.sampled_from([0.01, 2.0]),
    ahead=st.sampled_from([0.0, 0.7, 1234.5]),
    pause=st.sampled_from([0.05, 0.2, 0.9]),
    changes=st.lists(st.floats(0, 2.5), max_size=4),
)
def test_no_change_is_missed_however_slowly_the_file_systems_clock_ticks(
    tick: float, ahead: float, pause: float, changes: list[float]
) -> None:
    """Nor however far that clock is from ours: of several changes in one tick each is seen at the
    next look.
    """
    now, due = 0.0, np.cumsum(changes).tolist()

    def held() -> list[float]:
        return [0.0, *(change for change in due if change <= now)]

    class Folder(type(Path())):  # type: ignore[misc]
        def stat(self) -> SimpleNamespace:
            last_change = (ahead + held()[-1]) // tick
            return SimpleNamespace(
                st_dev=0, st_ino=0, st_mtime_ns=last_change, st_ctime_ns=last_change
            )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder_view, "time", SimpleNamespace(monotonic=lambda: now))
        names = SimpleNamespace(
            listdir=lambda _: [f"release_{n}.json" for n, _ in enumerate(held(), 1)]
        )
        patch.setattr(numbered_files, "os", names)
        files = NumberedFiles(Folder("models"), PATTERN)
        while now < sum(changes) + 1:
            assert len(files.numbers()) == len(held())
            now += pause
