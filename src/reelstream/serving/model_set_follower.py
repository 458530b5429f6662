"""Follows the model sets: the current one goes into service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import ClassVar

import structlog

from reelstream.catalog import Catalog
from reelstream.errors import NoModelSetError
from reelstream.models.model_set import ModelSet
from reelstream.serving.batch_follower import FILE_SECONDS, BatchFollower
from reelstream.serving.follower import Follower
from reelstream.serving.predictor import Predictor
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.release import Release

log = structlog.get_logger()


class ModelSetFollower(Follower):
    """Puts each current set into service, and lets items start afresh after a refusal or an
    exclusion.
    """

    name: ClassVar[str] = "model sets"
    pause_seconds: ClassVar[float] = FILE_SECONDS

    def __init__(
        self,
        predictor: Predictor,
        model_sets: ModelSetStore,
        catalog: Catalog,
        batches: BatchFollower,
    ) -> None:
        super().__init__(predictor.activity)
        self._predictor, self._model_sets, self._catalog = predictor, model_sets, catalog
        self._batches = batches
        self.releases: Sequence[Release] = ()
        """Of all model sets ever published, rising."""
        self._newest_number = 0
        self._items_know: tuple[int, tuple[int, ...]] = (0, ())

    def follow(self) -> None:
        """Put the current set into service. Raises DamagedError, StorageError: what was in service
        before stays there.

        A server that starts on a damaged set begins with the newest sound one before it. After a
        refused set, or an excluded batch, items must not keep what they learned from it.
        """
        newest = self._model_sets.newest_number()
        if newest != self._newest_number:
            releases = self._model_sets.all_releases()
            if self._newest_number:  # what was there at the start did not happen now
                self._note_releases(releases)
            self.releases, self._newest_number = releases, newest
        known = newest, self._batches.excluded
        if self._predictor.in_service is None:
            with suppress(NoModelSetError):  # nothing is published yet
                self._put_into_service(*self._model_sets.load_current(self._catalog))
        current = self._model_sets.current()
        serving = self._predictor.in_service
        if current is not None and (serving is None or serving.release != current):
            self._put_into_service(current, self._model_sets.load(current.number, self._catalog))
        elif serving is not None and known != self._items_know:
            self._predictor.renew_items(self._judged_end_offsets())
        self._items_know = known

    def _put_into_service(self, release: Release, model_set: ModelSet) -> None:
        self._predictor.swap(release, model_set, self._judged_end_offsets())
        log.info("model_set_in_service", number=release.number)

    def _note_releases(self, releases: Sequence[Release]) -> None:
        for release in releases:
            if release.number > self._newest_number:
                self._predictor.activity.note(
                    "set" if release.may_serve else "refused",
                    number=release.number,
                    rmse=release.holdout.rmse,
                    auc=release.holdout.auc,
                    message=release.gate.reason,
                )

    def _judged_end_offsets(self) -> Mapping[int, int]:
        """Where the newest release ends, in service or refused."""
        return self.releases[-1].trained_end_offsets if self.releases else {}
