"""Sends rejected rows again after an edit, each once, however often the command is repeated.

1. Send what an earlier command has published and not finished.
2. Leave out the rows that were requeued before.
3. Publish the others as a file: from now on they are requeued.
4. Send the file as the producer sends a data set: a source of its own, its rows numbered.
5. Note that it is sent.

Killed before 3, nothing has happened. Killed after it, the next command, whatever its rows,
begins with 1: the producer finds in the log what came through and sends the rest, and the batch
writer skips repeats.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from reelstream.broker.interface import Broker
from reelstream.datasets.row_parser import CsvRow
from reelstream.errors import RatingError
from reelstream.ingest.producer import Order, ProduceOptions, produce, source_name
from reelstream.ingest.resume_point import Checkpoint, ResumePoint
from reelstream.ratings.events import Event
from reelstream.ratings.ids import NUMBERS, Ids
from reelstream.ratings.scale import RatingScale
from reelstream.ratings.wire import decode_message, encode_message
from reelstream.storage.batch_files import RejectedRow
from reelstream.storage.requeue_folder import RequeuedRow, RequeueFolder

_SEPARATOR = re.compile(rb"::|[,\t]")
_COLUMNS = ("userId", "movieId", "rating", "timestamp")


@dataclass(frozen=True, slots=True)
class RequeueReport:
    """What one command did."""

    requeued: int
    """Rows sent."""
    before: int
    """Rows left out, because they were requeued before."""


def read_edited(
    value: bytes, rejected: RejectedRow, scale: RatingScale, ids: Ids = NUMBERS
) -> Event:
    """The event that a rejected row is after its edit: a message, or a row
    `userId,movieId,rating,timestamp`.

    A missing timestamp is when the rejected record entered the log. Raises RatingError when it is
    still none.
    """
    cells = _SEPARATOR.split(value.strip())
    if not value.lstrip().startswith(b"{") and len(cells) == len(_COLUMNS):
        value = msgspec.json.encode(
            {name: cell.decode() for name, cell in zip(_COLUMNS, cells, strict=True)}
        )
    try:
        return decode_message(value, rejected.timestamp // 1000, scale, ids=ids)
    except RatingError:
        # It was ahead of its time, which has come since.
        return decode_message(value, int(time.time()), scale, ids=ids)


def requeue(
    rows: Sequence[RequeuedRow], folder: RequeueFolder, broker: Broker, topic: str, checkpoint: Path
) -> RequeueReport:
    """Send `rows` into the log of an existing topic; a place that was requeued before is left out.

    Raises LockedError when another process requeues, BrokerError, StorageError.
    """
    sending = _Redrive(folder, broker, topic, checkpoint)
    with folder.lock():
        folder.sweep()
        # 1. What an earlier command has not finished.
        for number in folder.unsent():
            sending.send(number)
        # 2. What was requeued before.
        known = folder.places()
        fresh = [row for row in rows if (row.partition, row.offset) not in known]
        if fresh:
            # 3. The file.
            number = folder.publish(fresh)
            sending.begin_here(number)
            # 4 and 5. The log, and the note.
            sending.send(number)
    return RequeueReport(len(fresh), len(rows) - len(fresh))


class _Redrive:
    """Sends published files."""

    def __init__(self, folder: RequeueFolder, broker: Broker, topic: str, checkpoint: Path) -> None:
        self._folder, self._broker, self._topic, self._checkpoint = (
            folder,
            broker,
            topic,
            checkpoint,
        )

    def begin_here(self, number: int) -> None:
        """Spare the producer the scan of the log up to its present end: it holds nothing of a new
        source.
        """
        # Published, but not sent: none of the file's rows lies before these offsets.
        ends = self._broker.end_offsets(self._topic)
        marks = Checkpoint.read(self._checkpoint, self._broker.topic_id(self._topic))
        marks.sources[source_name(self._source(number), "file")] = ResumePoint(len(ends), ends, {})
        marks.write(self._checkpoint)

    def send(self, number: int) -> None:
        """Send a file, or what the log lacks of it.

        All of it when the log may have deleted what it held: a batch takes no row twice.
        """
        source = self._source(number)
        options = ProduceOptions(
            checkpoint=self._checkpoint,
            order="file",
            partitions=len(self._broker.end_offsets(self._topic)),
            accept_loss=True,
        )
        produce(source, self._broker, self._topic, options)
        self._folder.mark_sent(number)

    def _source(self, number: int) -> _RequeuedSource:
        rows, fingerprint = self._folder.read(number), self._folder.fingerprint(number)
        return _RequeuedSource(rows, fingerprint, self._folder.ids)


class _RequeuedSource:
    """A file of requeued rows, as the producer wants a source."""

    def __init__(self, rows: Sequence[RequeuedRow], fingerprint: str, ids: Ids) -> None:
        self.fingerprint, self.ids = fingerprint, ids
        self._rows = [
            CsvRow(n, row.event, encode_message(row.event, ids), None) for n, row in enumerate(rows)
        ]

    def rows(self, order: Order, start: int = 0) -> _RowsFrom:
        """The rows without the first `start`."""
        return _RowsFrom(self._rows, start)


@dataclass(frozen=True)
class _RowsFrom:
    rows: Sequence[CsvRow]
    start: int

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[CsvRow]:
        return iter(self.rows[self.start :])
