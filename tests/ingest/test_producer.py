import contextlib
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from reelstream.broker import open_broker
from reelstream.broker.headers import row_prefix, source_row
from reelstream.broker.interface import Record
from reelstream.broker.partitioning import partition_of
from reelstream.datasets import detect
from reelstream.errors import BrokerError
from reelstream.ratings.events import Rated
from reelstream.ratings.wire import decode_message, encode_message
from streams import TOPIC, Stream


def records_of(stream: Stream) -> list[Record]:
    """All records of the log, partition by partition."""
    records = []
    with open_broker(stream.url) as broker, broker.consumer(TOPIC) as consumer:
        for partition, end in broker.end_offsets(TOPIC).items():
            consumer.seek({partition: 0})
            while end and (
                not records or (records[-1].partition, records[-1].offset) != (partition, end - 1)
            ):
                records += consumer.poll(1000, 10.0)
    return records


def test_rows_are_keyed_by_user_and_numbered(stream: Stream) -> None:
    """Each record names its source and row; a user's rows lie in one partition, in rising order."""
    report = stream.produce(order="time")
    records = records_of(stream)
    assert (report.sent, report.skipped, report.unreadable) == (3000, 0, 0)
    rows = {}
    for record in records:
        found = source_row(dict(record.headers))
        assert found is not None
        assert found.source == f"{stream.dataset.fingerprint[:16]}:time"
        assert found.partitions == 3
        rating = decode_message(record.value, record.timestamp // 1000, stream.dataset.scale)
        assert record.key == b"%d" % rating.user_id
        assert record.partition == partition_of(record.key, 3)
        assert rows.get(record.partition, -1) < found.row
        rows[record.partition] = found.row
    expected = [row.event for row in stream.dataset.rows("time")]
    numbered = {source_row(dict(record.headers)).row: record for record in records}  # type: ignore[union-attr]
    got = [decode_message(numbered[row].value, 2**40, stream.dataset.scale) for row in range(3000)]
    assert got == expected


@pytest.mark.parametrize("with_checkpoint", [True, False])
def test_second_run_sends_nothing(stream: Stream, with_checkpoint: bool) -> None:
    """What the log has is not sent again, whether the checkpoint is there or not."""
    stream.produce()
    if not with_checkpoint:
        (stream.root / "producer.json").unlink()
    report = stream.produce()
    assert (report.sent, report.skipped) == (0, 3000)
    assert len(records_of(stream)) == 3000


def test_unreadable_checkpoint_is_passed_over(stream: Stream) -> None:
    """The log says how far it is; a damaged checkpoint costs a scan, not a row."""
    stream.produce()
    (stream.root / "producer.json").write_bytes(b"{")
    assert stream.produce().sent == 0


def test_stopped_run_is_gone_on_with(stream: Stream) -> None:
    """A stop ends it at once with everything flushed; the next start goes on behind."""
    stop = threading.Event()

    def stop_soon(done: int, total: int) -> None:
        assert total == 3000
        if done >= 1000:
            stop.set()

    first = stream.produce(stop=stop, on_progress=stop_soon)
    assert 1000 <= first.sent < 3000
    assert len(records_of(stream)) == first.sent
    second = stream.produce()
    assert first.sent + second.sent == 3000
    stream.batch()
    stream.assert_exactly_once()


def test_lost_tail_of_one_partition_is_sent_again(stream: Stream) -> None:
    """Partitions may have come to different rows when a producer died: each is gone on with by
    itself.
    """
    rows = list(stream.dataset.rows("time"))
    with open_broker(stream.url) as broker:
        broker.ensure_topic(TOPIC, 3)
        prefix = row_prefix(f"{stream.dataset.fingerprint[:16]}:time", 3)
        with broker.producer(TOPIC) as producer:
            for row in rows[:2000]:
                assert isinstance(row.event, Rated)
                key = b"%d" % row.event.user_id
                partition = partition_of(key, 3)
                if row.number >= 500 * (partition + 1):
                    continue
                headers = [("row", b"%s%d" % (prefix, row.number))]
                value = encode_message(row.event)
                producer.send(value, key, partition=partition, headers=headers)
            producer.flush()
    report = stream.produce()
    assert report.sent + report.skipped == 3000
    assert report.skipped > 500
    stream.batch()
    stream.assert_exactly_once()


def test_orders_are_sources_of_their_own(stream: Stream) -> None:
    """One file in two orders is two sources: the row numbers of one say nothing about the other."""
    stream.produce(order="time")
    assert stream.produce(order="file").sent == 3000


def test_topic_with_fewer_partitions_than_the_source_began_with_is_refused(stream: Stream) -> None:
    """A source whose partitions are gone cannot be gone on with."""
    with open_broker(stream.url) as broker:
        broker.ensure_topic(TOPIC, 2)
        with broker.producer(TOPIC) as producer:
            prefix = row_prefix(f"{stream.dataset.fingerprint[:16]}:time", 5)
            producer.send(b"{}", partition=1, headers=[("row", prefix + b"0")])
            producer.flush()
    with pytest.raises(BrokerError, match="5 partitions"):
        stream.produce()


def test_source_keeps_the_partitions_that_it_began_with(stream: Stream) -> None:
    """A topic that got more partitions changes nothing for a source that is on its way."""
    with open_broker(stream.url) as broker:
        broker.ensure_topic(TOPIC, 5)
        with broker.producer(TOPIC) as producer:
            prefix = row_prefix(f"{stream.dataset.fingerprint[:16]}:time", 2)
            producer.send(b"{}", partition=1, headers=[("row", prefix + b"0")])
            producer.flush()
    stream.produce()
    assert {record.partition for record in records_of(stream)} == {0, 1}


def test_rows_that_break_the_contract_are_sent_as_they_are(tmp_path: Path) -> None:
    """The batch writer alone rejects: a broken row goes into the log with its bytes and its
    reason.
    """
    data = tmp_path / "data"
    data.mkdir()
    (data / "ratings.csv").write_bytes(
        b"userId,movieId,rating,timestamp\n1,2,3.5,1000\n1,x,3.5,1000\n2,3,4.0,1001\n"
    )
    stream = Stream(tmp_path / "work", detect(data))
    assert stream.produce().unreadable == 1
    broken = [record for record in records_of(stream) if record.key is None]
    assert [(record.partition, record.value) for record in broken] == [(0, b"1,x,3.5,1000")]
    assert dict(broken[0].headers)["content-type"] == b"text/csv"
    stream.batch()
    stream.assert_exactly_once()
    assert stream.rejected()[0].reason == dict(broken[0].headers)["reason"].decode()


def test_rate_bounds_the_speed(stream: Stream) -> None:
    """No more ratings a second than asked: 900 rows at 3000 a second take 0.3 seconds at the
    least.
    """
    stop = threading.Event()
    started = time.monotonic()
    stream.produce(
        rate=3000.0, stop=stop, on_progress=lambda done, total: stop.set() if done >= 1000 else None
    )
    assert time.monotonic() - started >= 0.3


def test_checkpoint_ahead_of_the_log_is_passed_over(stream: Stream) -> None:
    """An older copy of the log put back lacks rows that the checkpoint says are there: they are
    sent again.
    """
    stop = threading.Event()
    stream.produce(stop=stop, on_progress=lambda done, _: stop.set() if done >= 1000 else None)
    first = len(records_of(stream))
    with contextlib.closing(sqlite3.connect(stream.root / "log.db")) as log:
        log.execute("VACUUM INTO ?", (str(stream.root / "copy.db"),))
    stream.produce()
    for path in stream.root.glob("log.db*"):
        path.unlink()
    (stream.root / "copy.db").rename(stream.root / "log.db")
    assert stream.produce().sent == 3000 - first
    stream.batch()
    stream.assert_exactly_once()


def test_row_that_was_ahead_of_its_time_is_sent_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken when it was sent, a rating at the next start: its user's partition has it, so it is
    not sent again.
    """
    now = int(time.time())
    data = tmp_path / "data"
    data.mkdir()
    rows = [f"{user},{user},3.5,{now + 86_400 + 5_000}" for user in range(1, 13)]
    (data / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *rows]) + "\n")
    stream = Stream(tmp_path / "work", detect(data))
    assert stream.produce().unreadable == 12
    monkeypatch.setattr("reelstream.datasets.row_parser.time.time", lambda: now + 6_000.0)
    report = stream.produce()
    assert (report.sent, report.skipped) == (0, 12)
