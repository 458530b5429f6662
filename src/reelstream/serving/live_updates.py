"""Keeps a predictor up to date: it follows the model sets, the batch files and the log, each on a
thread of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from reelstream.broker.decoding import broken_rows, decode_records
from reelstream.broker.interface import Broker, Consumer, Records
from reelstream.catalog import Catalog
from reelstream.errors import BrokerError, NoModelSetError
from reelstream.models.model_set import ModelSet
from reelstream.ratings.scale import RatingScale
from reelstream.serving.file_layers import FileLayers
from reelstream.serving.follower import Follower
from reelstream.serving.live_histories import log_events
from reelstream.serving.predictor import Predictor
from reelstream.storage.batch_files import BatchFolder, Manifest
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.release import Release
from reelstream.storage.snapshot_store import SnapshotStore

FILE_SECONDS = 0.2
"""How often the files are looked at."""
LOG_SECONDS = 0.05
"""How long one read of the log waits for a record."""
END_SECONDS = 0.5
"""How often the end of the log is asked for."""
MAX_RECORDS = 5_000
"""Records in one read of the log: few enough that questions find their turn between two reads."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StreamReport:
    """How far the server has followed the stream."""

    start_offsets: Mapping[int, int]
    """Partition -> first offset that the log still holds."""
    end_offsets: Mapping[int, int]
    """Partition -> next offset of the log."""
    positions: Mapping[int, int]
    """Partition -> offset behind the last record read from the log."""
    live: int
    """Ratings read from the log that no batch held at the time."""
    batches: Sequence[Manifest]
    """The closed batches, rising."""
    excluded: Sequence[int]
    """Numbers of those taken out by hand."""
    batched: Mapping[int, int]
    """Partition -> offset behind the newest batch."""
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
        registry: ModelSetStore,
        batches: BatchFolder,
        snapshots: SnapshotStore,
        broker: Broker,
        topic: str,
        catalog: Catalog,
        scale: RatingScale,
    ) -> None:
        self._predictor, self._registry, self._catalog = predictor, registry, catalog
        self._files = FileLayers(batches, snapshots, predictor.histories)
        self._broker, self._topic, self._scale = broker, topic, scale
        self._consumer: Consumer | None = None
        self._topic_id: str | None = None
        self._positions: dict[int, int] = {}
        self._start_offsets: dict[int, int] = {}
        self._end_offsets: dict[int, int] = {}
        self._end_asked = 0.0
        self._live = 0
        self._films_know: tuple[int, tuple[int, ...]] = (0, ())
        self._newest_number = 0
        self._releases: list[Release] = []
        self._stop = threading.Event()
        self._followers = (
            Follower("batch files", self._files.follow, FILE_SECONDS),
            Follower("model sets", self._follow_models, FILE_SECONDS),
            Follower("log", self._follow_log, 0.0),
        )

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
            follower.join(seconds=5.0)
        self._close_consumer()

    def report(self) -> StreamReport:
        """How far everything is."""
        followers = self._followers
        return StreamReport(
            self._start_offsets,
            self._end_offsets,
            dict(self._positions),
            self._live,
            self._files.manifests,
            self._files.excluded,
            self._predictor.histories.next_offsets,
            self._releases,
            {
                follower.what: follower.failure
                for follower in followers
                if follower.failure is not None
            },
            {follower.what: follower.errors for follower in followers},
        )

    def _follow_models(self) -> None:
        """Put the current set into service; a damaged one is reported, and what was in service
        before stays there.

        A server that starts on a damaged set begins with the newest sound one before it. A set that
        was refused, or a batch taken out, makes the films forget what they learned of it.
        """
        newest = self._registry.newest_number()
        if newest != self._newest_number:
            self._releases, self._newest_number = self._registry.all_releases(), newest
        known = newest, self._files.excluded
        if self._predictor.in_service is None:
            with suppress(NoModelSetError):
                self._put_into_service(*self._registry.load_current(self._catalog))
        current = self._registry.current()
        serving = self._predictor.in_service
        if current is not None and (serving is None or serving.release != current):
            self._put_into_service(current, self._registry.load(current.number, self._catalog))
        elif serving is not None and known != self._films_know:
            self._predictor.renew_films(self._judged())
        self._films_know = known

    def _put_into_service(self, release: Release, model_set: ModelSet) -> None:
        self._predictor.swap(release, model_set, self._judged())
        log.info("model_set_in_service", number=release.number)

    def _judged(self) -> Mapping[int, int]:
        """Partition -> offset behind the newest release, in service or refused."""
        return self._releases[-1].trained_end_offsets if self._releases else {}

    def _follow_log(self) -> None:
        try:
            if self._consumer is None:
                self._consumer = self._open_consumer()
            self._take(self._consumer.poll(MAX_RECORDS, LOG_SECONDS))
            self._positions |= self._consumer.positions()
            if time.monotonic() - self._end_asked >= END_SECONDS:
                self._ask_end()
        except Exception:
            self._close_consumer()
            raise

    def _open_consumer(self) -> Consumer:
        """A consumer that goes on where the files end, or where the last consumer stopped if that
        is further.
        """
        consumer = self._broker.consumer(self._topic)
        held = self._predictor.histories.next_offsets
        for partition, first in self._broker.start_offsets(self._topic).items():
            self._positions[partition] = max(
                first, held.get(partition, 0), self._positions.get(partition, 0)
            )
        self._check_log()
        consumer.seek(dict(self._positions))
        return consumer

    def _take(self, records: Records) -> None:
        """Hand on what is a rating; what is not is the batch writer's to reject."""
        events, _ = decode_records(records, broken_rows(records.headers), self._scale)
        self._live += self._predictor.take(log_events(events))

    def _ask_end(self) -> None:
        self._check_log()
        self._end_asked = time.monotonic()
        if self._end_offsets.keys() - self._positions.keys():  # partitions were added
            self._close_consumer()

    def _check_log(self) -> None:
        """Ask for its end. Raises BrokerError when it is not the log that was followed: offsets
        mean something else.
        """
        topic_id = self._broker.topic_id(self._topic)
        if {self._topic_id, self._files.topic_id} - {None, topic_id}:
            raise BrokerError(
                f"the topic {self._topic!r} is not the one that was followed, it was deleted and"
                " made anew: answers stay as they were; name another --work folder"
            )
        self._topic_id = topic_id
        self._start_offsets = self._broker.start_offsets(self._topic)
        self._end_offsets = self._broker.end_offsets(self._topic)
        for partition, position in self._positions.items():
            if position > self._end_offsets.get(partition, 0):
                raise BrokerError(
                    f"the log ends at offset {self._end_offsets.get(partition, 0)} of partition"
                    f" {partition}, but was read to {position} before: records were lost from it"
                )

    def _close_consumer(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
