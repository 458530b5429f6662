"""Users who were erased leave the batch files, and nobody else does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

import msgspec
import numpy as np
import pytest

from events import event_columns
from mean_engine import close_batch
from reelstream.ratings.columns import NO_ITEM, EventColumns
from reelstream.storage.batch_erasure import erase_users
from reelstream.storage.batch_files import BatchFolder, Manifest, OffsetRange, RejectedRow

USER, OTHER = 7, 8


@pytest.fixture
def batches(tmp_path: Path) -> BatchFolder:
    """Three batches of many users' ratings; the third forgets one of them."""
    folder = BatchFolder.in_folder(tmp_path / "batched_data")
    folder.make()
    for forgets in ((), (), (USER,)):
        close_batch(folder, 2000, forgets=forgets)
    return folder


def rows_of(batches: BatchFolder) -> Counter[tuple[object, ...]]:
    """Every row, NaN as text."""
    held = EventColumns.concatenate(batches.read(each) for each in batches.manifests())
    columns = held.user_id, held.item_id, held.rating.astype(str), held.timestamp
    places = held.partition, held.offset
    return Counter(zip(*(column.tolist() for column in (*columns, *places)), strict=True))


def close_after(
    batches: BatchFolder, ratings: EventColumns, rejected: Collection[RejectedRow] = ()
) -> Manifest:
    """Another batch, of partition 0 alone."""
    before = batches.manifests()[-1]
    n = len(ratings) + len(rejected)
    first = before.next_offsets[0]
    ends = before.next_offsets | {0: first + n}
    manifest = Manifest(
        number=before.number + 1,
        topic_id=before.topic_id,
        files=(batches.publish_ratings(before.number + 1, ratings),),
        rejected=batches.publish_rejected(before.number + 1, [*rejected]) if rejected else None,
        partitions={0: OffsetRange(first, ends[0])},
        next_offsets=ends,
        sources={},
        repeats=0,
        closed_at=0,
        erasures=int(ratings.is_erasure.sum()),
    )
    batches.publish_manifest(manifest)
    return manifest


def test_only_the_rows_of_the_user_go(batches: BatchFolder) -> None:
    """From every batch, in which all others stay as they were; the erasure stays too."""
    before = rows_of(batches)
    names = {file.name for manifest in batches.manifests() for file in manifest.files}
    revised = erase_users(batches)
    assert [(each.number, each.revision, each.supersedes) for each in revised] == [
        (1, 2, 1),
        (2, 2, 1),
        (3, 2, 1),
    ]
    after = rows_of(batches)
    erased = before - after
    assert after - before == Counter()
    assert {row[0] for row in erased} == {USER} and len(erased) > 10
    assert [row[1] for row in after if row[0] == USER] == [NO_ITEM]
    offsets = {
        (partition, offset)
        for manifest in revised
        for partition, ranges in manifest.erased.items()
        for each in ranges
        for offset in range(each.first, each.next)
    }
    assert offsets == {(row[4], row[5]) for row in erased}
    assert sum(each.erased_rows for each in revised) == len(erased)
    assert not names & set(batches.store.names()), "the files with the user's rows are removed"
    assert sum(sum(each.histogram.values()) for each in revised) in (0, len(after) - 1)


def test_a_second_time_there_is_nothing_to_do(batches: BatchFolder) -> None:
    erase_users(batches)
    manifests = batches.manifests()
    assert erase_users(batches) == [] and batches.manifests() == manifests
    close_batch(batches, 200)
    erase_users(batches)
    assert batches.manifests()[:3] == manifests


def test_what_arrives_late_goes_and_what_is_rated_afterwards_stays(batches: BatchFolder) -> None:
    """By time, as everywhere."""
    erase_users(batches)
    at = batches.erasures().erasures[0].timestamp
    first = batches.manifests()[-1].next_offsets[0]
    late = event_columns(
        [USER, USER, 3], [1, 2, 1], [4, 5, 3], [at - 1, at + 1, 5], [0] * 3, np.arange(3) + first
    )
    close_after(batches, late)
    (revised,) = erase_users(batches)
    assert revised.number == 4 and revised.erased == {0: (OffsetRange(first, first + 1),)}
    left = batches.read(revised)
    assert left.timestamp.tolist() == [at + 1, 5]


def test_an_erasure_in_an_excluded_batch_waits(batches: BatchFolder) -> None:
    """It counts when its batch is included; and what is excluded is erased as well."""
    batches.exclude(3)
    assert erase_users(batches) == []
    batches.include(3)
    batches.exclude(1)
    assert [each.number for each in erase_users(batches)] == [1, 2, 3]


def test_rejected_rows_that_name_the_user_go(batches: BatchFolder) -> None:
    """What entered the log before the erasure; others stay, readable or not."""
    erase_users(batches)
    at = batches.erasures().erasures[0].timestamp
    first = batches.manifests()[-1].next_offsets[0]
    raws = [b'{"userId":7,"movieId":1,"rating":99}', b'{"userId":8,"rating":99}', b"\xff{", b"7"]
    rejected = [
        RejectedRow("no rating", 0, first + 1 + place, 1000 * (at - 5), raw)
        for place, raw in enumerate(raws)
    ]
    close_after(batches, event_columns([3], [1], [4], [at], [0], [first]), rejected)
    (revised,) = erase_users(batches)
    assert [row.raw for row in batches.read_rejected(revised)] == raws[1:]
    assert revised.erased == {0: (OffsetRange(first + 1, first + 2),)}


def test_a_batch_of_nothing_else_stays_as_a_manifest(batches: BatchFolder) -> None:
    """The chain has no gap."""
    first = batches.manifests()[-1].next_offsets[0]
    close_after(batches, event_columns([OTHER], [1], [4], [1], [0], [first]))
    close_batch(batches, 100, forgets=(OTHER,))
    erase_users(batches)
    manifest = batches.manifests()[3]
    assert (manifest.files, manifest.rows, manifest.erased_rows) == ((), 0, 1)


def test_a_damaged_batch_is_looked_through_when_it_is_sound_again(batches: BatchFolder) -> None:
    """It holds up none of the others."""
    file = batches.store.local_path(batches.manifests()[0].files[0].name)
    content = file.read_bytes()
    file.write_bytes(content + b" ")
    assert [each.number for each in erase_users(batches)] == [2, 3]
    file.write_bytes(content)
    assert [each.number for each in erase_users(batches)] == [1]


def test_nothing_is_read_or_written_where_nobody_was_erased(tmp_path: Path) -> None:
    """The batch writer has counted the erasures of each batch."""
    folder = BatchFolder.in_folder(tmp_path / "batched_data")
    folder.make()
    manifest = close_batch(folder)
    folder.store.remove(manifest.files[0].name)
    assert manifest.erasures == 0 and erase_users(folder) == []
    assert "erasures.json" not in folder.store.names()


def test_batches_of_versions_that_counted_no_erasures_are_read_once(batches: BatchFolder) -> None:
    """Their erasures count too."""
    for manifest in batches.manifests():
        name = f"manifest_{manifest.number}.1.json"
        older = msgspec.structs.replace(manifest, erasures=None)
        batches.store.replace(name, msgspec.json.encode(older))
    again = BatchFolder.in_folder(batches.store.local_path("."))
    assert [each.number for each in erase_users(again)] == [1, 2, 3]
