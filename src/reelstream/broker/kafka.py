"""The log on Apache Kafka, by confluent-kafka.

What delivery depends on is set in `kafka_settings.py` and cannot be changed by a setting: an
idempotent producer that all replicas must acknowledge and that never gives one record up to send
the next; and a reader that sees committed records only, from offsets that it names itself. It joins
no consumer group, so there is none to be thrown out of.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np
import structlog
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    Producer,
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

from reelstream.broker.interface import Closing, Keyed, Offsets, Records
from reelstream.broker.kafka_records import MESSAGE, records_of
from reelstream.broker.kafka_settings import TOPIC, KafkaSettings
from reelstream.errors import BrokerError, MissingExtraError, SettingError, how_to_install

if TYPE_CHECKING:
    from reelstream.broker.schema_registry import SchemaRegistry

# How long a cluster may take to answer at first.
OPEN_SECONDS = 5.0
# How long a query to the cluster may take, restarts and changes of leaders included.
OPERATION_SECONDS = 10.0
# How long the cluster may acknowledge nothing before the waiting records are given up.
DELIVERY_SECONDS = 60.0
PAUSE_SECONDS = 0.1
# Messages in one call of the client: more gain nothing.
CONSUMED_MESSAGES = 500
# Records between two looks for failures: a look costs as much as a record.
SERVED_RECORDS = 1_000

# Errors that end by themselves: a broker starts, or another one becomes leader.
_PASSING = {
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_CONTROLLER,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._WAIT_COORD,
}
_UNREACHABLE = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._RESOLVE,
    KafkaError.REQUEST_TIMED_OUT,
}
_IDENTITY = {
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
}
_RIGHTS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
_AFTER_STATE = re.compile(r" \(after \d+ms in state \w+.*\)$")

Client = TypeVar("Client")
Key = TypeVar("Key")
Value = TypeVar("Value")
log = structlog.get_logger()


class _Cluster:
    """How a cluster is reached: its clients' settings, their last error, and errors translated."""

    def __init__(self, url: str, settings: Mapping[str, str]) -> None:
        self.url = url
        self.settings = KafkaSettings(url, settings)
        self.is_open = False
        self._last_error: KafkaError | None = None

    def create(self, client: Callable[..., Client], settings: Mapping[str, object]) -> Client:
        """A client; raises SettingError for a setting that it does not take."""
        try:
            return client({**settings, "error_cb": self._note_error}, logger=self)
        except (KafkaException, TypeError, ValueError) as error:
            text = error.args[0].str() if isinstance(error, KafkaException) else str(error)
            raise SettingError(
                f"a setting of kafka.* is wrong: {self.settings.without_secrets(text)}"
            ) from error

    def await_answer(self, admin: AdminClient) -> None:
        """Return when a broker has answered. Raises BrokerError when none does, or when it does not
        know us.
        """
        deadline = time.monotonic() + OPEN_SECONDS
        while True:
            try:
                admin.list_topics(timeout=OPEN_SECONDS / 10)
            except KafkaException as error:
                admin.poll(0)  # calls `_note_error`, which knows more than a time-out
                known = self._last_error is not None and self._last_error.code() in _IDENTITY | {
                    KafkaError._SSL
                }
                # Waiting helps while a broker starts, not against a wrong password.
                if known or time.monotonic() > deadline:
                    raise self.refusal(error.args[0]) from error
            else:
                self.is_open = True
                return

    def refusal(self, error: KafkaError) -> BrokerError:
        """A foreign error as one of ours; the client's last error says more than a time-out."""
        if error.code() in _UNREACHABLE and self._last_error is not None:
            error = self._last_error
        text = self.settings.without_secrets(_AFTER_STATE.sub("", error.str()))
        code = error.code()
        if code in _UNREACHABLE:
            advice = (
                "start a broker there (`make kafka` starts one on this machine), or check --broker"
            )
            return BrokerError(f"the log {self.url} cannot be reached ({text}): {advice}")
        if code in _IDENTITY:
            advice = (
                "check kafka.security.protocol, kafka.sasl.mechanism, kafka.sasl.username and"
                " kafka.sasl.password"
            )
            return BrokerError(f"the log {self.url} does not know us ({text}): {advice}")
        if code == KafkaError._SSL:
            advice = "check kafka.security.protocol and kafka.ssl.ca.location"
            return BrokerError(
                f"the log {self.url} and its client do not trust each other ({text}): {advice}"
            )
        if code in _RIGHTS:
            return BrokerError(
                f"the log {self.url} does not allow us to do this ({text}): ask its owner for the"
                " rights"
            )
        return BrokerError(f"the log {self.url}: {text}")

    def log(self, level: int, text: str, *arguments: object) -> None:
        """Take a line of a client's own log; errors come by `error_cb` as well."""
        # Every client gets all settings, also those for the others, and warns of each.
        if "CONFWARN" not in arguments:
            log.debug(
                "kafka_client", level=level, text=self.settings.without_secrets(text % arguments)
            )

    def _note_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN and self._last_error is not None:
            return  # an error of one broker says more
        is_new = self._last_error is None or self._last_error.code() != error.code()
        self._last_error = error
        if self.is_open and is_new:
            log.warning("kafka_client_error", reason=self.settings.without_secrets(error.str()))


class KafkaBroker(Closing):
    """A cluster; closed at the end of its `with`."""

    def __init__(self, url: str, settings: Mapping[str, str]) -> None:
        """Raises SettingError for a setting that the client does not take, BrokerError when nobody
        answers.
        """
        self._cluster = _Cluster(url, settings)
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
                if error.args[0].code() not in _PASSING or time.monotonic() > deadline:
                    raise self._cluster.refusal(error.args[0]) from error
                time.sleep(PAUSE_SECONDS)


class KafkaProducer(Closing):
    """Sends records on threads of the client; after a failure it takes no more.

    A record after a lost one must not be sent: row numbers in the log rise without gaps.
    """

    def __init__(
        self,
        cluster: _Cluster,
        topic: str,
        linger_seconds: float,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self._cluster, self._topic = cluster, topic
        self._failure: KafkaError | None = None
        settings = {
            **cluster.settings.producer(linger_seconds),
            "on_delivery": self._note_failure,
            **(settings or {}),
        }
        self._producer: Producer = cluster.create(Producer, settings)
        self._taken = 0

    def close(self) -> None:
        """Disconnect; records that were not flushed are dropped."""
        self._producer.purge()
        self._producer.close()

    def send(
        self,
        value: bytes | None,
        key: bytes | None = None,
        *,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Take one record. It is durable once `flush` has returned, not before. Raises
        BrokerError.
        """
        place = -1 if partition is None else partition
        given = headers if isinstance(headers, list) else list(headers)
        self._taken += 1
        if self._taken % SERVED_RECORDS == 0:
            self._serve(lambda: self._producer.poll(0))
        self._produce(value, key, place, headers=given)

    def flush(self) -> None:
        """Return when every record taken so far is durable. Raises BrokerError when one was not."""
        self._await_delivery(lambda: self._producer.flush(PAUSE_SECONDS), 0)

    def _produce(self, *record: Any, **options: Any) -> None:
        """Give the client one record, as its `produce` takes it."""
        try:
            self._producer.produce(self._topic, *record, **options)
        except BufferError:
            # The client's queue is full. Half of it, so that not every record from now on waits.
            self._await_delivery(
                lambda: self._producer.poll(PAUSE_SECONDS), len(self._producer) // 2
            )
            self._producer.produce(self._topic, *record, **options)
        except KafkaException as error:
            self._check()
            raise self._cluster.refusal(error.args[0]) from error

    def _await_delivery(self, serve: Callable[[], int], most: int) -> None:
        """Wait until no more than `most` records are unacknowledged.

        Raises BrokerError when one failed, or when none was acknowledged for too long.
        """
        left, deadline = len(self._producer), time.monotonic() + DELIVERY_SECONDS
        while True:
            self._serve(serve)
            waiting = len(self._producer)
            if waiting <= most:
                return
            if waiting < left:
                left, deadline = waiting, time.monotonic() + DELIVERY_SECONDS
            if time.monotonic() > deadline:
                raise self._cluster.refusal(
                    KafkaError(KafkaError._TIMED_OUT, f"{waiting} records wait")
                )

    def _serve(self, serve: Callable[[], int]) -> None:
        """Let the client call back. Raises BrokerError when a record failed."""
        try:
            serve()
        except KafkaException as error:
            self._failure = self._failure or error.args[0]
        self._check()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._cluster.refusal(self._failure) from KafkaException(self._failure)

    def _note_failure(self, error: KafkaError | None, _: Message) -> None:
        """Called by the client for every record; the first failure is the reason for the others."""
        if self._failure is None:
            self._failure = error


class KafkaAppender(KafkaProducer):
    """Sends at once, and is told where each record is; after a failure it takes no more."""

    def __init__(self, cluster: _Cluster, topic: str) -> None:
        # Whoever waits for one record gains nothing from others that could be sent with it; those
        # that came meanwhile are sent together anyway.
        super().__init__(cluster, topic, 0.0, {"delivery.report.only.error": False})

    def append(self, records: Sequence[Keyed]) -> list[tuple[int, int]]:
        """Send these records and wait for all of them; partition and offset of each."""
        positions = [(-1, -1)] * len(records)

        def note(place: int, error: KafkaError | None, message: Message) -> None:
            self._note_failure(error, message)
            positions[place] = MESSAGE.partition(message), MESSAGE.offset(message)

        for place, (key, value) in enumerate(records):
            self._produce(value, key, on_delivery=partial(note, place))
        self.flush()
        return positions


class KafkaConsumer(Closing):
    """Reads the partitions of its last `seek`."""

    def __init__(self, cluster: _Cluster, topic: str) -> None:
        self._cluster, self._topic = cluster, topic
        self._consumer: Consumer = cluster.create(Consumer, cluster.settings.consumer())
        self._positions: dict[int, int] = {}
        self._registry = _open_registry(cluster.settings.registry)

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def seek(self, offsets: Offsets) -> None:
        """Read these partitions, and no others, each from this offset on."""
        self._positions = dict(offsets)
        try:
            self._consumer.assign(
                [TopicPartition(self._topic, *place) for place in offsets.items()]
            )
        except KafkaException as error:
            raise self._cluster.refusal(error.args[0]) from error

    def positions(self) -> dict[int, int]:
        """Partition -> where the next `poll` continues, after records that no reader gets."""
        return dict(self._positions)

    def poll(self, most: int, seconds: float) -> Records:
        """Up to `most` records, in order within each partition; none when none came in
        `seconds`.
        """
        messages: list[Any] = []
        ends: dict[int, int] = {}
        deadline = time.monotonic() + seconds
        while self._positions:
            # One record first: the client would wait until it has all that are wanted.
            messages += self._consume(1, max(0.0, deadline - time.monotonic()), ends)
            while len(messages) < most and (
                more := self._consume(min(CONSUMED_MESSAGES, most - len(messages)), 0.0, ends)
            ):
                messages += more
            if messages or time.monotonic() >= deadline:
                break
        records = self._decoded(messages)
        for partition in np.unique(records.partition).tolist():
            self._positions[partition] = int(records.offset[records.partition == partition][-1]) + 1
        # A gap at the end, such as a transaction's marks, has no record to count by.
        for partition, end in ends.items():
            self._positions[partition] = max(end, self._positions[partition])
        return records

    def _decoded(self, messages: list[Any]) -> Records:
        records = records_of(messages)
        if self._registry is None:
            return records
        try:
            values = self._registry.plain(records.values)
        except BrokerError:
            # The client is past these records, and the next poll must return them.
            self.seek(self._positions)
            raise
        return msgspec.structs.replace(records, values=values)

    def _consume(self, most: int, seconds: float, ends: dict[int, int]) -> list[Any]:
        """Messages that are records; where a partition ends goes into `ends`. Raises
        BrokerError.
        """
        messages: list[Any] = self._consumer.consume(most, seconds)
        # Errors are rare: all messages are checked in a loop of C first.
        if not any(map(MESSAGE.error, messages)):
            return messages
        for message in messages:
            if (error := message.error()) is None:
                continue
            if error.code() == KafkaError._PARTITION_EOF:
                ends[message.partition()] = message.offset()
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                raise BrokerError(
                    f"the log {self._cluster.url} does not hold offset"
                    f" {self._positions[message.partition()]} of partition {message.partition()} of"
                    f" {self._topic!r}: records were lost from it"
                ) from KafkaException(error)
            elif error.code() not in _PASSING and not error.retriable():
                raise self._cluster.refusal(error) from KafkaException(error)
        return [message for message in messages if message.error() is None]


def _open_registry(settings: Mapping[str, str]) -> SchemaRegistry | None:
    if not settings:
        return None
    if find_spec("fastavro") is None or find_spec("authlib") is None:
        raise MissingExtraError(
            f"a schema registry needs its client: {how_to_install('registry')}; or leave out"
            " kafka.schema.registry.url"
        )
    from reelstream.broker.schema_registry import SchemaRegistry  # noqa: PLC0415  (needs an extra)

    return SchemaRegistry(settings)


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
