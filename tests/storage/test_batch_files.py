import hashlib
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from events import dismissals, event_columns
from reelstream.errors import AlreadyPublishedError, DamagedError, LockedError, SettingError
from reelstream.files import FileLock
from reelstream.ratings.columns import EventColumns
from reelstream.storage.batch_files import BatchFolder, Manifest, OffsetRange, RejectedRow

NAN = float("nan")


def some_ratings(first: int, n: int) -> EventColumns:
    offsets = np.arange(first, first + n)
    stars = np.where(offsets % 3 == 0, np.nan, (offsets % 10 + 1) / 2)
    return event_columns(
        2**63 - 1 - offsets, offsets * 7, stars, offsets + 2**40, np.zeros(n), offsets
    )


def publish(
    folder: BatchFolder, number: int, first: int, n: int = 10, /, **changes: object
) -> Manifest:
    folder.make()
    rejected = [RejectedRow("bad", 0, first + n, 0, b"\xff")]
    manifest = Manifest(
        number=number,
        topic_id="t",
        files=(folder.publish_ratings(number, some_ratings(first, n)),),
        rejected=folder.publish_rejected(number, rejected),
        partitions={0: OffsetRange(first, first + n + 1)},
        next_offsets={0: first + n + 1},
        sources={},
        repeats=0,
        closed_at=0,
    )
    manifest = msgspec.structs.replace(manifest, **changes)
    folder.publish_manifest(manifest)
    return manifest


def path_of(folder: BatchFolder) -> Path:
    return folder.store.local_path("")


@pytest.fixture
def folder(tmp_path: Path) -> BatchFolder:
    return BatchFolder.in_folder(tmp_path / "batched_data")


def test_folder_that_is_not_there_holds_nothing(folder: BatchFolder) -> None:
    """Readers may come before the first writer."""
    assert folder.manifests() == []
    assert folder.newest() is None
    assert folder.excluded() == frozenset()


def test_ratings_and_rejected_rows_come_back(folder: BatchFolder) -> None:
    """The largest ids, deletions and bytes that are no text come back as they went."""
    manifest = publish(folder, 1, 0)
    read, sent = folder.read(manifest), some_ratings(0, 10)
    for name in ("user_id", "item_id", "rating", "timestamp", "partition", "offset"):
        np.testing.assert_array_equal(getattr(read, name), getattr(sent, name))
        assert getattr(read, name).dtype == getattr(sent, name).dtype
    assert folder.read_rejected(manifest) == [RejectedRow("bad", 0, 10, 0, b"\xff")]
    assert BatchFolder.in_folder(path_of(folder)).manifests() == [manifest]
    assert (
        manifest.files[0].sha256
        == hashlib.sha256((path_of(folder) / manifest.files[0].name).read_bytes()).hexdigest()
    )


def test_a_dismissal_is_a_deletion_to_whoever_does_not_know_it(folder: BatchFolder) -> None:
    """The columns are those of before; NaN in the place of the rating says which it is."""
    folder.make()
    events = EventColumns.concatenate(
        [some_ratings(0, 4), dismissals([2], [31], [9], 4), event_columns([3], [-1], [NAN], [9])]
    )
    manifest = publish(folder, 1, 0, files=(folder.publish_ratings(2, events),))
    assert folder.read(manifest).kind.tolist() == [1, 0, 0, 1, 3, 2]
    assert list(folder.read(manifest).events()) == list(events.events())
    lines = (path_of(folder) / manifest.files[0].name).read_text().splitlines()
    assert lines[0] == "userId,movieId,rating,timestamp,partition,offset"
    assert lines[5:] == ["2,31,NaN,9,0,4", "3,,,9,0,0"]
    # As versions from before dismissals read it.
    columns = {"rating": pl.Float32}
    old = pl.read_csv("\n".join(lines).encode(), schema_overrides=columns)["rating"]
    assert np.isnan(old.fill_null(NAN).to_numpy()).tolist() == [True, False, False, *[True] * 3]


def test_file_without_manifest_does_not_exist(folder: BatchFolder) -> None:
    """A published file is nothing before its manifest is."""
    folder.make()
    folder.publish_ratings(1, some_ratings(0, 3))
    assert folder.manifests() == []


def test_manifest_is_created_once(folder: BatchFolder) -> None:
    """The second writer of a number is told, and changes nothing."""
    first = publish(folder, 1, 0)
    with pytest.raises(AlreadyPublishedError):
        publish(folder, 1, 0, closed_at=5)
    assert folder.manifests() == [first]
    assert len(folder.read(first)) == 10


def test_highest_revision_counts(folder: BatchFolder) -> None:
    """A later revision of a batch takes the place of the earlier one."""
    publish(folder, 1, 0)
    publish(folder, 2, 11)
    revised = publish(folder, 1, 0, revision=10, repeats=0, closed_at=9)
    publish(folder, 1, 0, revision=9)
    assert [(manifest.number, manifest.revision) for manifest in folder.manifests()] == [
        (1, 10),
        (2, 1),
    ]
    assert folder.manifests()[0] == revised


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"number": 3}, "manifest 2 is missing"),
        ({"topic_id": "another"}, "manifest 2 is of another topic"),
        ({"partitions": {0: OffsetRange(12, 22)}}, "begins partition 0 at offset 12"),
        ({"next_offsets": {0: 99}}, "manifest 2 contradicts itself"),
        ({"next_offsets": {}}, "manifest 2 contradicts itself"),
    ],
)
def test_break_in_the_chain_is_named(
    folder: BatchFolder, changes: dict[str, object], what: str
) -> None:
    """A manifest that does not go on where the one before ended is damage."""
    publish(folder, 1, 0)
    publish(folder, 2, 11, **changes)
    with pytest.raises(DamagedError, match=what):
        folder.manifests()


def test_first_manifest_must_be_there(folder: BatchFolder) -> None:
    """A chain begins with 1."""
    publish(folder, 2, 0)
    with pytest.raises(DamagedError, match="manifest 1 is missing"):
        folder.manifests()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format":1,"number":1}'])
def test_unreadable_manifest_is_named(folder: BatchFolder, content: bytes) -> None:
    """What is no manifest is damage, by its name."""
    folder.make()
    (path_of(folder) / "manifest_1.1.json").write_bytes(content)
    with pytest.raises(DamagedError, match=r"manifest_1\.1\.json"):
        folder.manifests()


def test_a_manifest_that_is_put_back_in_place_is_read(folder: BatchFolder) -> None:
    """What is sound before the break is known meanwhile; nothing that was broken is remembered."""
    publish(folder, 1, 0)
    publish(folder, 2, 11)
    path = path_of(folder) / "manifest_2.1.json"
    right = path.read_bytes()
    path.write_bytes(b"{")
    reader = BatchFolder.in_folder(path_of(folder))
    for _ in range(2):
        sound, broken = reader.sound_manifests()
        assert [manifest.number for manifest in sound] == [1]
        assert path.name in str(broken)
    path.write_bytes(right)
    assert [manifest.number for manifest in reader.manifests()] == [1, 2]


def test_a_list_of_manifests_is_the_callers(folder: BatchFolder) -> None:
    """Who changes it changes nobody else's."""
    publish(folder, 1, 0)
    folder.manifests().clear()
    assert [manifest.number for manifest in folder.manifests()] == [1]


def test_manifest_of_a_later_version_is_refused(folder: BatchFolder) -> None:
    """Another format is not guessed at."""
    publish(folder, 1, 0, format=2)
    with pytest.raises(DamagedError, match="format 2"):
        folder.manifests()


def test_manifest_under_a_wrong_name_is_refused(folder: BatchFolder) -> None:
    """A copy under another number is not that batch."""
    publish(folder, 1, 0)
    (path_of(folder) / "manifest_1.1.json").rename(path_of(folder) / "manifest_7.1.json")
    with pytest.raises(DamagedError, match=r"manifest_7\.1\.json holds manifest 1\.1"):
        folder.newest()


@pytest.mark.parametrize("kind", ["movielens_batch_*.csv", "rejected_*.jsonl"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damaged_file_is_named(folder: BatchFolder, kind: str, damage: str) -> None:
    """A file that is not the one published is never read."""
    manifest = publish(folder, 1, 0)
    (path,) = path_of(folder).glob(kind)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-5] ^= 1
        path.write_bytes(data)
    elif damage == "cut":
        path.write_bytes(data[:-1])
    else:
        path.unlink()
    with pytest.raises(DamagedError, match=path.name):
        _ = folder.read(manifest), folder.read_rejected(manifest)


def test_files_with_another_content_than_said_are_damage(folder: BatchFolder) -> None:
    """A file that has its checksum and yet is not what the manifest says is named too."""
    manifest = publish(folder, 1, 0)
    for name, data in (
        ("a.csv", b"userId\nx\n"),
        ("b.csv", b"userId,movieId,rating,timestamp,partition,offset\n"),
    ):
        (path_of(folder) / name).write_bytes(data)
        file = msgspec.structs.replace(
            manifest.files[0], name=name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest()
        )
        with pytest.raises(DamagedError, match=name):
            folder.read(msgspec.structs.replace(manifest, files=(file,)))
        with pytest.raises(DamagedError, match=name):
            folder.read_rejected(msgspec.structs.replace(manifest, rejected=file))


def test_taken_name_is_passed_over(folder: BatchFolder) -> None:
    """What a dead writer left under a name does not stop its successor, and is not replaced."""
    folder.make()
    dead = folder.publish_rejected(1, [RejectedRow("dead", 0, 0, 0, b"")])
    alive = folder.publish_rejected(1, [RejectedRow("alive", 0, 0, 0, b"")])
    assert (dead.name, alive.name) == ("rejected_1.jsonl", "rejected_1.2.jsonl")
    names = {folder.publish_ratings(1, some_ratings(0, 1)).name for _ in range(3)}
    assert len(names) == 3


def test_batches_are_excluded_and_included(folder: BatchFolder) -> None:
    """Exclusions are kept on disk; a batch that does not exist cannot be excluded."""
    publish(folder, 1, 0)
    publish(folder, 2, 11)
    folder.exclude(2)
    folder.exclude(1)
    folder.include(1)
    assert BatchFolder.in_folder(path_of(folder)).excluded() == {2}
    with pytest.raises(SettingError, match="there are 1 to 2"):
        folder.exclude(3)
    with pytest.raises(SettingError, match="no batch 3"):
        folder.include(3)


def test_two_exclusions_at_once_forget_none(folder: BatchFolder) -> None:
    """Who comes while another changes the exclusions is told so, instead of one of the two being
    lost.
    """
    publish(folder, 1, 0)
    publish(folder, 2, 11)
    folder.exclude(1)
    with FileLock(path_of(folder) / ".excluded.lock"), pytest.raises(LockedError):
        folder.exclude(2)
    folder.exclude(2)
    assert folder.excluded() == {1, 2}


def test_folder_under_a_files_name_is_left_alone(folder: BatchFolder) -> None:
    """Sweeping removes what writers leave, and stops at nothing else."""
    publish(folder, 1, 0)
    (path_of(folder) / "movielens_batch_1_1.csv").mkdir()
    folder.sweep()
    assert (path_of(folder) / "movielens_batch_1_1.csv").is_dir()
