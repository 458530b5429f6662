"""Messages of a client that knows nothing of reelstream: Debian's kcat, on a real Kafka."""

import time
from dataclasses import replace

import numpy as np
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from structlog.testing import capture_logs

from kafka_cluster import KafkaCluster, kcat
from reelstream.broker import open_broker
from reelstream.ratings.columns import NO_ITEM
from reelstream.ratings.effective import effective_ratings
from streams import Stream

BLOB = b"x" * 2 * 1024**2
HOSTILE = {
    b"nonsense": "not a rating message",
    b'{"userId":1,"movieId":31,"rating":2.5,': "not a rating message",
    b'{"userId":"one","movieId":31,"rating":2.5}': "userId",
    b'{"userId":1,"movieId":31,"rating":[2.5]}': "rating",
    b'{"userId":1,"movieId":31}': "rating",
    b'{"userId":1,"rating":2.5}': "movieId",
    b'{"userId":1,"movieId":31,"rating":2.5,"forget":true}': "neither movieId nor rating",
    b'{"userId":1,"forget":"soon"}': "forget",
    b'{"userId":1,"movieId":31,"rating":7}': "scale",
    b'{"userId":-1,"movieId":31,"rating":2.5}': "userId",
    b'{"userId":1,"movieId":31,"rating":2.5,"timestamp":99999999999}': "timestamp",
    b"\xff\xfe\x00": "not a rating message",
    BLOB: "not a rating message",
}


@pytest.fixture
def sent_by_kcat(kafka_stream: Stream, kafka_cluster: KafkaCluster) -> Stream:
    """Every message by kcat into partition 1, and one that is sound behind them all."""

    def send(value: bytes, *arguments: str) -> None:
        limit = ("-X", f"message.max.bytes={4 * 1024**2}")
        kcat(
            kafka_cluster.servers,
            "-t",
            kafka_stream.topic,
            "-p",
            "1",
            *limit,
            *arguments,
            text=value,
        )

    for value in HOSTILE:
        send(value, "-D", "\\x01\\x02")  # a delimiter that is in none of them
    send(b"key:", "-Z", "-K", ":")  # a null value, which deletes in a compacted topic
    send(b'{"userId":5,"movieId":31,"rating":2.5,"timestamp":1260759144}')
    return kafka_stream


def test_ratings_of_another_client_arrive(
    kafka_stream: Stream, kafka_cluster: KafkaCluster
) -> None:
    """Numbers may be strings, more fields may be there, a missing time is the record's; null
    deletes, a user is forgotten.
    """
    before = int(time.time())
    lines = [
        b'{"userId":1,"movieId":31,"rating":2.5,"timestamp":1260759144}',
        b'{"userId":"2","movieId":"31","rating":"4","timestamp":"1260759144"}',
        b'{"source":"shop","userId":3,"movieId":31,"rating":5,"timestamp":1260759144,"tags":["a",{"b":1}]}',
        b'{"userId":4,"movieId":31,"rating":0.5}',
        b'{"userId":1,"movieId":31,"rating":null,"timestamp":1260759145}',
        b'{"userId":"2","forget":true,"source":"shop"}',
    ]
    kcat(kafka_cluster.servers, "-t", kafka_stream.topic, "-p", "2", text=b"\n".join(lines))
    kafka_stream.batch()
    assert kafka_stream.rejected() == []
    held = kafka_stream.ratings()
    assert held.user_id.tolist() == [1, 2, 3, 4, 1, 2]
    assert held.item_id.tolist() == [31] * 5 + [NO_ITEM]
    np.testing.assert_array_equal(held.rating, np.float32([2.5, 4, 5, 0.5, np.nan, np.nan]))
    assert held.timestamp.tolist()[:3] == [1260759144] * 3
    assert before <= held.timestamp[3] <= held.timestamp[5] <= time.time()
    assert held.offset.tolist() == [0, 1, 2, 3, 4, 5]
    assert effective_ratings(held).user_id.tolist() == [3, 4]
    assert kafka_stream.audit().problems == ()


def test_hostile_messages_of_another_client_are_kept_with_their_reason(
    sent_by_kcat: Stream,
) -> None:
    """Each is in the rejected file with reason, partition, offset and its bytes; the rating behind
    them arrives.
    """
    sent_by_kcat.batch()
    rejected = sent_by_kcat.rejected()
    assert [row.raw for row in rejected] == [*HOSTILE, b""]
    assert [(row.partition, row.offset) for row in rejected] == [
        (1, offset) for offset in range(len(HOSTILE) + 1)
    ]
    for row, reason in zip(rejected, [*HOSTILE.values(), "empty"], strict=True):
        assert reason in row.reason
    assert sent_by_kcat.ratings().user_id.tolist() == [5]
    assert sent_by_kcat.audit().problems == ()


def test_a_time_that_a_sender_sets_is_a_claim(
    kafka_stream: Stream, kafka_cluster: KafkaCluster
) -> None:
    """It stands in for a missing one if it can be true, else the reader's clock does; it bounds
    nothing.
    """
    stream = replace(kafka_stream, topic=f"{kafka_stream.topic}-claimed")
    admin = AdminClient({"bootstrap.servers": kafka_cluster.servers})
    config = {
        "message.timestamp.type": "CreateTime",
        "message.timestamp.after.max.ms": str(2**62),
    }
    wanted = NewTopic(stream.topic, 1, config=config)
    admin.create_topics([wanted])[stream.topic].result()
    before = int(time.time())
    sender = Producer({"bootstrap.servers": kafka_cluster.servers})
    own, replayed = 1_700_000_000, 1_600_000_000
    bare = b'{"userId":5,"movieId":31,"rating":3.5}'
    timed = b'{"userId":5,"movieId":31,"rating":3.5,"timestamp":%d}' % own
    for value, milliseconds in [
        (timed, before),  # seconds, taken for milliseconds: 1970
        (bare, before),
        (timed, (own - 200_000) * 1000),  # older than what it holds
        (bare, replayed * 1000),
        (bare, (before + 900_000) * 1000),  # days ahead
    ]:
        sender.produce(stream.topic, value, b"5", timestamp=milliseconds)
    sender.flush()
    with capture_logs() as logs:
        stream.make_topic()
    assert "times_of_records_are_set_by_senders" in [each["event"] for each in logs]
    stream.batch()
    assert stream.rejected() == []
    times = stream.ratings().timestamp.tolist()
    assert [times[0], *times[2:4]] == [own, own, replayed]
    for stood_in in (times[1], times[4]):
        assert before <= stood_in <= time.time()
    assert stream.audit().problems == ()


def test_two_clients_share_a_stream(kafka_stream: Stream, kafka_cluster: KafkaCluster) -> None:
    """Ratings keyed by kcat as Java clients key them lie in the partition in which the producer
    puts that user.
    """
    kafka_stream.produce()
    user = 7
    line = b'%d|{"userId":%d,"movieId":31,"rating":2.5}' % (user, user)
    kcat(
        kafka_cluster.servers,
        "-t",
        kafka_stream.topic,
        "-K",
        "|",
        "-X",
        "partitioner=murmur2_random",
        text=line,
    )
    kafka_stream.batch()
    held = kafka_stream.ratings()
    assert len(held) == 3001
    assert len(set(held.partition[held.user_id == user].tolist())) == 1
    with open_broker(kafka_stream.url) as broker:
        assert sum(broker.end_offsets(kafka_stream.topic).values()) == 3001
    assert kafka_stream.audit().problems == ()
