"""Reads the records of a Kafka topic."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from reelstream.broker.interface import Closing, Offsets, Records
from reelstream.broker.kafka_cluster import PASSING_ERRORS, KafkaCluster
from reelstream.broker.kafka_records import MESSAGE, records_of
from reelstream.errors import BrokerError, MissingExtraError, how_to_install

if TYPE_CHECKING:
    from reelstream.broker.schema_registry import SchemaRegistry

# Messages in one call of the client: more gain nothing.
CONSUMED_MESSAGES = 500


class KafkaConsumer(Closing):
    """Reads the partitions of its last `seek`."""

    def __init__(self, cluster: KafkaCluster, topic: str) -> None:
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
            elif error.code() not in PASSING_ERRORS and not error.retriable():
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
