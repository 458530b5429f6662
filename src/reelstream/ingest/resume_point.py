"""How far a source has come in the log: where a producer continues.

The log itself says it. A checkpoint only saves a restart from scanning all of it: the log holds,
before the checkpoint's offsets, the source's rows up to the checkpoint's last rows.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import structlog

from reelstream.broker.headers import source_row
from reelstream.broker.interface import Broker, Offsets
from reelstream.broker.reading import read_between
from reelstream.errors import BrokerError, DamagedError
from reelstream.failpoints import reached
from reelstream.files import encode_json, read_json, replace_file, translate_errors

log = structlog.get_logger()


class ResumePoint(msgspec.Struct):
    """What the log holds of one source."""

    partitions: int
    """How many partitions the source began with."""
    offsets: dict[int, int]
    """Partition -> next offset to scan."""
    last_rows: dict[int, int]
    """Partition -> the last row of the source; absent where it has none."""


class Checkpoint(msgspec.Struct):
    """The resume points of all sources of one topic, in a file that is replaced as a whole."""

    topic_id: str
    sources: dict[str, ResumePoint]
    format: int = 1

    @classmethod
    def read(cls, path: Path, topic_id: str) -> Checkpoint:
        """The checkpoint in `path`; an empty one when it is of another topic, or cannot be read."""
        try:
            checkpoint = read_json(path, cls) if path.exists() else cls(topic_id, {})
        except DamagedError as error:
            log.warning("checkpoint_ignored", reason=str(error))
            return cls(topic_id, {})
        return (
            checkpoint
            if (checkpoint.topic_id, checkpoint.format) == (topic_id, 1)
            else cls(topic_id, {})
        )

    def write(self, path: Path) -> None:
        """Replace the file. Raises StorageError."""
        with translate_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, encode_json(self))


def scan(
    broker: Broker, topic: str, source: str, known: ResumePoint | None, *, accept_loss: bool
) -> ResumePoint:
    """Read the log from `known` to its present end offsets.

    A source that the log does not hold begins with the topic's present partitions. What the log has
    deleted after `known` may have held rows of the source: that is an error, unless `accept_loss`
    has them sent again. Raises BrokerError, also when the log cannot be read to its end.
    """
    ends, starts = broker.end_offsets(topic), broker.start_offsets(topic)
    if known is not None:
        known = _usable(known, starts, ends, None if accept_loss else source)
    point = known or ResumePoint(len(ends), {}, {})
    is_new = not point.last_rows
    positions = {
        partition: max(start, point.offsets.get(partition, 0))
        for partition, start in starts.items()
    }
    for records in read_between(broker, topic, positions, ends):
        reached("records_scanned")
        for record in records:
            found = source_row(dict(record.headers))
            if found is None or found.source != source:
                continue
            # The largest: a dead producer's last request may arrive after its successor's rows.
            point.last_rows[record.partition] = max(
                found.row, point.last_rows.get(record.partition, -1)
            )
            # The headers keep the count that the source began with; the topic may have more by now.
            if is_new:
                point.partitions, is_new = found.partitions, False
    point.offsets = ends
    return point


def _usable(
    known: ResumePoint, starts: Offsets, ends: Offsets, source: str | None
) -> ResumePoint | None:
    """The resume point, or None when the log ends before it: then it is an older copy of the log.

    Raises BrokerError for `source`, unless that is None, where the log has deleted records after
    the point.
    """
    if any(offset > ends.get(partition, 0) for partition, offset in known.offsets.items()):
        reason = f"the log ends at {ends}, before the checkpoint's {known.offsets}"
        log.warning("checkpoint_ignored", reason=reason)
        return None
    for partition, offset in known.offsets.items():
        if offset < starts.get(partition, 0) and source is not None:
            raise BrokerError(
                f"the log has deleted offsets {offset} to {starts[partition] - 1} of partition"
                f" {partition}, after the producer's checkpoint: rows of {source} that were among"
                " them are not known. `reelstream produce --accept-loss` sends again what may be"
                " missing; a batch takes no row twice"
            )
    return known
