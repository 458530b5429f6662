"""Turns the log into batch files, every record exactly once.

The writer begins where the newest manifest ends, never where its group's commit says. To close a
batch it

1. writes the ratings, the rejected rows, and where ids are texts those that are new, to temporary
   files,
2. waits until the disk has them,
3. publishes them under their final names,
4. creates manifest `n`, having checked that the topic is still the one that was read, and that
   every partition begins where `n - 1` ended: **the commit point**,
5. commits the offsets to the consumer group, as a hint for lag monitors.

What if it dies, or another one is faster?

- In 1 or 2: a temporary file is left. No reader looks at it, and a later start sweeps it.
- In 3, or before 4: the published files are named by no manifest. They do not exist for any reader;
  the successor reads the same records again and closes its own batch `n`, after which they are
  swept.
- Before 5, or the log refuses 5: the batch exists, and only the hint is late until the next one.
- A zombie, stopped anywhere and continued after its successor closed `n`: step 4 cannot create `n`
  a second time. It drops its buffer, reads the manifests again and continues after them. The lease
  saves such work; correctness does not depend on it.
"""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass

import structlog
from prometheus_client import Counter, Gauge, Histogram

from reelstream.broker.interface import Broker, Consumer, Offsets
from reelstream.broker.reading import before_ends
from reelstream.errors import BrokerError, StorageError
from reelstream.failpoints import reached
from reelstream.files import Lease
from reelstream.ingest.open_batch import OpenBatch
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.ids import NUMBERS, Ids
from reelstream.ratings.scale import RatingScale
from reelstream.storage.batch_files import BatchFile, BatchFolder, Manifest
from reelstream.storage.id_names import StoredNames

# Records in one read of the log: more would fall out of the processor's cache before they are in
# columns.
MAX_RECORDS = 1_000
# New objects between two garbage collections, instead of Python's 700: a read makes thousands, none
# of them in a cycle.
GC_THRESHOLD = 100_000
# How long one read waits for a record, and so how soon a stop takes effect; also how long a standby
# writer sleeps between two checks of the lease.
MAX_WAIT_SECONDS = 0.2

_ACTIVE = Gauge("reelstream_batch_writer_active", "1 in the active writer, 0 in the standby ones.")
_CLOSE_SECONDS = Histogram(
    "reelstream_batch_close_seconds", "Time to write, sync and publish a batch."
)
_WRITTEN = Counter(
    "reelstream_batch_writer_rows", "Rows of the batches that this writer closed.", ["outcome"]
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPolicy:
    """When a batch is closed, and whether gaps in the log are accepted."""

    rows: int
    """Ratings and rejected rows of a full batch."""
    seconds: float
    """Age of the first record at which a batch is closed even if it is not full."""
    accept_loss: bool = False
    """Whether to continue after records that the log deleted before a batch took them; the next
    manifest notes them.
    """


class BatchWriter:
    """Reads one topic and closes a batch when it is full or old."""

    def __init__(
        self,
        broker: Broker,
        topic: str,
        folder: BatchFolder,
        scale: RatingScale,
        policy: BatchPolicy,
        *,
        group: str,
        ids: Ids = NUMBERS,
        lease_seconds: float = 3.0,
    ) -> None:
        """`group`: the consumer group to which offsets are committed as a hint.

        Another writer takes over when this one has not renewed its lease for `lease_seconds`.
        """
        self._broker, self._topic, self._folder, self._scale = broker, topic, folder, scale
        self._policy, self._group = policy, group
        self._names = StoredNames(folder, ids)
        self._topic_id = broker.topic_id(topic)
        owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._lease = Lease(folder.lease, owner, lease_seconds)
        # Two renewals may fail before another writer takes over.
        self._renewal_seconds = lease_seconds / 3
        self._renew_at = 0.0
        self._is_active = False

    def run(self, once: bool = False, stop: threading.Event | None = None) -> None:
        """Write batches until `stop` is set; the next start reads the open batch's records again.

        With `once`: up to the end offsets found at the start, closing the rest as a last batch.
        Raises BrokerError, also when the log is not the one that the manifests were made from, and
        StorageError.
        """
        stop = stop or threading.Event()
        self._folder.make()
        ends = self._broker.end_offsets(self._topic) if once else None
        thresholds = gc.get_threshold()
        gc.set_threshold(GC_THRESHOLD)
        with self._broker.consumer(self._topic) as consumer:
            try:
                self._write_batches(consumer, ends, stop)
            finally:
                gc.set_threshold(*thresholds)
                self._lease.release()

    def _write_batches(
        self, consumer: Consumer, ends: Offsets | None, stop: threading.Event
    ) -> None:
        batch: OpenBatch | None = None
        while not stop.is_set():
            if time.monotonic() >= self._renew_at and not self._renew(batch):
                batch = None
            if not self._is_active:
                # The active writer may have written all that `once` demands.
                if ends is not None and self._open_batch().reaches(ends):
                    return
                stop.wait(MAX_WAIT_SECONDS)
                continue
            if batch is None:
                batch = self._catch_up(consumer)
            if ends is None:
                self._read(consumer, batch)
                is_last = False
            else:
                self._read_up_to(ends, consumer, batch)
                is_last = batch.reaches(ends)
            reached("records_added")
            is_old = ends is None and batch.age >= self._policy.seconds
            if not batch.is_empty and (batch.rows >= self._policy.rows or is_old or is_last):
                manifest = self._close(batch)
                batch = self._batch_after(manifest, {}) if manifest else None
            if is_last and batch is not None:
                return

    def _renew(self, batch: OpenBatch | None) -> bool:
        """Take or renew the lease; False when `batch` cannot be continued."""
        self._renew_at = time.monotonic() + self._renewal_seconds
        was_active, self._is_active = self._is_active, self._lease.acquire()
        if was_active != self._is_active:
            _ACTIVE.set(self._is_active)
            log.info(
                "batch_writer_active" if self._is_active else "batch_writer_standby",
                topic=self._topic,
            )
        # A topic may have got more partitions: then the consumer has to read them too.
        partitions = self._broker.end_offsets(self._topic).keys()
        return self._is_active and batch is not None and partitions == batch.positions.keys()

    def _catch_up(self, consumer: Consumer) -> OpenBatch:
        """A new batch that begins where the newest manifest ended."""
        self._folder.sweep()
        batch = self._open_batch()
        consumer.seek(batch.positions)
        return batch

    def _open_batch(self) -> OpenBatch:
        """An empty batch after the newest manifest.

        Raises BrokerError when the log does not reach that far, or no longer holds what follows.
        """
        manifests = self._folder.manifests()
        before = manifests[-1] if manifests else None
        self._check_topic(before.topic_id if before else self._topic_id)
        ends, starts = (
            self._broker.end_offsets(self._topic),
            self._broker.start_offsets(self._topic),
        )
        self._names.refresh(manifests)
        batch = self._batch_after(before, starts)
        for partition, position in batch.positions.items():
            if position > max(ends.get(partition, 0), starts.get(partition, 0)):
                raise BrokerError(
                    f"the batches in {self._folder.store.describe()} end at offset {position} of"
                    f" partition {partition}, but the log ends at {ends.get(partition, 0)}: records"
                    " were lost from the log"
                )
        for partition, lost in batch.lost.items():
            if not self._policy.accept_loss:
                raise BrokerError(
                    f"the log has deleted offsets {lost.first} to {lost.next - 1} of partition"
                    f" {partition}, which no batch in {self._folder.store.describe()} holds:"
                    " `reelstream batch --accept-loss` continues after them"
                )
            log.warning("records_lost", partition=partition, first=lost.first, last=lost.next - 1)
        return batch

    def _batch_after(self, before: Manifest | None, starts: Offsets) -> OpenBatch:
        return OpenBatch(before, starts, self._scale, self._names.ids)

    def _check_topic(self, read: str) -> None:
        """Raises BrokerError when the topic with the identity `read` is gone: its offsets mean
        something else now.
        """
        if {read, self._broker.topic_id(self._topic)} != {self._topic_id}:
            raise BrokerError(
                f"the topic {self._topic!r} is not the one that the batches in"
                f" {self._folder.store.describe()} were made from, it was deleted and made"
                " anew: name another --work folder"
            )

    def _read(self, consumer: Consumer, batch: OpenBatch) -> None:
        # No longer than until the batch is old, or it would be closed late.
        until_old = max(0.0, self._policy.seconds - batch.age)
        batch.add(consumer.poll(self._room(batch), min(MAX_WAIT_SECONDS, until_old)))
        batch.pass_gaps(consumer.positions())

    def _read_up_to(self, ends: Offsets, consumer: Consumer, batch: OpenBatch) -> None:
        if batch.reaches(ends):
            return
        records = consumer.poll(self._room(batch), MAX_WAIT_SECONDS)
        wanted = before_ends(records, ends)
        batch.add(wanted)
        batch.pass_gaps(
            {p: min(position, ends.get(p, 0)) for p, position in consumer.positions().items()}
        )
        if len(wanted) < len(records):  # a partition has come to its end: read the others only
            consumer.seek(
                {
                    p: position
                    for p, position in batch.positions.items()
                    if position < ends.get(p, 0)
                }
            )

    def _room(self, batch: OpenBatch) -> int:
        """How many records to read: no more than the batch still takes."""
        return min(MAX_RECORDS, self._policy.rows - batch.rows)

    def _close(self, batch: OpenBatch) -> Manifest | None:
        """Make a batch exist; None when another writer has closed one of its number."""
        started, ratings = time.monotonic(), batch.ratings()
        try:
            # 1 to 3. The files: written, synced, published.
            accepted, rejected, names = self._publish_files(batch, ratings)
            # 4. The manifest: the commit point. A topic that was deleted and created anew since
            # the records were read would make its offsets mean something else.
            manifest = batch.manifest(self._topic_id, accepted, rejected, names)
            self._check_topic(manifest.topic_id)
            manifest.check_follows(batch.before)
            self._folder.publish_manifest(manifest)
        except StorageError as error:
            # Whether another writer was faster, or the disk failed, shows in the manifests.
            newest = self._folder.newest()
            if newest is None or newest.number < batch.number:
                raise
            log.warning("batch_closed_by_another_writer", number=batch.number, reason=str(error))
            return None
        # 5. The hint. A refusal must not end the writer: the batch exists.
        try:
            self._broker.commit_offsets(self._group, self._topic, manifest.next_offsets)
        except BrokerError as error:
            log.warning("offsets_not_committed", number=manifest.number, reason=str(error))
        reached("offsets_committed")
        self._report(manifest, time.monotonic() - started)
        return manifest

    def _publish_files(
        self, batch: OpenBatch, ratings: EventColumns
    ) -> tuple[BatchFile | None, BatchFile | None, BatchFile | None]:
        """The files of ratings, rejected rows and names; None for one without content."""
        folder, number = self._folder, batch.number
        # A batch may have been revised since, and its names with it.
        self._names.refresh(folder.manifests())
        names = self._names.new_in(ratings)
        return (
            folder.publish_ratings(number, ratings, self._names.ids) if len(ratings) else None,
            folder.publish_rejected(number, batch.rejected) if batch.rejected else None,
            folder.publish_names(number, names) if len(names) else None,
        )

    def _report(self, manifest: Manifest, seconds: float) -> None:
        _CLOSE_SECONDS.observe(seconds)
        _WRITTEN.labels("accepted").inc(manifest.rows)
        _WRITTEN.labels("rejected").inc(manifest.rejected_rows)
        _WRITTEN.labels("repeat").inc(manifest.repeats)
        log.info(
            "batch_closed",
            number=manifest.number,
            rows=manifest.rows,
            rejected=manifest.rejected_rows,
            repeats=manifest.repeats,
            seconds=round(seconds, 3),
        )
