"""How far a run has come, read from the log, the work folder and the API."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import httpx

from reelstream.broker.interface import Broker
from reelstream.cli.opening import open_log
from reelstream.errors import BrokerError
from reelstream.files import read_json
from reelstream.storage.batch_files import BatchFolder, Manifest
from reelstream.storage.release import Release
from reelstream.storage.work_folder import Binding, WorkFolder


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
        wanted = [manifest.number for manifest in self.manifests if manifest.number not in self.excluded]
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
        """`log_may_be_away`: a log that cannot be opened counts as one without messages; else BrokerError is raised."""
        self._topic = binding.topic
        self._batches, self._models = BatchFolder(folder.batches), folder.models
        self._binding, self._kafka, self._log_may_be_away = binding, kafka, log_may_be_away
        self._broker: Broker | None = None
        self._http = httpx.Client(base_url=api_url, timeout=1.0, trust_env=False)
        self._manifests: list[Manifest] = []
        self._releases: list[Release] = []
        self._manifest_names: set[str] = set()

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
        """The topic's identity, and the first offset that each partition holds; None while the log does not answer."""
        if self._broker is not None:
            with suppress(BrokerError):
                return self._broker.topic_id(self._topic), self._broker.start_offsets(self._topic)
        return None, {}

    def read(self) -> PipelineStatus:
        """The status now; what is not there yet counts as nothing."""
        self._read_new_manifests()
        self._read_new_releases()
        ends = self._end_offsets()
        return PipelineStatus(
            sum(ends.values()), self._manifests, self._releases, self._serving(), ends, self._batches.excluded()
        )

    def _read_new_manifests(self) -> None:
        names = {path.name for path in self._batches.path.glob("manifest_*.json")}
        if names != self._manifest_names:
            self._manifests, self._manifest_names = self._batches.manifests(), names

    def _read_new_releases(self) -> None:
        """Without the registry: that brings the models, and with them numba, which a run does not need itself."""
        known = {release.number for release in self._releases}
        for path in self._models.glob("release_*.json"):
            if int(path.stem.removeprefix("release_")) not in known:
                self._releases.append(read_json(path, Release))
        self._releases.sort(key=lambda release: release.number)

    def _end_offsets(self) -> dict[int, int]:
        if self._broker is None:
            return {}
        with suppress(BrokerError):  # the topic comes with the first stage, and a log may be away for a while
            return self._broker.end_offsets(self._topic)
        return {}

    def _serving(self) -> int | None:
        with suppress(httpx.HTTPError, ValueError, AttributeError):
            number = self._http.get("/health/ready").json().get("model_set")
            return number if isinstance(number, int) else None
        return None
