"""Reading a stretch of the log whose end is known."""

from __future__ import annotations

import time
from collections.abc import Iterator

from reelstream.broker.interface import Broker, Offsets, Record
from reelstream.errors import BrokerError

READ_RECORDS = 20_000
READ_SECONDS = 0.5
"""So long one read waits."""
STALLED_SECONDS = 30.0
"""So long the log may return nothing of what it says it holds."""


def read_between(broker: Broker, topic: str, starts: Offsets, ends: Offsets) -> Iterator[list[Record]]:
    """The records from `starts` up to `ends`, in chunks; partitions that `ends` does not name are left out.

    Raises BrokerError when the log does not come to `ends`.
    """
    behind = {partition: start for partition, start in starts.items() if start < ends.get(partition, 0)}
    if not behind:
        return
    with broker.consumer(topic) as consumer:
        consumer.seek(behind)
        deadline = time.monotonic() + STALLED_SECONDS
        while any(position < ends[partition] for partition, position in behind.items()):
            records = consumer.poll(READ_RECORDS, READ_SECONDS)
            before, behind = behind, consumer.positions()
            if behind != before:
                deadline = time.monotonic() + STALLED_SECONDS
            elif time.monotonic() > deadline:
                raise BrokerError(f"the log says that it ends at {ends}, but could be read to {behind} only: try again")
            yield [record for record in records if record.offset < ends[record.partition]]
