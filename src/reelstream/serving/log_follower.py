"""Follows the log: each rating reaches its user before any batch holds it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from reelstream.broker.decoding import broken_rows, decode_records
from reelstream.broker.interface import Broker, Consumer, Records
from reelstream.errors import BrokerError
from reelstream.ratings.ids import NUMBERS, Ids
from reelstream.ratings.scale import RatingScale
from reelstream.serving.batch_follower import BatchFollower
from reelstream.serving.follower import Follower
from reelstream.serving.live_histories import log_events
from reelstream.serving.log_progress import LogProgress
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
    ids: Ids = NUMBERS
    """Of its users and items."""


class LogFollower(Follower):
    """Reads the log from where the batch files end, or where it stopped reading if that is
    further.
    """

    name: ClassVar[str] = "log"
    pause_seconds: ClassVar[float] = 0.0  # a read waits for records by itself

    def __init__(self, predictor: Predictor, source: LogSource, batches: BatchFollower) -> None:
        super().__init__(predictor.activity)
        self._predictor, self._source, self._batches = predictor, source, batches
        self.progress = LogProgress()
        self.start_offsets: Mapping[int, int] = {}
        """Partition -> first offset that the log still holds."""
        self.end_offsets: Mapping[int, int] = {}
        """Partition -> next offset of the log."""
        self.live = 0
        """Ratings read from the log that no batch held at the time."""
        self._consumer: Consumer | None = None
        self.topic_id: str | None = None
        """The identity of the topic; None until it was reached."""
        self._end_checked = 0.0
        self._read_at = time.monotonic()

    def follow(self) -> None:
        """Read once. Raises BrokerError; the next step then opens the log anew."""
        try:
            if self._consumer is None:
                self._consumer = self._open_consumer()
            self._take(self._consumer.poll(MAX_RECORDS, POLL_SECONDS))
            # Only now: after a failure the same records are read again, and none is lost.
            self.progress.advance(self._consumer.positions())
            self._read_at = time.monotonic()
            if time.monotonic() - self._end_checked >= END_SECONDS:
                self._check_end()
        except Exception:
            self.close()
            raise

    @property
    def stale_seconds(self) -> float | None:
        """Since the log was read the last time, while it cannot be read; None while it can."""
        return None if self.failure is None else time.monotonic() - self._read_at

    def read_end_offsets(self) -> Mapping[int, int]:
        """Where the log ends now, for any thread. Raises BrokerError."""
        self.end_offsets = self._source.broker.end_offsets(self._source.topic)
        return self.end_offsets

    def close(self) -> None:
        """Close the consumer; a later step opens another."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _open_consumer(self) -> Consumer:
        broker, topic = self._source.broker, self._source.topic
        consumer = broker.consumer(topic)
        batched = self._predictor.histories.end_offsets
        so_far = self.progress.positions
        begin = {
            partition: max(first, batched.get(partition, 0), so_far.get(partition, 0))
            for partition, first in broker.start_offsets(topic).items()
        }
        self.progress.advance(begin)
        self._check_log()
        consumer.seek(begin)
        return consumer

    def _take(self, records: Records) -> None:
        """Hand on what is an event; what is not is the batch writer's to reject."""
        source, broken = self._source, broken_rows(records.headers)
        events, _ = decode_records(records, broken, source.scale, source.ids)
        self.live += self._predictor.take(log_events(events))

    def _check_end(self) -> None:
        self._check_log()
        self._end_checked = time.monotonic()
        if self.end_offsets.keys() - self.progress.positions.keys():  # partitions were added
            self.close()

    def _check_log(self) -> None:
        """Raises BrokerError when this is not the log that was followed so far: its offsets mean
        something else.
        """
        broker, topic = self._source.broker, self._source.topic
        topic_id = broker.topic_id(topic)
        if {self.topic_id, self._batches.topic_id} - {None, topic_id}:
            raise BrokerError(
                f"the topic {topic!r} is not the one that was followed, it was deleted and"
                " made anew: answers stay as they were; name another --work folder"
            )
        self.topic_id = topic_id
        self.start_offsets = broker.start_offsets(topic)
        self.read_end_offsets()
        for partition, position in self.progress.positions.items():
            end = self.end_offsets.get(partition, 0)
            if position > end:
                raise BrokerError(
                    f"the log ends at offset {end} of partition {partition}, but was read to"
                    f" {position} before: records were lost from it"
                )
