"""A work folder belongs to one stream."""

from pathlib import Path

import pytest

from reelstream.errors import DamagedError, SettingError, StorageError
from reelstream.ratings.scale import RatingScale
from reelstream.storage.work_folder import DEFAULT_TOPIC, BoundDataSet, WorkFolder

SMALL = BoundDataSet("ml-latest-small", "a" * 64, "/data/small")
LARGE = BoundDataSet("ml-32m", "b" * 64, "/data/large")


def test_two_folders_on_one_log_note_their_progress_apart(tmp_path: Path) -> None:
    """Each folder's batch writer has a consumer group of its own, and keeps it."""
    one, two = (
        WorkFolder(tmp_path / name).bind(broker="kafka://localhost:9092") for name in ("one", "two")
    )
    assert one.group != two.group
    assert WorkFolder(tmp_path / "one").binding().group == one.group


def test_first_bind_takes_the_embedded_log_and_the_default_topic(tmp_path: Path) -> None:
    """Nothing said: the log lies in the folder, and the note says so from then on."""
    folder = WorkFolder(tmp_path / "work")
    bound = folder.bind()
    assert (bound.broker, bound.topic, bound.scale) == (
        f"sqlite:{folder.log}",
        DEFAULT_TOPIC,
        RatingScale(),
    )
    assert folder.binding() == bound


def test_binding_again_with_the_same_or_with_nothing_is_welcome(tmp_path: Path) -> None:
    """A second command may repeat what the first said, or leave it out."""
    folder = WorkFolder(tmp_path)
    first = folder.bind(broker="sqlite:/elsewhere/log.db", topic="films", data_set=SMALL)
    assert folder.bind() == first
    assert (
        folder.bind(
            broker="sqlite:/elsewhere/log.db", topic="films", data_set=SMALL, scale=RatingScale()
        )
        == first
    )


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("broker", "sqlite:/elsewhere/other.db"),
        ("topic", "other"),
        ("scale", RatingScale(1, 10, 1, 7)),
        ("data_set", LARGE),
    ],
)
def test_a_contradiction_is_refused_by_name_and_changes_nothing(
    tmp_path: Path, flag: str, value: object
) -> None:
    """Another data set, log, topic or scale is refused, and the message says how to go on:
    --work.
    """
    folder = WorkFolder(tmp_path)
    first = folder.bind(broker="sqlite:/elsewhere/log.db", topic="films", data_set=SMALL)
    with pytest.raises(SettingError, match="--work"):
        folder.bind(**{flag: value})  # type: ignore[arg-type]
    assert folder.binding() == first


def test_a_batch_writer_may_come_before_the_data_set(tmp_path: Path) -> None:
    """A folder without a data set takes the first one that is named, and no second."""
    folder = WorkFolder(tmp_path)
    assert folder.bind(topic="films").data_set is None
    assert folder.bind(data_set=SMALL).data_set == SMALL
    with pytest.raises(SettingError, match="ml-32m"):
        folder.bind(data_set=LARGE)


def test_a_data_set_is_known_by_its_ratings(tmp_path: Path) -> None:
    """A copy under another name is the same data set; the folder remembers where it lay first."""
    folder = WorkFolder(tmp_path)
    folder.bind(data_set=SMALL)
    assert folder.bind(data_set=BoundDataSet("copy", SMALL.fingerprint, "/copy")).data_set == SMALL


def test_a_folder_can_be_moved(tmp_path: Path) -> None:
    """The log inside the folder is found again under the folder's new name."""
    WorkFolder(tmp_path / "old").bind()
    (tmp_path / "old").rename(tmp_path / "new")
    moved = WorkFolder(tmp_path / "new")
    assert moved.binding().broker == f"sqlite:{tmp_path / 'new' / 'log.db'}"
    moved.bind(broker=f"sqlite:{tmp_path / 'new' / 'log.db'}")


def test_an_unbound_folder_says_how_to_begin(tmp_path: Path) -> None:
    """A command that only reads is told that there is nothing to read."""
    with pytest.raises(SettingError, match="not a work folder yet"):
        WorkFolder(tmp_path).binding()


def test_a_damaged_note_is_named(tmp_path: Path) -> None:
    """A note that is not what was written is not guessed at."""
    folder = WorkFolder(tmp_path)
    folder.note.write_text("{")
    with pytest.raises(DamagedError, match=r"work\.json"):
        folder.bind()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    """A file where the folder should be is a StorageError that names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        WorkFolder(tmp_path / "file").check_writable()
    WorkFolder(tmp_path / "fresh").check_writable()
    assert list((tmp_path / "fresh").iterdir()) == []


def test_no_films_before_there_is_a_data_set(tmp_path: Path) -> None:
    """Without a catalogue every film is untitled, and nothing fails."""
    assert len(WorkFolder(tmp_path).read_catalog()) == 0


def test_a_refused_data_set_is_not_bound(tmp_path: Path) -> None:
    """A data set of another scale is refused, also the second time, as nothing of it was noted the
    first time.
    """
    folder = WorkFolder(tmp_path / "work")
    folder.bind()
    with pytest.raises(SettingError, match="--work"):
        folder.bind(scale=RatingScale(1.0, 5.0, 1.0, 4.0), data_set=SMALL)
    assert folder.binding().data_set is None
