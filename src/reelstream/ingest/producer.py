"""Sends a data set's rows into the log, each once, however often it is stopped and started again.

1. Read how far the source has come: the checkpoint, then the log from there to the end offsets read
   at the start.
2. Skip every row up to the last row of its partition: the log has it.
3. Send the others: a rating as JSON, keyed by its user, a row that breaks the contract as its raw
   bytes.
4. Flush: now the log has them.
5. Replace the checkpoint.

Killed anywhere, the next start finds in the log what arrived: row numbers rise within a partition,
so what is missing there comes after its last row. Should a dead producer's last request arrive
after that start has read the end offsets, then a row is in the log twice; the batch writer skips
the second and counts it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import structlog
from prometheus_client import Gauge

from reelstream.broker.headers import ROW, broken_row_headers, row_prefix
from reelstream.broker.interface import Broker, Producer
from reelstream.broker.partitioning import partition_of
from reelstream.datasets.row_parser import CsvRow
from reelstream.errors import BrokerError
from reelstream.failpoints import reached
from reelstream.ingest.resume_point import Checkpoint, ResumePoint, scan
from reelstream.ratings.ids import Ids
from reelstream.ratings.wire import encode_message

# Rows sent between two checkpoints: each costs a flush and two calls to the broker.
CHECKPOINT_ROWS = 200_000
PROGRESS_ROWS = 1_000
# With a rate, how often what was sent is flushed and the clock read.
PACED_SECONDS = 0.1

_DONE = Gauge(
    "reelstream_producer_rows", "Rows of the source that are sent, or that the log had before."
)
_ALL = Gauge("reelstream_producer_source_rows", "Rows of the source.")

log = structlog.get_logger()


Order = Literal["time", "file"]


class Rows(Protocol):
    """The rows of a source in the order of sending; their length counts the skipped ones too."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[CsvRow]: ...


class Source(Protocol):
    """What is sent: a data set."""

    @property
    def fingerprint(self) -> str:
        """The hash of its content."""

    @property
    def ids(self) -> Ids:
        """Of its users and items: its rows hold their numbers."""

    def rows(self, order: Order, start: int = 0) -> Rows:
        """Its rows without the first `start`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProduceReport:
    """What one run of the producer did."""

    sent: int
    """Rows sent, broken ones too."""
    skipped: int
    """Rows that the log had already."""
    unreadable: int
    """Rows sent that break the contract."""
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProduceOptions:
    """How a source is sent."""

    checkpoint: Path
    """The file that spares a restart the scan of the whole log."""
    order: Order
    partitions: int
    """Of the topic, if it has to be created."""
    rate: float | None = None
    """Ratings a second at most; None: as fast as possible."""
    accept_loss: bool = False
    """Whether to continue where the log has deleted records after the checkpoint: rows that may
    have been among them are sent again.
    """


def produce(
    dataset: Source,
    broker: Broker,
    topic: str,
    options: ProduceOptions,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    stop: threading.Event | None = None,
) -> ProduceReport:
    """Send all rows of `dataset` that the log does not hold, until `stop` is set.

    `on_progress` gets the number of rows sent or skipped, and of all rows. Raises BrokerError,
    StorageError and DatasetError.
    """
    started = time.monotonic()
    n_partitions = broker.ensure_topic(topic, options.partitions)
    source = source_name(dataset, options.order)
    progress = _SourceProgress(broker, topic, source, options)
    progress.check(n_partitions)
    point = progress.point
    with broker.producer(topic) as producer:
        sending = _Sending(
            producer, source, point, dataset.ids, rate=options.rate, stop=stop or threading.Event()
        )
        rows = dataset.rows(options.order, sending.first_row)
        save = partial(progress.save, producer)
        show = partial(_show, on_progress, len(rows))
        sending.send_all(rows, save, show)
    counts = {
        "sent": sending.sent,
        "skipped": sending.skipped,
        "unreadable": sending.unreadable,
    }
    log.info("produced", source=source, **counts)
    return ProduceReport(**counts, seconds=time.monotonic() - started)


def source_name(dataset: Source, order: Order) -> str:
    """The name that the headers give to a data set in an order."""
    return f"{dataset.fingerprint[:16]}:{order}"


def _show(on_progress: Callable[[int, int], None] | None, n_rows: int, done: int) -> None:
    _DONE.set(done)
    _ALL.set(n_rows)
    if on_progress is not None:
        on_progress(done, n_rows)


class _SourceProgress:
    """How far one source has come in the log, and its place in the checkpoint."""

    def __init__(self, broker: Broker, topic: str, source: str, options: ProduceOptions) -> None:
        """Find the resume point, and write it down."""
        self._broker, self._topic, self._source = broker, topic, source
        self._path = options.checkpoint
        # 1. How far the source has come.
        self._checkpoint = Checkpoint.read(self._path, broker.topic_id(topic))
        known = self._checkpoint.sources.get(source)
        self.point = scan(broker, topic, source, known, accept_loss=options.accept_loss)
        reached("resume_point_found")
        self._checkpoint.sources[source] = self.point
        self._checkpoint.write(self._path)

    def check(self, n_partitions: int) -> None:
        """Raises BrokerError when the topic has fewer partitions than the source began with."""
        if self.point.partitions > n_partitions:
            raise BrokerError(
                f"the source {self._source} began with {self.point.partitions} partitions, the"
                f" topic {self._topic!r} has {n_partitions}: its records were lost from the log,"
                " name another --work folder"
            )

    def save(self, producer: Producer) -> None:
        """Make durable what was sent, then note it."""
        reached("rows_sent")
        # 4. Flush.
        producer.flush()
        reached("rows_flushed")
        # 5. The checkpoint. What the log holds by now holds all that was sent.
        self.point.offsets = self._broker.end_offsets(self._topic)
        self._checkpoint.write(self._path)


class _Sending:
    """One pass over the rows of a source."""

    def __init__(
        self,
        producer: Producer,
        source: str,
        point: ResumePoint,
        ids: Ids,
        *,
        rate: float | None,
        stop: threading.Event,
    ) -> None:
        self.sent = 0
        self.unreadable = 0
        # Of the source, even if the topic has more by now: a user's rows must not move.
        lasts = [point.last_rows.get(partition, -1) for partition in range(point.partitions)]
        self.first_row = min(lasts) + 1
        """No row before this one is missing in any partition."""
        self.skipped = self.first_row
        self._producer, self._point, self._rate, self._stop = producer, point, rate, stop
        self._ids = ids
        self._row_prefix = row_prefix(source, point.partitions)
        self._started = time.monotonic()

    def send_all(self, rows: Rows, save: Callable[[], None], show: Callable[[int], None]) -> None:
        """Send what the log lacks; `save` makes a checkpoint, `show` gets how many are done."""
        last_rows = self._point.last_rows
        paced_rows = max(1, int(self._rate * PACED_SECONDS)) if self._rate else None
        show(self.skipped)
        for row in rows:
            # A row whose time lies ahead is broken today and a rating tomorrow. Both go to the
            # partition of its user, or row numbers would not rise there.
            user_id = row.event.user_id if row.event else row.user_id
            key = None if user_id is None else self._ids.user.key(user_id)
            partition = partition_of(key, self._point.partitions) if key else 0
            # 2. Skip what the log has.
            if row.number <= last_rows.get(partition, -1):
                self.skipped += 1
            else:
                # 3. Send the rest.
                self._send(row, key, partition)
                last_rows[partition] = row.number
                if paced_rows and self.sent % paced_rows == 0:
                    self._wait()
                if self.sent % CHECKPOINT_ROWS == 0:
                    save()
            if (self.sent + self.skipped) % PROGRESS_ROWS == 0:
                show(self.sent + self.skipped)
            if self._stop.is_set():
                break
        save()
        show(self.sent + self.skipped)

    def _send(self, row: CsvRow, key: bytes | None, partition: int) -> None:
        headers = [(ROW, b"%s%d" % (self._row_prefix, row.number))]
        if row.event is not None:
            value = encode_message(row.event, self._ids)
        else:
            value = row.raw
            headers += broken_row_headers(row.reason or "")
            self.unreadable += 1
        self._producer.send(value, key, partition=partition, headers=headers)
        self.sent += 1

    def _wait(self) -> None:
        """Flush, then wait until the rate allows the next row."""
        self._producer.flush()
        if self._rate:
            self._stop.wait(max(0.0, self._started + self.sent / self._rate - time.monotonic()))
