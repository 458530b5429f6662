"""The stream on a real Kafka, under fire: `make crash-test` prints these cases as a table.

Whatever dies, stops, comes back late or is taken away: every rating is in the batch files once, or
the error says what is missing and what to do about it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import steps
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions
from workers import die, go_on, one_fork_server, start, wait_until_stopped

from kafka_cluster import KafkaCluster, kcat
from reelstream.broker import open_broker
from reelstream.datasets import detect, simulate
from reelstream.errors import BrokerError
from reelstream.storage.manifest import OffsetRange
from streams import Stream

MESSAGE = b'{"userId":%d,"movieId":31,"rating":2.5,"timestamp":1260759144}'


@pytest.fixture(scope="module", autouse=True)
def fork_server() -> Iterator[None]:
    with one_fork_server():
        yield


@pytest.fixture
def admin(kafka_cluster: KafkaCluster) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka_cluster.servers})


def wait_until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def rows_in_batches(stream: Stream) -> int:
    return sum(manifest.rows for manifest in stream.batches.manifests())


@pytest.mark.parametrize(
    "step",
    ["rows_sent", "rows_sent 2", "rows_flushed 2", f"pointer_replaced@{steps.CHECKPOINT} 2"],
)
def test_producer_killed(kafka_stream: Stream, step: str) -> None:
    """The producer is killed while it sends, after a flush, and after a checkpoint."""
    die(kafka_stream, "produce", step)
    kafka_stream.produce()
    kafka_stream.batch()
    kafka_stream.assert_exactly_once()


@pytest.mark.parametrize(
    "step",
    [
        f"file_synced@{steps.MANIFEST_1}",
        f"file_linked@{steps.MANIFEST_1}",
        "offsets_committed",
        f"file_published@{steps.MANIFEST_2}",
    ],
)
def test_writer_killed(kafka_stream: Stream, step: str) -> None:
    """The batch writer is killed before and after its commit point, after its hint, and in a later
    batch.
    """
    kafka_stream.produce()
    die(kafka_stream, "batch", step)
    kafka_stream.batch()
    kafka_stream.assert_exactly_once()


def test_standby_takes_over(kafka_stream: Stream) -> None:
    """A standby writer takes over from a dead one."""
    first = start(kafka_stream, "batch")
    producer = start(kafka_stream, "produce", rate=1500.0)
    wait_until(lambda: rows_in_batches(kafka_stream) > 500, "the first writer writes")
    second = start(kafka_stream, "batch")
    first.kill()
    first.join()
    producer.join()
    wait_until(lambda: rows_in_batches(kafka_stream) == 3000, "the second writer writes the rest")
    second.kill()
    second.join()
    kafka_stream.assert_exactly_once()


@pytest.mark.parametrize(
    "step",
    [
        f"file_synced@{steps.RATINGS_1}",
        f"file_synced@{steps.MANIFEST_1}",
        f"file_linked@{steps.MANIFEST_1}",
    ],
)
def test_zombie_writer(kafka_stream: Stream, step: str) -> None:
    """A writer stops past its session, another takes its place, and it goes on: it changes
    nothing.
    """
    kafka_stream.produce()
    zombie = start(kafka_stream, "batch", f"{step} 1 SIGSTOP")
    wait_until_stopped(zombie)
    kafka_stream.batch(rows=350)
    closed = kafka_stream.batches.manifests()
    assert go_on(zombie) == 0
    assert kafka_stream.batches.manifests() == closed
    kafka_stream.assert_exactly_once()


def test_zombie_producer(kafka_stream: Stream) -> None:
    """A stopped producer's last requests land after its successor has sent everything: counted, not
    stored.
    """
    linger = {"linger.ms": "60000"}  # nothing leaves before it flushes
    zombie = start(
        kafka_stream,
        "produce",
        "rows_sent 1 SIGSTOP",
        kafka=linger,
    )
    wait_until_stopped(zombie)
    assert kafka_stream.produce().sent == 3000
    kafka_stream.batch()
    assert go_on(zombie) == 0
    kafka_stream.batch()
    assert sum(manifest.repeats for manifest in kafka_stream.batches.manifests()) >= 900
    kafka_stream.assert_exactly_once()


def test_broker_killed(kafka_stream: Stream, kafka_cluster: KafkaCluster) -> None:
    """The broker is killed in mid-stream and started again; producer and writer live through it."""
    producer, writer = (
        start(kafka_stream, "produce", rate=1000.0),
        start(kafka_stream, "batch", lease_seconds=30.0),
    )
    wait_until(lambda: rows_in_batches(kafka_stream) > 500, "the writer writes")
    kafka_cluster.kill()
    kafka_cluster.start()
    kafka_cluster.await_ready()
    producer.join()
    assert producer.exitcode == 0
    writer.kill()
    writer.join()
    kafka_stream.batch()
    kafka_stream.assert_exactly_once()


@pytest.fixture(scope="module")
def three_brokers(
    tmp_path_factory: pytest.TempPathFactory, kafka_url: str
) -> Iterator[KafkaCluster]:
    """Three brokers of one cluster; the shared one has said that this machine can run them."""
    with KafkaCluster(tmp_path_factory.mktemp("three"), nodes=3) as cluster:
        yield cluster


def test_leader_changes(three_brokers: KafkaCluster, tmp_path: Path, small_dataset: Path) -> None:
    """The leader of a partition is killed in a cluster of three; another one takes over."""
    stream = Stream(tmp_path / "work", detect(small_dataset), "ratings", three_brokers.url)
    stream.make_topic()
    producer, writer = (
        start(stream, "produce", rate=500.0),
        start(stream, "batch", lease_seconds=30.0),
    )
    wait_until(lambda: rows_in_batches(stream) > 300, "the writer writes")
    admin = AdminClient({"bootstrap.servers": three_brokers.servers})
    leader = admin.list_topics(timeout=10).topics["ratings"].partitions[0].leader
    three_brokers.kill(leader)
    producer.join()
    assert producer.exitcode == 0
    writer.kill()
    writer.join()
    stream.produce()
    stream.batch()
    stream.assert_exactly_once()


def test_partitions_added(
    kafka_stream: Stream, kafka_cluster: KafkaCluster, admin: AdminClient
) -> None:
    """The topic gets more partitions in mid-stream: the source stays where it began, others use the
    new ones.
    """
    producer, writer = start(kafka_stream, "produce", rate=1500.0), start(kafka_stream, "batch")
    wait_until(lambda: rows_in_batches(kafka_stream) > 500, "the writer writes")
    admin.create_partitions([NewPartitions(kafka_stream.topic, 5)])[kafka_stream.topic].result()
    producer.join()
    kcat(kafka_cluster.servers, "-t", kafka_stream.topic, "-p", "4", text=MESSAGE % 7)
    wait_until(lambda: rows_in_batches(kafka_stream) == 3001, "the writer reads the new partition")
    writer.kill()
    writer.join()
    assert kafka_stream.audit().problems == ()
    ratings = kafka_stream.ratings()
    assert set(ratings.partition.tolist()) == {0, 1, 2, 4}


def delete_before(admin: AdminClient, topic: str, offsets: dict[int, int]) -> None:
    """What retention does."""
    places = [TopicPartition(topic, *place) for place in offsets.items()]
    for future in admin.delete_records(places).values():
        future.result()


def test_retention_before_the_writer(kafka_stream: Stream, admin: AdminClient) -> None:
    """Retention has deleted what no batch holds: an error names the range; accepted, the loss is on
    record.
    """
    kafka_stream.produce()
    kafka_stream.batch(rows=1000)
    kafka_stream.produce(order="file")
    taken = kafka_stream.batches.manifests()[-1].next_offsets
    delete_before(admin, kafka_stream.topic, {1: taken[1] + 10})
    wanted = rf"deleted offsets {taken[1]} to {taken[1] + 9} of partition 1.*--accept-loss"
    for _ in range(2):
        with pytest.raises(BrokerError, match=wanted):
            kafka_stream.batch()
    kafka_stream.batch(accept_loss=True)
    lost = [manifest.lost for manifest in kafka_stream.batches.manifests() if manifest.lost]
    assert lost == [{1: OffsetRange(taken[1], taken[1] + 10)}]
    report = kafka_stream.audit()
    assert report.problems == ()
    assert (report.totals.lost, report.totals.batched_rows, report.totals.waiting) == (10, 5990, 0)
    kafka_stream.batch()


def test_retention_of_all_that_was_left(kafka_stream: Stream, admin: AdminClient) -> None:
    """A loss behind which nothing comes is on record too."""
    kafka_stream.produce()
    kafka_stream.batch(rows=1000)
    kafka_stream.produce(order="file")
    with open_broker(kafka_stream.url) as broker:
        delete_before(admin, kafka_stream.topic, broker.end_offsets(kafka_stream.topic))
    kafka_stream.batch(accept_loss=True)
    kafka_stream.batch()
    report = kafka_stream.audit()
    assert report.problems == ()
    assert (report.totals.lost, report.totals.batched_rows) == (3000, 3000)


def test_retention_behind_the_checkpoint(kafka_stream: Stream, admin: AdminClient) -> None:
    """The log has deleted records behind a producer's checkpoint: an error, or rows sent twice and
    stored once.
    """
    # the checkpoint knows of the first 900 rows
    die(kafka_stream, "produce", "rows_flushed 2")
    with open_broker(kafka_stream.url) as broker:
        ends = broker.end_offsets(kafka_stream.topic)
    kafka_stream.batch()
    delete_before(admin, kafka_stream.topic, ends)
    with pytest.raises(
        BrokerError, match=r"deleted offsets \d+ to \d+ of partition 0.*checkpoint.*--accept-loss"
    ):
        kafka_stream.produce()
    kafka_stream.produce(accept_loss=True)
    kafka_stream.batch()
    assert sum(manifest.repeats for manifest in kafka_stream.batches.manifests()) == 900
    kafka_stream.assert_exactly_once()


def test_topic_made_anew(kafka_stream: Stream, admin: AdminClient) -> None:
    """The topic is deleted and made again under the same name: a writer at work and one that starts
    both see it.
    """
    kafka_stream.produce()
    kafka_stream.batch()
    writer = start(kafka_stream, "batch")
    admin.delete_topics([kafka_stream.topic])[kafka_stream.topic].result()
    wait_until(
        lambda: kafka_stream.topic not in admin.list_topics(timeout=10).topics, "the topic goes"
    )
    # what a checkpoint says of another topic does not count
    assert kafka_stream.produce().sent == 3000
    writer.join(timeout=60)
    assert writer.exitcode == 1
    with pytest.raises(BrokerError, match=r"deleted and made anew.*--work"):
        kafka_stream.batch()
    assert rows_in_batches(kafka_stream) == 3000
    assert kafka_stream.audit().problems[0].startswith("the batches were made from another topic")


def test_marks_of_transactions(kafka_stream: Stream, kafka_cluster: KafkaCluster) -> None:
    """A transactional client leaves marks between ratings and at the end, and takes some back:
    audit understands.
    """
    kafka_stream.produce()
    client = Producer(
        {"bootstrap.servers": kafka_cluster.servers, "transactional.id": kafka_stream.topic}
    )
    client.init_transactions()
    for end in (client.commit_transaction, client.abort_transaction, client.commit_transaction):
        client.begin_transaction()
        for user in range(30):
            client.produce(kafka_stream.topic, MESSAGE % user, partition=user % 3)
        client.flush()
        end()
    kafka_stream.batch()
    kafka_stream.produce(order="file")
    kafka_stream.batch()
    report = kafka_stream.audit()
    assert report.problems == ()
    assert (report.totals.batched_rows, report.totals.repeats, report.totals.waiting) == (
        6060,
        0,
        0,
    )
    assert report.totals.log_records == 6060 + 30 + 9


@pytest.mark.timeout(1800)  # `make crash-test` asks for a long stream
def test_random_kills(
    tmp_path: Path,
    kafka_cluster: KafkaCluster,
    kills: int,
    ratings: int,
    record_property: Callable[[str, object], None],
) -> None:
    """Producer, writer and broker are killed at random during one stream."""
    simulate(tmp_path / "data", users=ratings // 100, items=500, ratings=ratings, seed=2)
    stream = Stream(
        tmp_path / "work", detect(tmp_path / "data"), f"t{time.time_ns()}", kafka_cluster.url
    )
    stream.make_topic()
    options = {
        "produce": {"rate": ratings / (3.0 * kills), "checkpoint_rows": ratings // 50},
        "batch": {"rows": ratings // 50, "seconds": 1.0, "lease_seconds": 1.0},
    }
    moments = random.Random(3)
    workers = {role: start(stream, role, **options[role]) for role in options}
    try:
        for kill in range(kills):
            time.sleep(moments.uniform(0.0, 3.0))
            for role, worker in workers.items():
                # the broker was away too long for it
                if not worker.is_alive() and worker.exitcode != 0:
                    workers[role] = start(stream, role, **options[role])
            if kill % 3 == 2:
                kafka_cluster.kill()
                kafka_cluster.start()
            else:
                role = ("produce", "batch")[kill % 3]
                workers[role].kill()
                workers[role].join()
                workers[role] = start(stream, role, **options[role])
    finally:
        for worker in workers.values():
            worker.kill()
            worker.join()
    kafka_cluster.await_ready()
    sent_later = stream.produce().sent
    stream.batch(rows=ratings // 10)
    assert 0 < sent_later < ratings
    stream.assert_exactly_once()
    totals = stream.audit().totals
    record_property(
        "detail",
        f"{kills} kills, {totals.batched_rows:,} rows, {totals.repeats:,} repeats passed over",
    )
