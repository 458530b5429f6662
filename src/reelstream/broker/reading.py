"""Reading a stretch of the log whose end is known."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from reelstream.broker.interface import Broker, Offsets, Records
from reelstream.errors import BrokerError

READ_RECORDS = 1_000
# How long one read waits for a record.
READ_SECONDS = 0.5
# How long the log may return nothing of what it claims to hold.
STALLED_SECONDS = 30.0


def read_between(broker: Broker, topic: str, starts: Offsets, ends: Offsets) -> Iterator[Records]:
    """The records from `starts` up to `ends`, in chunks; partitions that `ends` does not name are
    left out.

    Raises BrokerError when the log does not reach `ends`.
    """
    remaining = {
        partition: start for partition, start in starts.items() if start < ends.get(partition, 0)
    }
    if not remaining:
        return
    with broker.consumer(topic) as consumer:
        consumer.seek(remaining)
        deadline = time.monotonic() + STALLED_SECONDS
        while any(position < ends[partition] for partition, position in remaining.items()):
            records = consumer.poll(READ_RECORDS, READ_SECONDS)
            before, remaining = remaining, consumer.positions()
            # Positions, not records: a stretch may hold nothing that a reader gets.
            if remaining != before:
                deadline = time.monotonic() + STALLED_SECONDS
            elif time.monotonic() > deadline:
                raise BrokerError(
                    f"the log says that it ends at {ends}, but could be read to {remaining} only:"
                    " try again"
                )
            yield before_ends(records, ends)


def before_ends(records: Records, ends: Offsets) -> Records:
    """Those of `records` whose offset lies before the end of their partition; an unnamed partition
    ends at 0.
    """
    wanted = np.zeros(len(records), bool)
    for partition, end in ends.items():
        wanted |= (records.partition == partition) & (records.offset < end)
    return records.chosen(wanted)
