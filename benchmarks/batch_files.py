"""Batch files without a stream: of a data set, of any parts, and of as many ratings of the same
users and films as wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np

from reelstream.datasets import detect
from reelstream.evaluation.offline import TRAIN
from reelstream.ratings.columns import EventColumns
from reelstream.storage.batch_files import BatchFolder, Manifest, OffsetRange

BATCH_ROWS = 1_000_000


def publish(folder: Path, parts: Iterable[EventColumns]) -> None:
    """A further batch of each part, as if the partition TRAIN had carried them one after the
    other.
    """
    batches = BatchFolder.in_folder(folder)
    batches.make()
    newest = batches.newest()
    first, n_before = (newest.next_offsets[TRAIN], newest.number) if newest else (0, 0)
    for number, part in enumerate(parts, n_before + 1):
        after = first + len(part)
        offsets, partition = np.arange(first, after), np.full(len(part), TRAIN)
        placed = EventColumns.of(
            part.user_id, part.item_id, part.rating, part.timestamp, partition, offsets
        )
        batches.publish_manifest(
            Manifest(
                number=number,
                topic_id="benchmark",
                files=(batches.publish_ratings(number, placed),),
                rejected=None,
                partitions={TRAIN: OffsetRange(first, after)},
                next_offsets={TRAIN: after},
                sources={},
                repeats=0,
                closed_at=0,
            )
        )
        first = after


def publish_data(data: Path) -> None:
    """Batch files of the data set in a folder, beside it."""
    ratings = detect(data).read_ratings()
    publish(
        data / "batches",
        (ratings[first : first + BATCH_ROWS] for first in range(0, len(ratings), BATCH_ROWS)),
    )


def publish_even(data: Path, begin: int, end: int, users: int, items: int) -> None:
    """Batch files of the ratings from `begin` up to `end` of an endless stream of the same users
    and films.

    Users take turns, and each goes through the films in large steps of his or her own.
    """
    edges = [*range(begin, end, BATCH_ROWS), end]
    publish(data / "batches", (_even_part(*rows, users, items) for rows in pairwise(edges)))


def _even_part(begin: int, end: int, users: int, items: int) -> EventColumns:
    rows = np.arange(begin, end)
    turn, user = np.divmod(rows, users)
    item = (user * 7919 + user // items + turn * 104_729) % items
    rating = (user * 31 + item * 17 + turn) % 10 / 2 + 0.5
    return EventColumns.of(user + 1, item + 1, rating, 1_000_000_000 + turn * 60)
