"""What every place for objects promises: see `Store`. A new one is added to PLACES."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import msgspec
import pytest

from reelstream import failpoints
from reelstream.errors import AlreadyPublishedError, DamagedError, LockedError, StorageError
from reelstream.storage.file_store import FileStore
from reelstream.storage.store import Store, read_object

# Name -> opens the place that belongs to a folder; twice the same place for the same folder.
PLACES: dict[str, Callable[[Path], Store]] = {"files": FileStore}

RELEASES = r"release_([1-9][0-9]*)\.([1-9][0-9]*)\.json"
WRITERS = 4


class _InterruptedError(Exception):
    """Stands for the end of the process at a step."""


@pytest.fixture(params=PLACES.values(), ids=PLACES.keys())
def open_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens the same place each time, as each process does."""
    return lambda: request.param(tmp_path / "place")


@pytest.fixture
def store(open_place: Callable[[], Store]) -> Store:
    """A place without objects."""
    place = open_place()
    place.create()
    return place


def _race(open_place: Callable[[], Store], publish: Callable[[Store, int], None]) -> list[int]:
    """Let all writers publish at once; which of them won."""
    start = Barrier(WRITERS)

    def won(writer: int) -> bool:
        place = open_place()
        start.wait()
        try:
            publish(place, writer)
        except AlreadyPublishedError:
            return False
        return True

    with ThreadPoolExecutor(WRITERS) as pool:
        return [writer for writer, first in enumerate(pool.map(won, range(WRITERS))) if first]


def _write_folder(store: Store, name: str, content: str = "x") -> Path:
    written = store.new_folder(name)
    (written / "part").write_text(content)
    return written


def test_a_place_is_empty_before_it_is_created(open_place: Callable[[], Store]) -> None:
    """Listing and looking need no place; creating it twice does no harm."""
    place = open_place()
    assert place.names() == [] and place.numbers(RELEASES) == () and not place.has("a")
    place.create()
    place.put("a", b"1")
    place.create()
    assert place.names() == ["a"] and place.has("a")


def test_of_racing_writers_one_creates_an_object(open_place: Callable[[], Store]) -> None:
    """And its content is the one that stays, whole."""
    open_place().create()
    for number in range(10):
        name = f"manifest_{number}.json"
        winners = _race(
            open_place, lambda place, writer, name=name: place.put(name, b"%d" % writer * 5000)
        )
        assert len(winners) == 1
        assert open_place().read(name) == b"%d" % winners[0] * 5000
    assert len(open_place().names()) == 10


def test_of_racing_writers_one_publishes_a_folder(open_place: Callable[[], Store]) -> None:
    """The folder has the winner's files alone."""
    open_place().create()

    def publish(place: Store, writer: int) -> None:
        place.publish_folder(_write_folder(place, "set", str(writer)), "set")

    (winner,) = _race(open_place, publish)
    published = open_place().local_path("set")
    assert {path.name: path.read_text() for path in published.iterdir()} == {"part": str(winner)}


def test_nothing_of_a_folder_is_there_before_it_is_published(store: Store) -> None:
    """Nor does publishing replace a folder that is there."""
    written = _write_folder(store, "set", "first")
    assert "set" not in store.names()
    store.publish_folder(written, "set")
    assert store.names() == ["set"] and store.read("set/part") == b"first"
    with pytest.raises(AlreadyPublishedError):
        store.publish_folder(_write_folder(store, "set", "second"), "set")
    assert store.read("set/part") == b"first"


def test_a_reader_sees_the_old_pointer_or_the_new(
    open_place: Callable[[], Store], store: Store
) -> None:
    """Never a part, a mixture or nothing, while another replaces it."""
    contents = [b"a" * 40_000, b"b" * 50_000]
    store.replace("CURRENT", contents[0])
    done = Event()

    def write() -> None:
        for turn in range(30):
            open_place().replace("CURRENT", contents[turn % 2])
        done.set()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not (done.is_set() or writing.done()):
            assert store.read("CURRENT") in contents
        writing.result()
    assert store.read("CURRENT") == contents[1] and store.names() == ["CURRENT"]


def test_an_object_that_is_missing_cannot_be_read(store: Store) -> None:
    """The error names it; removing it needs no object."""
    with pytest.raises(StorageError, match="CURRENT"):
        store.read("CURRENT")
    store.remove("CURRENT")
    store.put("CURRENT", b"1")
    store.remove("CURRENT")
    assert not store.has("CURRENT")


def test_an_object_of_another_kind_is_damaged(store: Store) -> None:
    """The error names it."""

    class Pointer(msgspec.Struct):
        number: int

    store.put("good", b'{"number": 3}')
    store.put("bad", b'{"number": "three"}')
    assert read_object(store, "good", Pointer).number == 3
    with pytest.raises(DamagedError, match="bad"):
        read_object(store, "bad", Pointer)


def test_numbers_are_the_same_object_until_they_change(store: Store) -> None:
    """They rise as numbers, and other names do not count."""
    for name in ("release_10.1.json", "release_9.2.json", "release_9.1.json", "release_07.1.json"):
        store.put(name, b"")
    numbers = store.numbers(RELEASES)
    assert numbers == ((9, 1), (9, 2), (10, 1))
    store.put("notes.txt", b"")
    assert store.numbers(RELEASES) is numbers
    store.put("release_11.1.json", b"")
    assert store.numbers(RELEASES) == (*numbers, (11, 1))
    store.remove("release_9.1.json")
    assert store.numbers(RELEASES) == ((9, 2), (10, 1), (11, 1))


def test_a_removed_folder_is_gone_and_its_name_free(store: Store) -> None:
    """Removing it again does no harm, nor does removing an object as a folder."""
    store.publish_folder(_write_folder(store, "set"), "set")
    store.put("release", b"1")
    for name in ("set", "set", "release"):
        store.remove_folder(name)
    assert store.names() == ["release"]
    store.publish_folder(_write_folder(store, "set", "again"), "set")
    assert store.read("set/part") == b"again"


def test_a_link_is_not_followed_when_folders_are_removed(tmp_path: Path, store: Store) -> None:
    """Somebody may have put a set on another disk: what the link leads to is not ours to remove."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "part").write_text("x")
    store.local_path("set").symlink_to(elsewhere)
    store.remove_folder("set")
    assert (elsewhere / "part").read_text() == "x" and store.local_path("set").is_symlink()


def test_a_sweep_removes_what_interrupted_writes_left(store: Store) -> None:
    """And only that: not what was published, nor what others may be writing."""

    def interrupt(step: str) -> None:
        raise _InterruptedError(step)

    store.put("release_1.json", b"1")
    store.publish_folder(_write_folder(store, "set"), "set")
    _write_folder(store, "other_set")
    failpoints.arm(interrupt)
    try:
        for write, name in ((store.put, "release_2.json"), (store.replace, "PINNED")):
            with pytest.raises(_InterruptedError):
                write(name, b"2")
    finally:
        failpoints.arm(None)
    assert not store.has("release_2.json") and not store.has("PINNED")
    assert len(store.names()) == 5
    store.sweep(of_others=("PINNED",))
    assert len(store.names()) == 3
    store.sweep()
    assert sorted(store.names()) == ["release_1.json", "set"]


def test_a_lock_is_held_by_one(open_place: Callable[[], Store], store: Store) -> None:
    """Others are told at once; it is free when its holder leaves, and others are independent."""
    with store.lock(".lock"):
        with pytest.raises(LockedError), open_place().lock(".lock"):
            pass
        with open_place().lock(".other.lock"):
            pass
    with open_place().lock(".lock"):
        pass


@pytest.mark.parametrize("open_at", PLACES.values(), ids=PLACES.keys())
def test_a_place_can_be_sent_to_another_process(
    open_at: Callable[[Path], Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which may run in another working folder."""
    monkeypatch.chdir(tmp_path)
    store = open_at(Path("place"))
    store.create()
    store.put("a", b"1")
    sent = pickle.dumps(store)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert pickle.loads(sent).read("a") == b"1"
