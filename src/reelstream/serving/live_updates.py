"""Keeps a predictor up to date: films, batch files, model sets and log are followed, each on a
thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reelstream.catalog import Catalog
from reelstream.serving.batch_follower import BatchFollower
from reelstream.serving.film_follower import FilmFollower
from reelstream.serving.item_learner import ItemLearner
from reelstream.serving.log_follower import LogFollower, LogSource
from reelstream.serving.log_progress import LogProgress
from reelstream.serving.model_set_follower import ModelSetFollower
from reelstream.serving.predictor import Predictor
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.manifest import Manifest
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.release import Release
from reelstream.storage.snapshot_store import SnapshotStore

# How long `close` waits for each thread: a swap that has begun may take seconds.
JOIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """How far the server has followed the stream."""

    start_offsets: Mapping[int, int]
    """Partition -> first offset that the log still holds."""
    end_offsets: Mapping[int, int]
    """Partition -> next offset of the log."""
    positions: Mapping[int, int]
    """Partition -> offset of the next record to read from the log."""
    live: int
    """Ratings read from the log that no batch held at the time."""
    batches: Sequence[Manifest]
    """The closed batches, rising."""
    excluded: Sequence[int]
    """Numbers of those taken out by hand."""
    batched: Mapping[int, int]
    """Partition -> end offset of the newest batch."""
    releases: Sequence[Release]
    """Of all model sets ever published, rising."""
    failures: Mapping[str, str]
    """What fails at present -> the message of the failure."""
    errors: Mapping[str, int]
    """What is followed -> failures since the start."""


class LiveUpdates:
    """Follows what changes, from the state at `start` until `close`."""

    def __init__(
        self,
        predictor: Predictor,
        *,
        model_sets: ModelSetStore,
        catalog: Catalog,
        batches: BatchFolder,
        snapshots: SnapshotStore,
        log: LogSource,
    ) -> None:
        self._predictor = predictor
        self._batches = BatchFollower(
            batches, snapshots, predictor.histories, predictor.activity, log.ids
        )
        self._model_sets = ModelSetFollower(predictor, model_sets, catalog, self._batches)
        self._log = LogFollower(predictor, log, self._batches)
        films = FilmFollower(catalog, predictor.activity, log.ids)
        # In this order at the start: items catch up with the histories that the files hold.
        items = ItemLearner(predictor)
        self._followers = (films, self._batches, self._model_sets, self._log, items)
        self._stop = threading.Event()

    @property
    def progress(self) -> LogProgress:
        """How far the log was followed, to wait for."""
        return self._log.progress

    @property
    def topic_id(self) -> str | None:
        """The identity of the topic that is followed; None until it was reached."""
        return self._log.topic_id

    @property
    def end_offsets(self) -> Mapping[int, int]:
        """Partition -> end of the log, as it was at most half a second ago."""
        return self._log.end_offsets

    @property
    def stale_seconds(self) -> float | None:
        """Since the log was read the last time, while it cannot be read; None while it can."""
        return self._log.stale_seconds

    def read_end_offsets(self) -> Mapping[int, int]:
        """The same, as it is now. Raises BrokerError."""
        return self._log.read_end_offsets()

    def start(self) -> None:
        """Read what is there, then follow it. What cannot be read is reported and retried, not
        raised.
        """
        for follower in self._followers:
            follower.attempt()
        for follower in self._followers:
            follower.start(self._stop)

    def close(self) -> None:
        """Stop following; what is in service stays so."""
        self._stop.set()
        for follower in self._followers:
            follower.join(JOIN_SECONDS)
        self._log.close()

    def report(self) -> StreamReport:
        """How far everything is."""
        return StreamReport(
            start_offsets=self._log.start_offsets,
            end_offsets=self._log.end_offsets,
            positions=self.progress.positions,
            live=self._log.live,
            batches=self._batches.manifests,
            excluded=self._batches.excluded,
            batched=self._predictor.histories.end_offsets,
            releases=self._model_sets.releases,
            failures={
                follower.name: follower.failure
                for follower in self._followers
                if follower.failure is not None
            },
            errors={follower.name: follower.errors for follower in self._followers},
        )
