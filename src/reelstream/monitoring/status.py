"""How far every stage is, read from the log, the work folder and the API."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from reelstream.broker.interface import Broker
from reelstream.client import Client
from reelstream.errors import ApiError, BrokerError, StorageError
from reelstream.features.holdout import is_trainable
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.storage.batch_files import BatchFolder, Manifest
from reelstream.storage.rejected import rejection_notice
from reelstream.storage.release import Release
from reelstream.storage.release_store import ReleaseStore
from reelstream.storage.work_folder import WorkFolder

T = TypeVar("T")

# Of a twentieth that is held out nobody learns; so many ratings are never all among them.
_FEW_RATINGS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineStatus:
    """Where every stage stands."""

    end_offsets: dict[int, int]
    """Partition -> end offset of the log."""
    manifests: list[Manifest]
    """Closed batches, by number."""
    releases: list[Release]
    """Every model set ever published, by number."""
    serving: int | None = None
    """Number of the set that the API answers from; None while it does not answer."""
    current: int | None = None
    """The newest model set that the gate let pass."""
    pinned: int | None = None
    """The set that somebody chose instead."""
    excluded: frozenset[int] = frozenset()
    """Batches taken out by hand."""
    damage: tuple[str, ...] = ()
    """What could not be read and counts as nothing, a sentence each."""
    is_learnable: bool = True
    """Whether the batches have ratings that a model may learn from; without, no set is made."""
    rejection: str | None = None
    """How many rows were rejected, and why most of them; None without any."""

    @property
    def log_rows(self) -> int:
        """Messages in the log."""
        return sum(self.end_offsets.values())

    @property
    def batch_rows(self) -> int:
        """Ratings in closed batches."""
        return sum(manifest.rows for manifest in self.manifests)

    @property
    def rejected_rows(self) -> int:
        """Rows of the log that the closed batches rejected."""
        return sum(manifest.rejected_rows for manifest in self.manifests)

    @property
    def all_is_batched(self) -> bool:
        """Whether the newest batch ends where the log ends."""
        return bool(self.manifests) and self.manifests[-1].next_offsets == self.end_offsets

    @property
    def all_is_trained(self) -> bool:
        """Whether the newest batch has its model set, served or refused."""
        # An excluded batch at the end never gets a model set.
        trainable = [each.number for each in self.manifests if each.number not in self.excluded]
        return not trainable or (
            bool(self.releases) and self.releases[-1].last_batch >= trainable[-1]
        )


class StatusReader:
    """Reads the status of one pipeline repeatedly; close it, or use it in `with`."""

    def __init__(
        self,
        folder: WorkFolder,
        log: Broker | None,
        topic: str,
        api_url: str,
        api_key: str | None = None,
    ) -> None:
        """`log` is open; None, for one that does not answer, counts as one without messages."""
        self._batches = BatchFolder.in_folder(folder.batches)
        self._log, self._topic = log, topic
        # Short: a run reads the status between its checks, and must notice a dead stage.
        self._api = Client(api_url, api_key=api_key, timeout_seconds=1.0)
        self._releases = ReleaseStore.in_folder(folder.models)
        self._damage: list[str] = []
        self._rejection: tuple[int, str | None] = (0, None)
        self._learnable: tuple[int, bool] = (0, True)

    def __enter__(self) -> StatusReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()

    def log_start(self) -> tuple[str | None, dict[int, int]]:
        """The topic's identity, None while the log does not answer, and each first offset."""
        if self._log is not None:
            with suppress(BrokerError):
                return self._log.topic_id(self._topic), self._log.start_offsets(self._topic)
        return None, {}

    def read(self) -> PipelineStatus:
        """The status now; what is not there yet, or cannot be read, counts as nothing."""
        self._damage = []
        # Before the log's end offsets: what is closed meanwhile must not end after the log.
        manifests: list[Manifest] = self._or(self._sound_manifests, [])
        releases: list[Release] = self._or(self._sound_releases, [])
        return PipelineStatus(
            end_offsets=self._end_offsets(),
            manifests=manifests,
            releases=releases,
            serving=self._serving(),
            current=self._or(self._releases.current_number, None),
            pinned=self._or(self._releases.pinned, None),
            excluded=self._or(self._batches.excluded, frozenset()),
            is_learnable=self._or(lambda: self._is_learnable(manifests), True),
            rejection=self._or(lambda: self._rejection_in(manifests), None),
            damage=tuple(self._damage),
        )

    def _or(self, read: Callable[[], T], nothing: T) -> T:
        """What can be read: a damaged file is reported, and hides none of the others."""
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
        releases, damage = self._releases.sound_releases()
        self._damage += damage
        return releases

    def _rejection_in(self, manifests: list[Manifest]) -> str | None:
        """Read again only when a batch is new: a run looks four times a second."""
        if self._rejection[0] != len(manifests):
            self._rejection = len(manifests), rejection_notice(self._batches, manifests)
        return self._rejection[1]

    def _is_learnable(self, manifests: list[Manifest]) -> bool:
        if sum(manifest.rows for manifest in manifests) > _FEW_RATINGS:
            return True
        if self._learnable[0] != len(manifests):
            read = EventColumns.concatenate([self._batches.read(each) for each in manifests])
            ratings = Histories.of(read).ratings
            self._learnable = len(manifests), bool(is_trainable(ratings).any())
        return self._learnable[1]

    def _end_offsets(self) -> dict[int, int]:
        if self._log is not None:
            with suppress(
                BrokerError
            ):  # the first stage makes the topic; a log may be down a while
                return self._log.end_offsets(self._topic)
        return {}

    def _serving(self) -> int | None:
        with suppress(ApiError):
            # A server that is away or not ready answers from no set.
            return self._api.ready().model_set
        return None
