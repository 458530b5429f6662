"""What every log promises to the rest of reelstream; see `broker/interface.py`."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable

import pytest

from reelstream.broker import open_broker
from reelstream.broker.interface import Broker, Record
from reelstream.broker.partitioning import partition_of
from reelstream.broker.reading import read_between
from reelstream.errors import BrokerError

NewName = Callable[[], str]


def send_all(broker: Broker, topic: str, records: list[tuple[bytes | None, bytes]]) -> None:
    with broker.producer(topic) as producer:
        for key, value in records:
            producer.send(value, key)
        producer.flush()


def read_all(broker: Broker, topic: str) -> list[Record]:
    """All records up to the present end of the topic."""
    chunks = read_between(broker, topic, broker.start_offsets(topic), broker.end_offsets(topic))
    return [record for chunk in chunks for record in chunk]


def test_topics_are_listed_by_name(broker: Broker, new_name: NewName) -> None:
    """Those of the log's own are not among them."""
    made = sorted([new_name(), new_name()])
    for topic in reversed(made):
        broker.ensure_topic(topic, 1)
    listed = broker.topics()
    assert [topic for topic in listed if topic in made] == made
    assert not [topic for topic in listed if topic.startswith("_")]


def test_topic_keeps_its_first_partition_count(broker: Broker, new_name: NewName) -> None:
    """Making a topic twice changes nothing and returns what it has."""
    topic = new_name()
    assert broker.ensure_topic(topic, 3) == 3
    assert broker.ensure_topic(topic, 5) == 3
    assert broker.start_offsets(topic) == broker.end_offsets(topic) == {0: 0, 1: 0, 2: 0}


def test_topics_have_different_identities(broker: Broker, new_name: NewName) -> None:
    """A topic's id is its own, and stays."""
    one, two = new_name(), new_name()
    broker.ensure_topic(one, 1)
    broker.ensure_topic(two, 1)
    assert broker.topic_id(one) == broker.topic_id(one) != broker.topic_id(two)


@pytest.mark.parametrize(
    "question", ["topic_id", "start_offsets", "end_offsets", "producer", "appender", "consumer"]
)
def test_unknown_topic_is_refused_by_name(broker: Broker, question: str) -> None:
    """Whoever asks about a topic that does not exist is told which one."""
    with pytest.raises(BrokerError, match="no-such-topic"):
        getattr(broker, question)("no-such-topic")


def test_flushed_records_come_back_unchanged(broker: Broker, topic: str) -> None:
    """Key, value, headers in their order, and a time of now: all as they were sent, null and empty
    values too.
    """
    before = time.time_ns() // 1_000_000
    headers = [("source", b"a"), ("row", b"\x00\xff"), ("source", b"b")]
    with broker.producer(topic) as producer:
        producer.send(b"value", b"key", headers=headers)
        producer.send(None, b"key")
        producer.send(b"", b"key")
        producer.send(b"\x00\xff" * 500_000, b"key")
        producer.flush()
    records = read_all(broker, topic)
    assert [record.value for record in records] == [b"value", None, b"", b"\x00\xff" * 500_000]
    assert {record.key for record in records} == {b"key"}
    assert list(records[0].headers) == headers
    assert list(records[1].headers) == []
    assert all(before <= record.timestamp <= time.time_ns() // 1_000_000 for record in records)


def test_one_key_stays_in_one_partition_and_in_order(broker: Broker, topic: str) -> None:
    """Records of one key are read in the order in which they were sent, from the partition that
    murmur2 names.
    """
    send_all(broker, topic, [(b"%d" % (row % 17), b"%d" % row) for row in range(2000)])
    rows = defaultdict(list)
    for record in read_all(broker, topic):
        assert record.key is not None
        assert record.value is not None
        assert record.partition == partition_of(record.key, 3)
        rows[record.key].append(int(record.value))
    assert len(rows) == 17
    for key, of_key in rows.items():
        assert of_key == list(range(int(key), 2000, 17))


def test_an_append_says_where_each_record_is(broker: Broker, topic: str) -> None:
    """Durable when it returns, and at these places."""
    records = [(b"%d" % (number % 7), b"v%d" % number) for number in range(50)]
    with broker.appender(topic) as appender:
        positions = appender.append(records[:30]) + appender.append(records[30:])
    found = {
        (each.partition, each.offset): (each.key, each.value) for each in read_all(broker, topic)
    }
    assert [found[position] for position in positions] == records
    assert len(found) == 50


def test_partition_can_be_named(broker: Broker, topic: str) -> None:
    """A sender that names the partition gets it, with a key or without."""
    with broker.producer(topic) as producer:
        for partition in (2, 0, 2):
            producer.send(b"value", b"7", partition=partition)
        producer.send(b"value", partition=1)
        producer.flush()
    assert broker.end_offsets(topic) == {0: 1, 1: 1, 2: 2}


def test_partition_that_does_not_exist_is_refused(broker: Broker, topic: str) -> None:
    """A record for a partition that is not there is an error at `send` or at `flush`, and is never
    lost in silence.
    """
    with broker.producer(topic) as producer, pytest.raises(BrokerError):
        producer.send(b"value", partition=3)
        producer.flush()


def test_keyless_records_are_kept(broker: Broker, topic: str) -> None:
    """Without a key and a partition the log chooses one."""
    send_all(broker, topic, [(None, b"%d" % row) for row in range(50)])
    assert sorted(int(record.value or b"") for record in read_all(broker, topic)) == list(range(50))


def test_offsets_rise_from_start_to_end(broker: Broker, topic: str) -> None:
    """Every offset lies between the start and the end that the log names, and rises within its
    partition.
    """
    send_all(broker, topic, [(b"%d" % row, b"value") for row in range(300)])
    send_all(broker, topic, [(b"%d" % row, b"value") for row in range(300)])
    records, ends = read_all(broker, topic), broker.end_offsets(topic)
    assert len(records) == 600
    for partition in range(3):
        offsets = [record.offset for record in records if record.partition == partition]
        assert offsets == sorted(set(offsets))
        assert offsets[-1] < ends[partition]


def test_poll_returns_no_more_than_asked(broker: Broker, topic: str) -> None:
    """`most` is kept, whatever it is."""
    send_all(broker, topic, [(b"%d" % row, b"value") for row in range(100)])
    with broker.consumer(topic) as consumer:
        consumer.seek(broker.start_offsets(topic))
        for most in (1, 2, 10, 50):
            assert 0 < len(consumer.poll(most, 10.0)) <= most


def test_consumer_reads_nothing_before_its_first_seek(broker: Broker, topic: str) -> None:
    """There is no position that the reader did not name."""
    send_all(broker, topic, [(b"1", b"value")])
    with broker.consumer(topic) as consumer:
        assert len(consumer.poll(10, 0.0)) == 0


def test_seek_names_the_partitions_and_where_to_begin(broker: Broker, topic: str) -> None:
    """After a seek only the named partitions are read, also back over what was read before."""
    with broker.producer(topic) as producer:
        for row in range(30):
            producer.send(b"%d" % row, partition=row % 3)
        producer.flush()
    with broker.consumer(topic) as consumer:
        for start in (4, 0, 9):
            consumer.seek({1: start})
            found: list[Record] = []
            while len(found) < 10 - start:
                found += consumer.poll(4, 10.0)
            assert [(record.partition, record.offset) for record in found] == [
                (1, at) for at in range(start, 10)
            ]


def test_positions_follow_what_was_returned(broker: Broker, topic: str) -> None:
    """They begin where the reader sought, and lie behind the last record that `poll` returned."""
    send_all(broker, topic, [(b"%d" % row, b"value") for row in range(100)])
    with broker.consumer(topic) as consumer:
        consumer.seek({0: 2, 1: 0})
        assert consumer.positions() == {0: 2, 1: 0}
        records = consumer.poll(5, 10.0)
        wanted = {0: 2, 1: 0} | {record.partition: record.offset + 1 for record in records}
        assert consumer.positions() == wanted


def test_waiting_poll_sees_what_another_appends(
    broker: Broker, broker_url: str, topic: str
) -> None:
    """A consumer at the end of the log waits, and gets the record that another connection appends
    meanwhile.
    """

    def append() -> None:
        with open_broker(broker_url) as other:
            send_all(other, topic, [(b"1", b"late")])

    with broker.consumer(topic) as consumer:
        consumer.seek(broker.end_offsets(topic))
        thread = threading.Thread(target=append)
        thread.start()
        records = consumer.poll(10, 30.0)
        thread.join()
    assert [record.value for record in records] == [b"late"]


def test_groups_note_how_far_they_read(
    broker: Broker, broker_url: str, topic: str, new_name: NewName
) -> None:
    """Each group has its own note; the last one counts, partition by partition, for other processes
    too.
    """
    writers, others = new_name(), new_name()
    assert broker.committed_offsets(writers, topic) == {}
    broker.commit_offsets(writers, topic, {0: 5, 1: 7})
    broker.commit_offsets(writers, topic, {1: 9})
    broker.commit_offsets(others, topic, {2: 1})
    with open_broker(broker_url) as other:
        assert other.committed_offsets(writers, topic) == {0: 5, 1: 9}
        assert other.committed_offsets(others, topic) == {2: 1}


APPEND = """
import sys
from reelstream.broker import open_broker
from reelstream.telemetry import configure_logs
configure_logs()
url, topic, name = sys.argv[1:]
with open_broker(url) as broker, broker.producer(topic) as producer:
    for row in range(500):
        producer.send(b"%s:%d" % (name.encode(), row), b"%d" % (row % 7))
        if row % 50 == 49:
            producer.flush()
    print("flushed", flush=True)
    sys.stdin.read()
"""


def test_several_processes_append_at_once(broker: Broker, broker_url: str, topic: str) -> None:
    """Nothing is lost or doubled, and each sender's records of a key stay in order."""
    command = [sys.executable, "-c", APPEND, broker_url, topic]
    senders = [subprocess.Popen([*command, name], stdin=subprocess.PIPE) for name in "abc"]
    for sender in senders:
        sender.communicate(timeout=120)
    assert [sender.returncode for sender in senders] == [0, 0, 0]
    rows = defaultdict(list)
    for record in read_all(broker, topic):
        name, row = (record.value or b"").split(b":")
        rows[name, record.key].append(int(row))
    assert sum(map(len, rows.values())) == 1500
    assert all(of_key == sorted(set(of_key)) for of_key in rows.values())


def test_flushed_records_outlive_their_sender(broker: Broker, broker_url: str, topic: str) -> None:
    """What `flush` acknowledged is there after the sender was killed."""
    command = [sys.executable, "-c", APPEND, broker_url, topic, "a"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sender:
        assert sender.stdout is not None
        assert sender.stdout.readline() == b"flushed\n"
        os.kill(sender.pid, signal.SIGKILL)
    assert len(read_all(broker, topic)) == 500
