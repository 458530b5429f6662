import threading
import time

import pytest
import structlog

from reelstream.broker import open_broker
from reelstream.errors import BrokerError, StorageError
from reelstream.files import Lease
from reelstream.ingest.batch_writer import BatchWriter
from reelstream.ratings.columns import NO_ITEM
from streams import TOPIC, Stream


def send(
    stream: Stream,
    *values: bytes,
    headers: list[tuple[str, bytes]] | None = None,
    partition: int = 0,
) -> None:
    with open_broker(stream.url) as broker:
        broker.ensure_topic(TOPIC, 3)
        with broker.producer(TOPIC) as producer:
            for value in values:
                producer.send(value, partition=partition, headers=headers or [])
            producer.flush()


def rating(user: int, stars: str = "4.0") -> bytes:
    return b'{"userId":%d,"movieId":2,"rating":%s,"timestamp":1000}' % (user, stars.encode())


def test_once_closes_full_batches_and_the_rest(stream: Stream) -> None:
    """Batches have the rows asked for, the last what is left; every row is in one."""
    stream.produce()
    stream.batch(rows=700)
    assert [manifest.rows for manifest in stream.batches.manifests()] == [700, 700, 700, 700, 200]
    stream.assert_exactly_once()


def test_partitions_stay_side_by_side(stream: Stream) -> None:
    """A batch takes from all partitions alike, so that it is a slice of time, not of users."""
    stream.produce()
    stream.batch(rows=600)
    first = stream.batches.manifests()[0]
    taken = [offsets.next - offsets.first for offsets in first.partitions.values()]
    assert taken == [200, 200, 200]


def test_once_of_nothing_closes_nothing(stream: Stream) -> None:
    """A second run without news makes no empty batch."""
    stream.produce()
    stream.batch()
    before = stream.batches.manifests()
    stream.batch()
    assert stream.batches.manifests() == before


def test_manifest_links_on_and_commits_the_hint(stream: Stream) -> None:
    """Offsets go on where the batch before ended, and the group is told."""
    stream.produce()
    stream.batch()
    newest = stream.batches.manifests()[-1]
    with open_broker(stream.url) as broker:
        assert (
            newest.next_offsets
            == broker.end_offsets(TOPIC)
            == broker.committed_offsets("batch-writer", TOPIC)
        )
        assert newest.topic_id == broker.topic_id(TOPIC)
    (rows,) = newest.sources.values()
    assert max(rows.values()) == 2999


def test_rows_of_a_source_that_come_twice_are_passed_over(stream: Stream) -> None:
    """A dead producer's late request is counted as repeats, in its own batch and in later ones; the
    audit agrees.
    """
    headers = [[("row", b"s/3/%d" % row)] for row in range(3)]
    for row in (0, 1, 0, 1, 2):
        send(stream, rating(row), headers=headers[row])
    stream.batch()
    send(stream, rating(2), headers=headers[2])
    send(stream, rating(2), headers=headers[2], partition=1)
    stream.batch()
    first, second = stream.batches.manifests()
    assert (first.rows, first.repeats) == (3, 2)
    assert (second.rows, second.repeats) == (1, 1)
    assert stream.ratings().user_id.tolist() == [0, 1, 2, 2]
    assert stream.audit().problems == ()


def test_batch_of_repeats_only_moves_on(stream: Stream) -> None:
    """Records that are all passed over are not read again."""
    headers = [("row", b"s/3/7")]
    send(stream, rating(1), headers=headers)
    stream.batch()
    send(stream, rating(1), headers=headers)
    stream.batch()
    newest = stream.batches.manifests()[-1]
    assert (newest.number, newest.files, newest.rejected, newest.repeats) == (2, (), None, 1)
    assert stream.audit().problems == ()


@pytest.mark.parametrize(
    "row",
    [b"s/3/x", b"s/3/-1", b"s/3/", b"s/3/" + b"9" * 30, b"s/0/1", b"s/1", b"7", b"", b"s/3/1\n"],
)
def test_headers_that_name_no_row_are_no_repeats(stream: Stream, row: bytes) -> None:
    """Without a row number a record belongs to no source, and counts."""
    send(stream, rating(1), rating(2), headers=[("row", row)])
    stream.batch()
    assert stream.ratings().user_id.tolist() == [1, 2]


def test_batch_may_hold_rejected_rows_only(stream: Stream) -> None:
    """Each rejected row is kept with its reason, its place in the log and its bytes."""
    send(stream, b"nonsense", b"\xff\x00", rating(1, "11"))
    stream.batch()
    (manifest,) = stream.batches.manifests()
    assert manifest.files == ()
    rows = stream.batches.read_rejected(manifest)
    assert [(row.partition, row.offset, row.raw) for row in rows] == [
        (0, 0, b"nonsense"), (0, 1, b"\xff\x00"), (0, 2, rating(1, "11"))
    ]  # fmt: skip
    assert [row.text for row in rows] == ["nonsense", None, rating(1, "11").decode()]
    assert "rating 11 is not on the scale" in rows[2].reason
    assert stream.audit().problems == ()


def test_deletion_is_an_empty_rating(stream: Stream) -> None:
    """Whole numbers stay short, and null is nothing, as is the film of who is forgotten; the
    histogram counts ratings.
    """
    send(
        stream,
        rating(1, "4"),
        rating(2, "3.5"),
        rating(3, "null"),
        b'{"userId":4,"forget":true,"timestamp":1000}',
    )
    stream.batch()
    (manifest,) = stream.batches.manifests()
    assert manifest.histogram == {3.5: 1, 4.0: 1}
    lines = (stream.batches_path / manifest.files[0].name).read_text().splitlines()
    assert lines == [
        "userId,movieId,rating,timestamp,partition,offset",
        "1,2,4.0,1000,0,0",
        "2,2,3.5,1000,0,1",
        "3,2,,1000,0,2",
        "4,,,1000,0,3",
    ]
    assert stream.ratings().item_id.tolist() == [2, 2, 2, NO_ITEM]
    assert stream.audit().problems == ()


def run_until(stream: Stream, batches: int, **options: float) -> None:
    """Follow the log until so many batches exist."""
    stop = threading.Event()
    with open_broker(stream.url) as broker:
        broker.ensure_topic(TOPIC, 3)
        thread = threading.Thread(
            target=stream.writer(broker, **options).run, kwargs={"stop": stop}
        )
        thread.start()
        deadline = time.monotonic() + 120
        while len(stream.batches.manifests()) < batches and time.monotonic() < deadline:
            time.sleep(0.02)
        stop.set()
        thread.join()


def test_old_batch_is_closed(stream: Stream) -> None:
    """Following, a batch that is not full is closed after its seconds; what is not closed stays in
    the log.
    """
    send(stream, rating(1))
    run_until(stream, 1, rows=1000, seconds=0.1)
    assert [manifest.rows for manifest in stream.batches.manifests()] == [1]


def test_follower_that_is_stopped_leaves_its_open_batch_in_the_log(stream: Stream) -> None:
    """A stop closes no batch early: the next start reads the same records again."""
    stream.produce()
    run_until(stream, 2, rows=1100, seconds=1000.0)
    assert [manifest.rows for manifest in stream.batches.manifests()] == [1100, 1100]
    stream.batch(rows=1100)
    stream.assert_exactly_once()


def test_standby_waits_and_takes_over(stream: Stream) -> None:
    """While one writer holds the lease another leaves the log to it; `once`, it ends when all is
    batched.
    """
    stream.produce()
    stop = threading.Event()
    with open_broker(stream.url) as broker, open_broker(stream.url) as other:
        active = stream.writer(broker, seconds=0.2, lease_seconds=60.0)
        thread = threading.Thread(target=active.run, kwargs={"stop": stop})
        thread.start()
        while not stream.batches.lease.exists():
            time.sleep(0.01)
        stream.writer(other, lease_seconds=60.0).run(once=True)
        assert sum(manifest.rows for manifest in stream.batches.manifests()) == 3000
        stop.set()
        thread.join()
    stream.assert_exactly_once()


def test_a_lease_that_is_renewed_is_no_news_of_a_batch(stream: Stream) -> None:
    """Readers list the folder again only when its time tells of a change."""
    folder = stream.batches
    folder.make()
    before = stream.batches_path.stat().st_mtime_ns
    assert Lease(folder.lease, "writer", 3.0).acquire()
    assert stream.batches_path.stat().st_mtime_ns == before


def test_leftovers_of_a_dead_writer_are_swept(stream: Stream) -> None:
    """Unnamed files up to the newest manifest go; higher numbers may be another writer's;
    temporaries when they are old.
    """
    stream.produce()
    stream.batch()
    dead = stream.batches_path / "movielens_batch_1_2.csv"
    late = stream.batches_path / "movielens_batch_1_99.csv"
    rejected = stream.batches_path / "rejected_1.jsonl"
    temporary = stream.batches_path / ".tmp-1-1-movielens_batch_1_2.csv"
    for path in (dead, late, rejected, temporary):
        path.write_text("left over")
    stream.batch()
    assert [path.exists() for path in (dead, late, rejected, temporary)] == [
        False,
        True,
        False,
        True,
    ]
    stream.assert_exactly_once()


def test_another_topic_under_the_same_name_is_refused(stream: Stream) -> None:
    """A log that was deleted and made anew does not go on with the old batches."""
    stream.produce()
    stream.batch()
    for path in stream.root.glob("log.db*"):
        path.unlink()
    stream.produce()
    with pytest.raises(BrokerError, match="name another --work folder"):
        stream.batch()


def test_log_that_lost_records_is_refused(stream: Stream) -> None:
    """An older copy of the log ends before the batches do: that is said, not papered over."""
    stream.produce(
        stop=(stop := threading.Event()),
        on_progress=lambda done, _: stop.set() if done >= 1000 else None,
    )
    old = (stream.root / "log.db").read_bytes()
    stream.produce()
    stream.batch()
    for path in stream.root.glob("log.db*"):
        path.unlink()
    (stream.root / "log.db").write_bytes(old)
    with pytest.raises(BrokerError, match="records were lost"):
        stream.batch()


def test_full_disk_ends_it_and_loses_nothing(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a batch cannot be written the error comes through, and the next start writes it."""
    stream.produce()
    with monkeypatch.context() as patch, open_broker(stream.url) as broker:
        writer = stream.writer(broker)

        def fail(*_: object) -> None:
            raise StorageError("batched_data: no space left on device: free some space")

        patch.setattr("reelstream.storage.file_store.publish_bytes", fail)
        with pytest.raises(StorageError, match="no space"):
            writer.run(once=True)
    assert stream.batches.manifests() == []
    stream.batch()
    stream.assert_exactly_once()


def test_a_refused_hint_ends_nothing(stream: Stream) -> None:
    """The batch exists by then: that the group's offsets were not noted is said, and the writer
    goes on.
    """

    def refuse(*_: object) -> None:
        raise BrokerError("the log refused: group authorization failed")

    stream.produce()
    with open_broker(stream.url) as broker, structlog.testing.capture_logs() as logs:
        broker.commit_offsets = refuse  # type: ignore[method-assign]
        stream.writer(broker).run(once=True)
        assert broker.committed_offsets("batch-writer", TOPIC) == {}
    said = [entry["reason"] for entry in logs if entry["event"] == "offsets_not_committed"]
    assert said == ["the log refused: group authorization failed"] * 6
    stream.assert_exactly_once()


def test_two_writers_in_one_race(stream: Stream) -> None:
    """With leases that run out at once both work; batches are closed once all the same."""
    stream.produce()
    with open_broker(stream.url) as one, open_broker(stream.url) as two:
        writers: list[BatchWriter] = [
            stream.writer(each, rows=50, lease_seconds=0.0) for each in (one, two)
        ]
        threads = [threading.Thread(target=writer.run, kwargs={"once": True}) for writer in writers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(manifest.rows for manifest in stream.batches.manifests()) == 3000
    stream.assert_exactly_once()
