"""Sends records to a Kafka topic."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from reelstream.broker.interface import Closing, Keyed, SentHeaders
from reelstream.broker.kafka_cluster import PAUSE_SECONDS, KafkaCluster
from reelstream.broker.kafka_records import MESSAGE

# How long the cluster may acknowledge nothing before the waiting records are given up.
DELIVERY_SECONDS = 60.0
# Records between two looks for failures: a look costs as much as a record.
SERVED_RECORDS = 1_000


class KafkaProducer(Closing):
    """Sends records on threads of the client; after a failure it takes no more.

    A record after a lost one must not be sent: row numbers in the log rise without gaps.
    """

    def __init__(
        self,
        cluster: KafkaCluster,
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

    def __init__(self, cluster: KafkaCluster, topic: str) -> None:
        # Whoever waits for one record gains nothing from others that could be sent with it; those
        # that came meanwhile are sent together anyway.
        super().__init__(cluster, topic, 0.0, {"delivery.report.only.error": False})

    def append(
        self, records: Sequence[Keyed], headers: Sequence[SentHeaders] = ()
    ) -> list[tuple[int, int]]:
        """Send these records and wait for all of them; partition and offset of each."""
        positions = [(-1, -1)] * len(records)

        def note(place: int, error: KafkaError | None, message: Message) -> None:
            self._note_failure(error, message)
            positions[place] = MESSAGE.partition(message), MESSAGE.offset(message)

        for place, (key, value) in enumerate(records):
            given = list(headers[place]) if headers else []
            self._produce(value, key, headers=given, on_delivery=partial(note, place))
        self.flush()
        return positions
