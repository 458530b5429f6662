"""How far a run has come, read from the log, the work folder and the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import httpx

from reelstream.broker.interface import Broker
from reelstream.cli.opening import open_log
from reelstream.errors import BrokerError, StorageError
from reelstream.storage.batch_files import BatchFolder, Manifest
from reelstream.storage.release import Release, pointed_at, read_releases, released_in
from reelstream.storage.work_folder import Binding, WorkFolder

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """Where every stage stands."""

    log_rows: int
    """Messages in the log."""
    manifests: list[Manifest]
    """Closed batches, by number."""
    releases: list[Release]
    """Every model set ever published, by number."""
    serving: int | None
    """Number of the set that the API answers from; None while it does not answer."""
    end_offsets: dict[int, int]
    """Partition -> next offset of the log."""
    excluded: frozenset[int]
    """Batches taken out by hand."""
    current: int | None
    """The newest model set that the gate let through."""
    pinned: int | None
    """The set that somebody chose instead."""
    damage: tuple[str, ...]
    """What could not be read and counts as nothing, a sentence each."""

    @property
    def batch_rows(self) -> int:
        """Ratings in closed batches."""
        return sum(manifest.rows for manifest in self.manifests)

    @property
    def all_is_batched(self) -> bool:
        """Whether the newest batch ends where the log ends."""
        return bool(self.manifests) and self.manifests[-1].next_offsets == self.end_offsets

    @property
    def all_is_trained(self) -> bool:
        """Whether the newest batch has its model set, served or refused."""
        wanted = [
            manifest.number for manifest in self.manifests if manifest.number not in self.excluded
        ]
        return not wanted or (bool(self.releases) and self.releases[-1].through >= wanted[-1])


class StatusReader:
    """Reads the status of one pipeline again and again, in `with`."""

    def __init__(
        self,
        folder: WorkFolder,
        binding: Binding,
        kafka: Mapping[str, str],
        api_url: str,
        *,
        log_may_be_away: bool = False,
    ) -> None:
        """`log_may_be_away`: a log that cannot be opened counts as one without messages; else
        BrokerError is raised.
        """
        self._topic = binding.topic
        self._batches, self._models = BatchFolder(folder.batches), folder.models
        self._binding, self._kafka, self._log_may_be_away = binding, kafka, log_may_be_away
        self._broker: Broker | None = None
        self._http = httpx.Client(base_url=api_url, timeout=1.0, trust_env=False)
        self._released = released_in(folder.models)
        self._releases: dict[int, Release] = {}
        self._damage: list[str] = []

    def __enter__(self) -> StatusReader:
        try:
            self._broker = open_log(self._binding, self._kafka)
        except BrokerError:
            if not self._log_may_be_away:
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        if self._broker is not None:
            self._broker.close()

    def log_begins(self) -> tuple[str | None, dict[int, int]]:
        """The topic's identity, and the first offset that each partition holds; None while the log
        does not answer.
        """
        if self._broker is not None:
            with suppress(BrokerError):
                return self._broker.topic_id(self._topic), self._broker.start_offsets(self._topic)
        return None, {}

    def read(self) -> PipelineStatus:
        """The status now; what is not there yet, or cannot be read, counts as nothing."""
        self._damage = []
        manifests: list[Manifest] = self._or(self._sound_manifests, [])
        releases: list[Release] = self._or(self._sound_releases, [])
        ends = self._end_offsets()
        return PipelineStatus(
            sum(ends.values()),
            manifests,
            releases,
            self._serving(),
            ends,
            self._or(self._batches.excluded, frozenset()),
            self._or(lambda: pointed_at(self._models / "CURRENT"), None),
            self._or(lambda: pointed_at(self._models / "PINNED"), None),
            tuple(self._damage),
        )

    def _or(self, read: Callable[[], T], nothing: T) -> T:
        """What can be read: a damaged file is said, and hides none of the others."""
        try:
            return read()
        except StorageError as error:
            self._damage.append(str(error))
            return nothing

    def _sound_manifests(self) -> list[Manifest]:
        manifests, broken = self._batches.sound_manifests()
        if broken is not None:
            self._damage.append(str(broken))
        return manifests

    def _sound_releases(self) -> list[Release]:
        """Without the registry: that brings the models, and with them numba, which a run does not
        need itself.
        """
        self._releases, damage = read_releases(
            self._models, self._released.numbers(), self._releases
        )
        self._damage += damage.values()
        return list(self._releases.values())

    def _end_offsets(self) -> dict[int, int]:
        if self._broker is None:
            return {}
        # the topic comes with the first stage, and a log may be away for a while
        with suppress(BrokerError):
            return self._broker.end_offsets(self._topic)
        return {}

    def _serving(self) -> int | None:
        with suppress(httpx.HTTPError, ValueError, AttributeError):
            number = self._http.get("/health/ready").json().get("model_set")
            return number if isinstance(number, int) else None
        return None
