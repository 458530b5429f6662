"""The log on Apache Kafka, by confluent-kafka.

What delivery depends on is set in `kafka_settings.py` and cannot be changed by a setting: an
idempotent producer that all replicas must acknowledge and that never gives one record up to send
the next; and a reader that sees committed records only, from offsets that it names itself. It joins
no consumer group, so there is none to be thrown out of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TypeVar

import structlog
from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
    TopicDescription,
)

from reelstream.broker.interface import Closing, Offsets
from reelstream.broker.kafka_cluster import PASSING_ERRORS, PAUSE_SECONDS, KafkaCluster
from reelstream.broker.kafka_consumer import KafkaConsumer
from reelstream.broker.kafka_producer import KafkaAppender, KafkaProducer
from reelstream.broker.kafka_settings import TOPIC
from reelstream.errors import BrokerError

# How long a query to the cluster may take, restarts and changes of leaders included.
OPERATION_SECONDS = 10.0

Key = TypeVar("Key")
Value = TypeVar("Value")
log = structlog.get_logger()


class KafkaBroker(Closing):
    """A cluster; closed at the end of its `with`."""

    def __init__(self, url: str, settings: Mapping[str, str]) -> None:
        """Raises SettingError for a setting that the client does not take, BrokerError when nobody
        answers.
        """
        self._cluster = KafkaCluster(url, settings)
        self._admin = self._cluster.create(AdminClient, self._cluster.settings.client())
        self._cluster.await_answer(self._admin)
        log.debug("kafka_connected", url=url, settings=self._cluster.settings.masked())

    def close(self) -> None:
        """Disconnect."""
        self._admin.__exit__(None, None, None)  # the only way in which this client closes

    def ensure_topic(self, topic: str, partitions: int) -> int:
        """Create the topic if it does not exist; return how many partitions it has.

        Raises BrokerError for a compacted topic: of two ratings by one user Kafka would delete the
        earlier.
        """
        try:
            found = self._describe(topic)
        except BrokerError as error:
            if _code(error) != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
            found = self._make_topic(topic, partitions)
        resource = ConfigResource(ResourceType.TOPIC, topic)
        config = self._query(
            lambda: self._admin.describe_configs([resource], request_timeout=OPERATION_SECONDS)
        )
        _say_whose_clock(topic, str(config[resource]["message.timestamp.type"].value))
        if "compact" in str(config[resource]["cleanup.policy"].value):
            raise BrokerError(
                f"the topic {topic!r} of {self._cluster.url} is compacted, which keeps no more than"
                " a user's last rating: set its cleanup.policy to delete, or name another topic"
                " with --topic"
            )
        return len(found.partitions)

    def topics(self) -> list[str]:
        """The names of all topics, in order; not Kafka's own, such as those of consumer groups."""
        try:
            listed = self._admin.list_topics(timeout=OPERATION_SECONDS).topics
        except KafkaException as error:
            raise self._cluster.refusal(error.args[0]) from error
        return sorted(name for name in listed if not name.startswith("__"))

    def topic_id(self, topic: str) -> str:
        """The identity of a topic: another one under the same name has another."""
        return str(self._describe(topic).topic_id)

    def start_offsets(self, topic: str) -> dict[int, int]:
        """The first offset that each partition still holds."""
        return self._offsets(topic, OffsetSpec.earliest())

    def end_offsets(self, topic: str) -> dict[int, int]:
        """The next offset of each partition, as far as a reader can come: before a transaction that
        is still open.
        """
        return self._offsets(topic, OffsetSpec.latest())

    def commit_offsets(self, group: str, topic: str, offsets: Offsets) -> None:
        """Note how far a consumer group has read."""
        places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        noted = [ConsumerGroupTopicPartitions(group, places)]
        self._query(
            lambda: self._admin.alter_consumer_group_offsets(
                noted, request_timeout=OPERATION_SECONDS
            )
        )

    def committed_offsets(self, group: str, topic: str) -> dict[int, int]:
        """What the group noted last; partitions that it never noted are absent."""
        wanted = [ConsumerGroupTopicPartitions(group)]
        answer = self._query(
            lambda: self._admin.list_consumer_group_offsets(
                wanted, request_timeout=OPERATION_SECONDS
            )
        )
        places = answer[group].topic_partitions or []
        return {
            place.partition: place.offset
            for place in sorted(places)
            if place.topic == topic and place.offset >= 0
        }

    def producer(self, topic: str, *, linger_seconds: float = 0.005) -> KafkaProducer:
        """A producer for an existing topic; several threads may share it."""
        self._describe(topic)
        return KafkaProducer(self._cluster, topic, linger_seconds)

    def appender(self, topic: str) -> KafkaAppender:
        """An appender for an existing topic."""
        self._describe(topic)
        return KafkaAppender(self._cluster, topic)

    def consumer(self, topic: str) -> KafkaConsumer:
        """A consumer of an existing topic; it reads nothing before its first `seek`."""
        self._describe(topic)
        return KafkaConsumer(self._cluster, topic)

    def _make_topic(self, topic: str, partitions: int) -> TopicDescription:
        wanted = [NewTopic(topic, partitions, config=TOPIC)]
        try:
            self._query(
                lambda: self._admin.create_topics(wanted, request_timeout=OPERATION_SECONDS)
            )
        except BrokerError as error:
            if _code(error) != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was faster
                raise
        deadline = time.monotonic() + OPERATION_SECONDS
        while True:  # the controller has it; brokers learn of it a little later
            try:
                self.end_offsets(topic)
                return self._describe(topic)
            except BrokerError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_SECONDS)

    def _describe(self, topic: str) -> TopicDescription:
        wanted = TopicCollection([topic])
        try:
            answer = self._query(
                lambda: self._admin.describe_topics(wanted, request_timeout=OPERATION_SECONDS)
            )
        except BrokerError as error:
            if _code(error) != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
            raise BrokerError(
                f"the log {self._cluster.url} has no topic {topic!r}: produce into it first, or"
                " check --topic"
            ) from error.__cause__
        found: TopicDescription = answer[topic]
        return found

    def _offsets(self, topic: str, which: OffsetSpec) -> dict[int, int]:
        wanted = {
            TopicPartition(topic, partition.id): which
            for partition in self._describe(topic).partitions
        }
        answer = self._query(
            lambda: self._admin.list_offsets(
                wanted,
                isolation_level=IsolationLevel.READ_COMMITTED,
                request_timeout=OPERATION_SECONDS,
            )
        )
        return {place.partition: found.offset for place, found in sorted(answer.items())}

    def _query(self, query: Callable[[], Mapping[Key, Future[Value]]]) -> dict[Key, Value]:
        """What the cluster answers, repeated while it has no leader to answer."""
        deadline = time.monotonic() + OPERATION_SECONDS
        while True:
            try:
                return {key: future.result() for key, future in query().items()}
            except KafkaException as error:
                self._admin.poll(0)
                if error.args[0].code() not in PASSING_ERRORS or time.monotonic() > deadline:
                    raise self._cluster.refusal(error.args[0]) from error
                time.sleep(PAUSE_SECONDS)


def _say_whose_clock(topic: str, timestamp_type: str) -> None:
    if timestamp_type == "CreateTime":
        log.warning(
            "times_of_records_are_set_by_senders",
            topic=topic,
            timestamp_type=timestamp_type,
            note="a rating's own time is bounded by this machine's clock",
        )
    else:
        log.info("times_of_records_are_set_by_kafka", topic=topic, timestamp_type=timestamp_type)


def _code(error: BrokerError) -> int | None:
    """Kafka's code of the error that ours was made from."""
    cause = error.__cause__
    return cause.args[0].code() if isinstance(cause, KafkaException) else None
