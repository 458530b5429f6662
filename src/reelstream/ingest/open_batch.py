"""What the batch writer has read since the newest manifest: the next batch, still in memory."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal

import numpy as np

from reelstream.broker.decoding import broken_rows, decode_records
from reelstream.broker.headers import rows_of_one_source, source_row
from reelstream.broker.interface import Offsets, Record, Records
from reelstream.errors import BrokerError
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.ids import NUMBERS, Ids
from reelstream.ratings.scale import RatingScale
from reelstream.storage.batch_files import BatchFile, Manifest, OffsetRange, RejectedRow
from reelstream.storage.manifest import histogram_of


class OpenBatch:
    """A batch that takes records until it is full or old."""

    def __init__(
        self, before: Manifest | None, starts: Offsets, scale: RatingScale, ids: Ids = NUMBERS
    ) -> None:
        """`before` is the newest manifest, and `starts` says where the log's partitions begin.

        The first batch begins where the log does. For any later one, what the log no longer holds
        is `lost`.
        """
        self.before = before
        self.number = before.number + 1 if before else 1
        ended = {
            partition: before.next_offsets.get(partition, 0) if before else start
            for partition, start in starts.items()
        }
        self.lost = {
            partition: OffsetRange(end, starts[partition])
            for partition, end in ended.items()
            if end < starts[partition]
        }
        """What the log deleted before a batch took it; this batch begins after it."""
        self.positions = (before.next_offsets if before else {}) | {
            p: max(end, starts[p]) for p, end in ended.items()
        }
        """Partition -> end offset of what is read: after the last record, and after gaps that
        follow it."""
        self.rejected: list[RejectedRow] = []
        self._first_offsets = dict(self.positions)
        self._scale, self._ids = scale, ids
        self._events: list[EventColumns] = []
        self._n_events = 0
        self._repeats = 0
        self._sources = (
            {source: dict(rows) for source, rows in before.sources.items()} if before else {}
        )
        self._opened_at = time.monotonic() if self.lost else None

    @property
    def rows(self) -> int:
        """Ratings and rejected rows."""
        return self._n_events + len(self.rejected)

    @property
    def age(self) -> float:
        """Seconds since its first record came, or would have come were it not lost; 0 when it has
        none.
        """
        return 0.0 if self._opened_at is None else time.monotonic() - self._opened_at

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing to say: it lost no record, and took none, not even one to pass
        over.
        """
        return self._opened_at is None

    def reaches(self, ends: Offsets) -> bool:
        """Whether everything before these offsets is in this batch or an earlier one."""
        return all(self.positions.get(partition, 0) >= end for partition, end in ends.items())

    def add(self, records: Records) -> None:
        """Take records as the consumer returned them. Raises BrokerError when one comes twice."""
        if not len(records):
            return
        if self._opened_at is None:
            self._opened_at = time.monotonic()
        self._advance(records)
        # Records with no header but their row are never broken rows: those say why they are.
        fresh, broken = records, {}
        if not self._take_rows(records):
            fresh = self._without_repeats(records)
            broken = broken_rows(fresh.headers)
        events, reasons = decode_records(fresh, broken, self._scale, self._ids)
        self._events.append(events)
        self._n_events += len(events)
        self.rejected += [_rejected(fresh[row], reason) for row, reason in reasons.items()]

    def pass_gaps(self, positions: Offsets) -> None:
        """Count as read what no reader ever gets, such as the marks at a transaction's end.

        `positions`: where the consumer is.
        """
        for partition, position in positions.items():
            self.positions[partition] = max(position, self.positions[partition])

    def ratings(self) -> EventColumns:
        """The accepted ratings in the order of reading."""
        return EventColumns.concatenate(self._events)

    def manifest(
        self,
        topic_id: str,
        ratings: BatchFile | None,
        rejected: BatchFile | None,
        names: BatchFile | None = None,
    ) -> Manifest:
        """The manifest of the batch as it is now, with its published files."""
        roles: tuple[Literal["user", "item"], ...] = ("user", "item")
        moved = {
            partition: OffsetRange(self._first_offsets[partition], position)
            for partition, position in self.positions.items()
            if position > self._first_offsets[partition]
        }
        events = self.ratings()
        return Manifest(
            number=self.number,
            topic_id=topic_id,
            files=(ratings,) if ratings else (),
            rejected=rejected,
            partitions=moved,
            next_offsets=self.positions,
            sources=self._sources,
            repeats=self._repeats,
            closed_at=int(time.time()),
            histogram=histogram_of(events),
            erasures=int(np.count_nonzero(events.is_erasure)),
            lost=self.lost,
            text_ids=tuple(role for role in roles if getattr(self._ids, role).kind == "text"),
            names=names,
        )

    def _advance(self, records: Records) -> None:
        for partition in np.unique(records.partition).tolist():
            offsets, position = (
                records.offset[records.partition == partition],
                self.positions[partition],
            )
            # Falling or equal; the first record is compared with the position.
            falling = np.flatnonzero(np.diff(offsets, prepend=position - 1) <= 0)
            if len(falling):
                raise BrokerError(
                    f"the log returned offset {offsets[falling[0]]} of partition {partition} twice:"
                    " reading had come to"
                    f" {max(position, int(offsets[: falling[0]].max(initial=-1)) + 1)}"
                )
            self.positions[partition] = int(offsets[-1]) + 1

    def _take_rows(self, records: Records) -> bool:
        """Whether all records are new ratings of one source; it has then come to their rows."""
        found = rows_of_one_source(records.headers)
        if found is None:
            return False
        source, all_rows = found
        last_rows = self._sources.get(source, {})
        come_to = {}
        for partition in np.unique(records.partition).tolist():
            rows = all_rows[records.partition == partition]
            if (np.diff(rows, prepend=last_rows.get(partition, -1)) <= 0).any():
                return False
            come_to[partition] = int(rows[-1])
        # Only once all partitions are checked: `_without_repeats` would take what is noted here
        # for repeats.
        self._sources[source] = last_rows | come_to
        return True

    def _without_repeats(self, records: Records) -> Records:
        """The records whose source's row is new."""
        partitions = records.partition.tolist()
        fresh = [
            self._is_fresh(dict(headers), partition)
            for partition, headers in zip(partitions, records.headers, strict=True)
        ]
        self._repeats += fresh.count(False)
        return records.chosen(np.array(fresh))

    def _is_fresh(self, headers: Mapping[str, bytes | None], partition: int) -> bool:
        """Whether its source's row is new: a dead producer's last request may arrive after its
        successor's rows.
        """
        found = source_row(headers)
        if found is None:
            return True
        last_rows = self._sources.setdefault(found.source, {})
        if found.row <= last_rows.get(partition, -1):
            return False
        last_rows[partition] = found.row
        return True


def _rejected(record: Record, reason: str) -> RejectedRow:
    raw = record.value or b""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = None
    return RejectedRow(reason, record.partition, record.offset, record.timestamp, raw, text)
