import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from reelstream.broker import open_broker
from reelstream.files import encode_json
from reelstream.ingest.forget import forget
from reelstream.monitoring.audit import audit
from reelstream.storage.batch_erasure import erase_users
from reelstream.storage.batch_files import BatchFolder, Manifest, OffsetRange
from streams import TOPIC, Stream


@dataclass
class FakeRelease:
    number: int
    manifests: list[tuple[int, int]]
    trained_end_offsets: dict[int, int] = field(default_factory=dict)

    @property
    def last_batch(self) -> int:
        return self.number


@pytest.fixture
def batched(stream: Stream) -> Stream:
    """3000 rows in six batches, and one rejected row in a seventh."""
    stream.produce()
    stream.batch()
    with open_broker(stream.url) as broker, broker.producer(TOPIC) as producer:
        producer.send(b"nonsense")
        producer.flush()
    stream.batch()
    return stream


def rewrite(stream: Stream, number: int, change: Callable[[Manifest], Manifest]) -> None:
    """Edit a manifest by hand."""
    manifest = stream.batches.manifests()[number - 1]
    (stream.batches_path / f"manifest_{number}.1.json").write_bytes(encode_json(change(manifest)))


def batch_path(stream: Stream, number: int) -> Path:
    return stream.batches_path / stream.batches.manifests()[number - 1].files[0].name


def rewrite_rows(stream: Stream, number: int, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Edit the rows of a batch by hand, and its manifest so that rows and checksum fit."""
    path = batch_path(stream, number)
    header, *rows = path.read_bytes().splitlines(keepends=True)
    rows = change(rows)
    data = header + b"".join(rows)
    path.write_bytes(data)

    def renew(manifest: Manifest) -> Manifest:
        sha256 = hashlib.sha256(data).hexdigest()
        file = msgspec.structs.replace(
            manifest.files[0], rows=len(rows), bytes=len(data), sha256=sha256
        )
        return msgspec.structs.replace(manifest, files=(file,))

    rewrite(stream, number, renew)


def test_sound_stream_is_clean(batched: Stream) -> None:
    """Nothing is reported where nothing is wrong, and the totals add up."""
    newest = batched.batches.manifests()[-1]
    all_manifests = [(manifest.number, 1) for manifest in batched.batches.manifests()]
    with open_broker(batched.url) as broker, broker.producer(TOPIC) as producer:
        producer.send(b"waits")
        producer.flush()
    report = batched.audit([FakeRelease(7, all_manifests, dict(newest.next_offsets))])
    assert report.is_clean
    totals = report.totals
    assert (totals.log_records, totals.waiting, totals.batches) == (3002, 1, 7)
    assert (totals.batched_rows, totals.rejected_rows, totals.repeats, totals.releases) == (
        3000,
        1,
        0,
        1,
    )


def test_stream_without_batches_is_clean(stream: Stream) -> None:
    """A log that nobody has read yet waits, and that is all."""
    stream.produce()
    report = stream.audit()
    assert report.is_clean
    assert report.totals.waiting == 3000


def test_flipped_byte_is_found(batched: Stream) -> None:
    """One changed bit names its batch and its file."""
    path = batch_path(batched, 3)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    (problem,) = batched.audit().problems
    assert problem.startswith("batch 3:")
    assert path.name in problem


def test_missing_file_is_found(batched: Stream) -> None:
    """So does a file that is gone, of ratings or of rejected rows."""
    batch_path(batched, 2).unlink()
    (batched.batches_path / "rejected_7.jsonl").unlink()
    first, second = batched.audit().problems
    assert first.startswith("batch 2:")
    assert "rejected_7.jsonl: it is missing" in second


def test_removed_manifest_is_found(batched: Stream) -> None:
    """A gap in the chain names the manifest that is missing."""
    (batched.batches_path / "manifest_4.1.json").unlink()
    assert "manifest 4 is missing" in batched.audit().problems[0]


def test_removed_newest_manifest_is_found(batched: Stream) -> None:
    """The end of the chain cannot go unnoticed either: the writer had told its group, and a set its
    release.
    """
    release = FakeRelease(7, [(7, 1)], dict(batched.batches.manifests()[-1].next_offsets))
    (batched.batches_path / "manifest_7.1.json").unlink()
    problems = batched.audit([release]).problems
    assert problems[0].startswith("the newest manifest is missing")
    assert "set 7 was trained on manifest 7.1, which is missing" in problems


def test_a_batch_that_closes_meanwhile_is_no_problem(stream: Stream) -> None:
    """An audit beside a writer judges what it has read, and the group's offsets go on without
    it.
    """

    class FolderOfABusyWriter(BatchFolder):
        def manifests(self) -> list[Manifest]:
            held = super().manifests()
            stream.batch()
            return held

    stream.produce()
    with open_broker(stream.url) as broker:
        assert (
            audit(broker, TOPIC, FolderOfABusyWriter.in_folder(stream.batches_path)).problems == ()
        )
    assert stream.batches.manifests()


def test_edited_offset_range_is_found(batched: Stream) -> None:
    """A range that does not fit the one before breaks the chain."""

    def shift(manifest: Manifest) -> Manifest:
        taken = manifest.partitions[1]
        return msgspec.structs.replace(
            manifest, partitions=manifest.partitions | {1: OffsetRange(taken.first + 1, taken.next)}
        )

    rewrite(batched, 3, shift)
    assert "manifest 3 begins partition 1" in batched.audit().problems[0]


def test_edited_first_offset_is_found(batched: Stream) -> None:
    """The first batch has none before it: there the rows and the log contradict the range."""
    rewrite(
        batched,
        1,
        lambda manifest: msgspec.structs.replace(
            manifest,
            partitions=manifest.partitions | {0: OffsetRange(2, manifest.partitions[0].next)},
        ),
    )
    problems = batched.audit().problems
    assert problems[0].startswith("batch 1 holds offset 0 of partition 0, outside 2 to")
    assert "no batch holds offsets 0 to 1 of partition 0" in problems


def test_duplicated_row_is_found(batched: Stream) -> None:
    """A row that is there twice is found even when manifest and checksum were made to fit."""
    rewrite_rows(batched, 2, lambda rows: [*rows, rows[5]])
    (problem,) = batched.audit().problems
    assert problem.startswith("batch 2 holds offset")
    assert problem.endswith("twice")


def test_removed_row_is_found(batched: Stream) -> None:
    """A row that the log holds and its batch lacks is found, also when the manifest calls it a
    repeat.
    """
    rewrite_rows(batched, 2, lambda rows: rows[1:])
    problems = batched.audit().problems
    assert "batch 2 claims to have skipped 0 repeats, there were 1" in problems


def test_unknown_row_number_is_no_repeat(batched: Stream) -> None:
    """A missing record that names no row of a source cannot be a repeat."""
    (batched.batches_path / "rejected_7.jsonl").unlink()
    rewrite(batched, 7, lambda manifest: msgspec.structs.replace(manifest, rejected=None))
    (problem,) = batched.audit().problems
    assert problem.startswith("batch 7 lacks offset")


def test_batches_behind_the_log_are_found(batched: Stream) -> None:
    """A batch cannot hold what the log has not got."""
    rewrite(
        batched,
        7,
        lambda manifest: msgspec.structs.replace(
            manifest,
            partitions=manifest.partitions | {0: OffsetRange(manifest.partitions[0].first, 10**15)},
            next_offsets=manifest.next_offsets | {0: 10**15},
        ),
    )
    assert (
        batched.audit()
        .problems[0]
        .startswith("batch 7 ends at offset 1000000000000000 of partition 0, the log at")
    )


def test_another_topic_is_found(batched: Stream) -> None:
    """Batches of a topic that is gone do not belong to the present one."""
    for path in batched.root.glob("log.db*"):
        path.unlink()
    batched.produce()
    assert batched.audit().problems[0].startswith("the batches were made from another topic")


def test_set_trained_through_what_no_batch_covers_is_found(batched: Stream) -> None:
    """A release that goes further than its batches is named with partition and offset."""
    ends = batched.batches.manifests()[2].next_offsets
    sound = FakeRelease(3, [(1, 1), (2, 1), (3, 1)], dict(ends))
    wrong = FakeRelease(3, [(1, 1), (2, 1), (3, 1)], dict(ends) | {1: ends[1] + 1})
    assert batched.audit([sound]).is_clean
    (problem,) = batched.audit([sound, wrong]).problems
    assert problem.startswith(f"set 3 was trained up to offset {ends[1] + 1} of partition 1")


def test_set_of_a_later_revision_than_there_is_is_found(batched: Stream) -> None:
    """Which revision a set saw is part of what it was trained on."""
    ends = batched.batches.manifests()[0].next_offsets
    (problem,) = batched.audit([FakeRelease(1, [(1, 2)], dict(ends))]).problems
    assert problem == "set 1 was trained on manifest 1.2, which is missing"


def test_an_erased_user_leaves_batches_that_add_up(batched: Stream) -> None:
    """The log still holds the rows; the manifests say that they were erased. A row that stayed, or
    one more that is gone, is told.
    """
    with open_broker(batched.url) as broker:
        forget(7, broker, TOPIC)
    batched.batch()
    before = batched.audit().totals
    assert erase_users(batched.batches)
    report = batched.audit()
    assert report.problems == ()
    totals = report.totals
    assert totals.erased_rows > 3
    assert totals.batched_rows == before.batched_rows - totals.erased_rows
    manifest = next(each for each in batched.batches.manifests() if each.erased)
    name = f"manifest_{manifest.number}.{manifest.revision}.json"
    ((partition, (first, *_)), *_) = manifest.erased.items()
    wrong = {partition: (OffsetRange(first.first - 1, first.next + 1),)}
    (batched.batches_path / name).write_bytes(
        encode_json(msgspec.structs.replace(manifest, erased=wrong))
    )
    problems = batched.audit().problems
    assert any("whose row was erased" in each for each in problems)
