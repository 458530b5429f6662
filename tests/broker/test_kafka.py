"""What is Kafka's own, on a real broker; what every log promises is in `tests/contract/`."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from kafka_cluster import kcat
from reelstream.broker import open_broker
from reelstream.broker.kafka import KafkaBroker
from reelstream.broker.kafka_settings import MAX_RECORD_BYTES
from reelstream.broker.reading import read_between
from reelstream.errors import BrokerError


@pytest.fixture
def servers(kafka_url: str) -> str:
    return kafka_url.removeprefix("kafka://")


@pytest.fixture
def admin(servers: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": servers})


@pytest.fixture
def broker(kafka_url: str) -> Iterator[KafkaBroker]:
    with open_broker(kafka_url) as opened:
        assert isinstance(opened, KafkaBroker)
        yield opened


@pytest.fixture
def topic(broker: KafkaBroker) -> str:
    name = f"t{uuid4().hex}"
    broker.ensure_topic(name, 1)
    return name


def make_topic(admin: AdminClient, **config: str) -> str:
    name = f"t{uuid4().hex}"
    admin.create_topics([NewTopic(name, 1, config=config)])[name].result()
    while name not in admin.list_topics(timeout=10).topics:
        time.sleep(0.05)
    return name


def test_topic_that_is_made_keeps_everything(
    broker: KafkaBroker, topic: str, admin: AdminClient
) -> None:
    """Nothing goes away by itself, and a record's time is when the log got it."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    config = admin.describe_configs([resource])[resource].result()
    assert config["cleanup.policy"].value == "delete"
    assert config["retention.ms"].value == "-1"
    assert config["message.timestamp.type"].value == "LogAppendTime"


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
def test_compacted_topic_is_refused(broker: KafkaBroker, admin: AdminClient, policy: str) -> None:
    """Ratings keyed by user would be deleted but for the last."""
    name = make_topic(admin, **{"cleanup.policy": policy})
    with pytest.raises(BrokerError, match=f"{name}.* is compacted.*--topic"):
        broker.ensure_topic(name, 1)


def test_record_that_no_topic_takes_is_refused(broker: KafkaBroker, topic: str) -> None:
    """A record beyond all bounds is an error at once, and those before it are sent."""
    with broker.producer(topic) as producer:
        producer.send(b"before")
        with pytest.raises(BrokerError, match="too large"):
            producer.send(b"x" * (MAX_RECORD_BYTES + 1))
        producer.flush()
    assert broker.end_offsets(topic) == {0: 1}


def test_record_that_the_broker_refuses_leaves_no_gap(
    broker: KafkaBroker, admin: AdminClient
) -> None:
    """When a record cannot be kept, none that was taken after it is kept: the next start sends all
    of them again.
    """
    name = make_topic(admin, **{"max.message.bytes": "2000"})
    with broker.producer(name) as producer:
        producer.send(b"before")
        producer.flush()
        producer.send(random.Random(1).randbytes(25_000))  # nothing that could be compressed
        for _ in range(10):
            producer.send(b"after")
        with pytest.raises(BrokerError):
            producer.flush()
        with pytest.raises(BrokerError):
            producer.send(b"later")
            producer.flush()
    assert broker.end_offsets(name) == {0: 1}


def test_header_that_is_no_text_stops_nothing(
    broker: KafkaBroker, topic: str, servers: str
) -> None:
    """A name of a header in another encoding, and a header without a value, are read past."""
    subprocess.run(
        ["kcat", "-P", "-b", servers, "-t", topic, "-H", b"\xff=1"],
        input=b"one",
        check=True,
        timeout=60,
    )
    client = Producer({"bootstrap.servers": servers})
    client.produce(topic, b"two", headers=[("row", None), ("content-type", None)])
    client.flush()
    kcat(servers, "-t", topic, text=b"three")
    records = [record for chunk in read_between(broker, topic, {0: 0}, {0: 3}) for record in chunk]
    assert [(record.value, list(record.headers)) for record in records] == [
        (b"one", []),
        (b"two", [("row", None), ("content-type", None)]),
        (b"three", []),
    ]


def test_marks_of_transactions_are_passed(broker: KafkaBroker, topic: str, servers: str) -> None:
    """A reader comes to the end over marks and over what was taken back, and gets committed records
    only.
    """
    client = Producer({"bootstrap.servers": servers, "transactional.id": topic})
    client.init_transactions()
    for value, end in (
        (b"kept", client.commit_transaction),
        (b"taken back", client.abort_transaction),
    ):
        client.begin_transaction()
        client.produce(topic, value)
        client.flush()
        end()
    while broker.end_offsets(topic) != {0: 4}:
        time.sleep(0.05)  # the last mark is written in a moment
    records = [record for chunk in read_between(broker, topic, {0: 0}, {0: 4}) for record in chunk]
    assert [(record.offset, record.value) for record in records] == [(0, b"kept")]


def test_open_transaction_is_behind_the_end(broker: KafkaBroker, topic: str, servers: str) -> None:
    """What may still be taken back is not there yet, so nobody waits for it."""
    client = Producer({"bootstrap.servers": servers, "transactional.id": topic})
    client.init_transactions()
    client.begin_transaction()
    client.produce(topic, b"open")
    client.flush()
    assert broker.end_offsets(topic) == {0: 0}
    client.abort_transaction()


def test_offset_that_is_gone_is_an_error(broker: KafkaBroker, topic: str) -> None:
    """A reader that asks for records that are not there is told which, and does not begin
    elsewhere.
    """
    with broker.consumer(topic) as consumer:
        consumer.seek({0: 7})
        with pytest.raises(
            BrokerError, match=f"does not hold offset 7 of partition 0 of '{topic}'"
        ):
            while True:
                consumer.poll(10, 1.0)


def test_broker_of_this_machine_says_what_it_needs(tmp_path: Path) -> None:
    """`make kafka` without Java is one sentence with the command that installs it, and leaves
    nothing behind.
    """
    program = Path(__file__).parents[2] / "tools" / "local_kafka.py"
    done = subprocess.run(
        [sys.executable, program, "--data", tmp_path / "data"],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("local_kafka: Kafka needs Java 17 or newer: ")
    assert list(tmp_path.iterdir()) == []
