"""Rejected rows that are sent again after an edit: each once, whoever asks how often."""

from __future__ import annotations

import time

import pytest

from reelstream.broker import open_broker
from reelstream.errors import DamagedError, LockedError, RatingError
from reelstream.ingest.requeue import RequeueReport, read_edited, requeue
from reelstream.ratings.events import Deleted, Erased, Event, Rated
from reelstream.ratings.scale import RatingScale
from reelstream.storage.manifest import RejectedRow
from reelstream.storage.requeue_folder import RequeuedRow, RequeueFolder
from streams import TOPIC, Stream

BROKEN = [b"nonsense", b'{"userId":1,"movieId":2,"rating":7,"timestamp":1000}', b"\xff"]


@pytest.fixture
def folder(stream: Stream) -> RequeueFolder:
    """Of a stream whose first batch has rejected offsets 0 to 2 of partition 0."""
    with open_broker(stream.url) as broker:
        broker.ensure_topic(TOPIC, 3)
        with broker.producer(TOPIC) as producer:
            for value in BROKEN:
                producer.send(value, partition=0)
            producer.flush()
    stream.batch()
    assert len(stream.rejected()) == 3
    return RequeueFolder.in_folder(stream.root / "requeued")


def row(offset: int, user: int = 1) -> RequeuedRow:
    return RequeuedRow(0, offset, Rated(user, 2, 4.0, 1000))


def send_again(stream: Stream, folder: RequeueFolder, *rows: RequeuedRow) -> RequeueReport:
    with open_broker(stream.url) as broker:
        return requeue(rows, folder, broker, TOPIC, stream.root / "requeue.json")


def users(stream: Stream) -> list[int]:
    stream.batch()
    assert stream.audit().problems == ()
    return sorted(stream.ratings().user_id.tolist())


def test_requeued_rows_come_into_the_next_batch(stream: Stream, folder: RequeueFolder) -> None:
    """As ratings of a source of their own; the rejected rows stay as a record."""
    assert send_again(stream, folder, row(0, user=5), row(1, user=6)) == RequeueReport(2, 0)
    assert users(stream) == [5, 6]
    newest = stream.batches.manifests()[-1]
    assert newest.sources.keys() == {f"{folder.fingerprint(1)[:16]}:file"}
    assert len(stream.rejected()) == 3
    assert folder.places() == {(0, 0), (0, 1)}


def test_a_row_is_requeued_once(stream: Stream, folder: RequeueFolder) -> None:
    """The same again, or edited otherwise, or among others: what was requeued before is left
    out.
    """
    send_again(stream, folder, row(1, user=5))
    assert send_again(stream, folder, row(1, user=5)) == RequeueReport(0, 1)
    assert send_again(stream, folder, row(0, user=6), row(1, user=7)) == RequeueReport(1, 1)
    assert users(stream) == [5, 6]
    assert folder.numbers() == [1, 2]


def test_what_a_killed_command_left_is_swept(stream: Stream, folder: RequeueFolder) -> None:
    """A temporary file belongs to nobody once the lock is taken."""
    send_again(stream, folder, row(0))
    left = stream.root / "requeued" / ".tmp-1-2-requeued_2.jsonl"
    left.write_text("{")
    send_again(stream, folder, row(1))
    assert not left.exists()


def test_a_file_that_is_sent_twice_counts_once(stream: Stream, folder: RequeueFolder) -> None:
    """Without the note that it was sent, and without the checkpoint, the log itself says what it
    holds.
    """
    send_again(stream, folder, row(0, user=5), row(1, user=6))
    (stream.root / "requeued" / "SENT").unlink()
    (stream.root / "requeue.json").unlink()
    assert send_again(stream, folder) == RequeueReport(0, 0)
    with open_broker(stream.url) as broker:
        assert sum(broker.end_offsets(TOPIC).values()) == 5
    assert users(stream) == [5, 6]


def test_one_command_at_a_time(stream: Stream, folder: RequeueFolder) -> None:
    """Two could ask for the same row."""
    with folder.lock(), pytest.raises(LockedError):
        send_again(stream, folder, row(0))


def test_a_damaged_file_is_named(stream: Stream, folder: RequeueFolder) -> None:
    """What it asked for is not known: nothing more is sent."""
    send_again(stream, folder, row(0))
    (stream.root / "requeued" / "requeued_1.jsonl").write_text("{")
    with pytest.raises(DamagedError, match=r"requeued_1.jsonl"):
        send_again(stream, folder, row(1))


SCALE = RatingScale()


def rejected(timestamp: int = 1_000_000) -> RejectedRow:
    return RejectedRow("reason", 0, 0, timestamp, b"")


@pytest.mark.parametrize(
    ("value", "rating"),
    [
        (b'{"userId":1,"movieId":2,"rating":4.5,"timestamp":900}', Rated(1, 2, 4.5, 900)),
        (b'{"userId":"1","movieId":"2","rating":"4.5"}', Rated(1, 2, 4.5, 1000)),
        (b'{"userId":1,"movieId":2,"rating":null,"timestamp":900}', Deleted(1, 2, 900)),
        (b'{"userId":1,"forget":true,"timestamp":900}', Erased(1, 900)),
        (b"1,2,4.5,900", Rated(1, 2, 4.5, 900)),
        (b"1::2::4.5::900", Rated(1, 2, 4.5, 900)),
        (b"1\t2\t4.5\t900", Rated(1, 2, 4.5, 900)),
    ],
)
def test_an_edited_row_is_a_message_or_a_row_of_a_file(value: bytes, rating: Event) -> None:
    """A missing timestamp is when the record entered the log, not when it was edited."""
    assert read_edited(value, rejected(), SCALE) == rating


def test_a_row_that_was_ahead_of_its_time_is_a_rating_when_that_has_come() -> None:
    """It needs no edit."""
    seconds = int(time.time()) - 100
    value = b"1,2,4.5,%d" % seconds
    assert read_edited(value, rejected(1_000 * (seconds - 200_000)), SCALE).timestamp == seconds


@pytest.mark.parametrize(
    "value", [b"1,2,9,900", b"1,2,4.5", b"nonsense", b'{"userId":1}', "é,2,4,5".encode()]
)
def test_what_is_still_no_rating_is_refused(value: bytes) -> None:
    """With the reason."""
    with pytest.raises(RatingError, match=r"\w+"):
        read_edited(value, rejected(), SCALE)


def test_the_next_command_sends_what_one_has_only_published(
    stream: Stream, folder: RequeueFolder
) -> None:
    """Published is requeued, sent or not: the file is sent first, whatever is asked for."""
    with folder.lock():
        folder.publish([row(0, user=5)])
    assert folder.unsent() == [1]
    assert send_again(stream, folder, row(0, user=9), row(1, user=6)) == RequeueReport(1, 1)
    assert folder.unsent() == []
    assert users(stream) == [5, 6]
