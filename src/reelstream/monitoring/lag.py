"""How far each stage lags the end of the log, partition by partition."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class PartitionLag(msgspec.Struct, frozen=True, kw_only=True):
    """One partition of the log."""

    partition: int
    first: int
    """The first offset that the log still holds."""
    end: int
    """Its end offset."""
    unbatched: int
    """Offsets that no batch holds yet."""
    untrained: int
    """Offsets that the set in service has not seen."""


def partition_lags(
    starts: Mapping[int, int],
    ends: Mapping[int, int],
    batched: Mapping[int, int],
    trained: Mapping[int, int],
) -> list[PartitionLag]:
    """The lag of every partition of `ends`, rising; each argument maps a partition to an offset.

    Offsets are counted: where a log has gaps, records are fewer.
    """
    lags = []
    for partition, end in sorted(ends.items()):
        # A stage that has read nothing lags from here on: earlier offsets are deleted.
        first = starts.get(partition, 0)
        unbatched, untrained = (
            # A topic that was made anew may end before the batches do: no lag is negative.
            max(end - position.get(partition, first), 0)
            for position in (batched, trained)
        )
        lags.append(
            PartitionLag(
                partition=partition,
                first=first,
                end=end,
                unbatched=unbatched,
                untrained=untrained,
            )
        )
    return lags
