"""The prequential record of new batches: reads what is stored, and replays it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reelstream.evaluation.baselines import ItemSums
from reelstream.evaluation.prequential import replay_batch
from reelstream.evaluation.reports import BatchScores
from reelstream.models.model_set import ModelSet
from reelstream.ratings.effective import effective_ratings
from reelstream.ratings.scale import RatingScale
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.manifest import Manifest
from reelstream.storage.snapshot_reader import SnapshotReader

# Of the users who are replayed, all ratings together: half a minute's work, and less memory than
# the films of a set.
MAX_ROWS = 1_000_000


def replay_batches(
    folder: BatchFolder,
    new: Sequence[Manifest],
    stored: SnapshotReader,
    model_set: ModelSet | None,
    scale: RatingScale,
) -> list[BatchScores]:
    """How each of the `new` batches was predicted by `model_set`, which knew `stored` and the new
    batches before it.

    Of more users than have MAX_ROWS ratings together, stored and new, an even sample is asked:
    filtering all would take longer than a fit. Raises DamagedError.
    """
    if not new:  # a set made because batches were excluded
        return []
    users = np.empty(0, np.int64)
    for manifest in new:
        users = np.union1d(users, folder.read(manifest).user_id)
    n_rows = stored.ratings_of(users) + sum(manifest.rows for manifest in new)
    users = users[:: n_rows // MAX_ROWS + 1]
    known, items = stored.of_users(users), ItemSums()
    for chunk in stored.ratings():
        items.add(chunk)
    record = []
    for manifest in new:
        batch = folder.read(manifest)
        asked = batch[np.isin(batch.user_id, users)]
        record.append(replay_batch(manifest.number, asked, known, items, model_set, scale))
        known = known.merge(asked)
        items.add(effective_ratings(batch))
    return record
