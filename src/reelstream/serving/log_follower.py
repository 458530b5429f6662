"""Follows the log: each rating reaches its user before any batch holds it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from reelstream.broker.decoding import broken_rows, decode_records
from reelstream.broker.interface import Broker, Consumer, Records
from reelstream.errors import BrokerError
from reelstream.ratings.scale import RatingScale
from reelstream.serving.batch_follower import BatchFollower
from reelstream.serving.follower import Follower
from reelstream.serving.live_histories import log_events
from reelstream.serving.predictor import Predictor

# How long one read of the log waits for a record.
POLL_SECONDS = 0.05
# How often the log is asked for its end.
END_SECONDS = 0.5
# Records in one read of the log: few enough that queries get their turn between two reads.
MAX_RECORDS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSource:
    """The log that a server follows."""

    broker: Broker
    topic: str
    scale: RatingScale
    """Of its ratings; one that is not on it is no rating."""


class LogFollower(Follower):
    """Reads the log from where the batch files end, or where it stopped reading if that is
    further.
    """

    name: ClassVar[str] = "log"
    pause_seconds: ClassVar[float] = 0.0  # a read waits for records by itself

    def __init__(self, predictor: Predictor, source: LogSource, batches: BatchFollower) -> None:
        super().__init__()
        self._predictor, self._source, self._batches = predictor, source, batches
        self.positions: dict[int, int] = {}
        """Partition -> offset of the next record to read."""
        self.start_offsets: Mapping[int, int] = {}
        """Partition -> first offset that the log still holds."""
        self.end_offsets: Mapping[int, int] = {}
        """Partition -> next offset of the log."""
        self.live = 0
        """Ratings read from the log that no batch held at the time."""
        self._consumer: Consumer | None = None
        self._topic_id: str | None = None
        self._end_checked = 0.0

    def follow(self) -> None:
        """Read once. Raises BrokerError; the next step then opens the log anew."""
        try:
            if self._consumer is None:
                self._consumer = self._open_consumer()
            self._take(self._consumer.poll(MAX_RECORDS, POLL_SECONDS))
            # Only now: after a failure the same records are read again, and none is lost.
            self.positions |= self._consumer.positions()
            if time.monotonic() - self._end_checked >= END_SECONDS:
                self._check_end()
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Close the consumer; a later step opens another."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _open_consumer(self) -> Consumer:
        broker, topic = self._source.broker, self._source.topic
        consumer = broker.consumer(topic)
        batched = self._predictor.histories.end_offsets
        for partition, first in broker.start_offsets(topic).items():
            self.positions[partition] = max(
                first, batched.get(partition, 0), self.positions.get(partition, 0)
            )
        self._check_log()
        consumer.seek(dict(self.positions))
        return consumer

    def _take(self, records: Records) -> None:
        """Hand on what is an event; what is not is the batch writer's to reject."""
        events, _ = decode_records(records, broken_rows(records.headers), self._source.scale)
        self.live += self._predictor.take(log_events(events))

    def _check_end(self) -> None:
        self._check_log()
        self._end_checked = time.monotonic()
        if self.end_offsets.keys() - self.positions.keys():  # partitions were added
            self.close()

    def _check_log(self) -> None:
        """Raises BrokerError when this is not the log that was followed so far: its offsets mean
        something else.
        """
        broker, topic = self._source.broker, self._source.topic
        topic_id = broker.topic_id(topic)
        if {self._topic_id, self._batches.topic_id} - {None, topic_id}:
            raise BrokerError(
                f"the topic {topic!r} is not the one that was followed, it was deleted and"
                " made anew: answers stay as they were; name another --work folder"
            )
        self._topic_id = topic_id
        self.start_offsets = broker.start_offsets(topic)
        self.end_offsets = broker.end_offsets(topic)
        for partition, position in self.positions.items():
            end = self.end_offsets.get(partition, 0)
            if position > end:
                raise BrokerError(
                    f"the log ends at offset {end} of partition {partition}, but was read to"
                    f" {position} before: records were lost from it"
                )
