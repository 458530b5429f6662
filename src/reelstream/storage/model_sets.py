"""Releases with the model sets that they name: published whole, loaded after a check."""

from __future__ import annotations

from pathlib import Path

import structlog

from reelstream.catalog import Catalog
from reelstream.errors import DamagedError, NoModelSetError, SettingError
from reelstream.models import registry
from reelstream.models.family import Family
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.storage.release import Release
from reelstream.storage.release_store import ReleaseStore

log = structlog.get_logger()


class ModelSetStore(ReleaseStore):
    """Publishes and loads the models of releases."""

    def publish_set(self, model_set: ModelSet, release: Release) -> Release:
        """Publish a set under the number of its release. See `ReleaseStore.publish`."""
        return self.publish(release, registry.writers_of(model_set.models))

    def load(self, number: int, catalog: Catalog) -> ModelSet:
        """A set, after comparing every file's checksum. Raises DamagedError, SettingError."""
        release = self.unpruned_release(number)
        problems = self.problems(release)
        if problems:
            more = f", and {len(problems) - 1} more" if problems[1:] else ""
            raise DamagedError(
                f"model set {number} is damaged: {problems[0]}{more}: activate another, or train"
                " anew"
            )

        def folder_of(family: Family) -> Path | None:
            if family.public_name not in release.folders:
                return None
            return self.folder_of(release, family.public_name)

        return ModelSet(
            number=number,
            models=registry.load_bundle(folder_of),
            catalog=catalog,
            scale=release.scale,
            trained_on=TrainedOn(release.trained_end_offsets, release.excluded_offsets),
        )

    def problems(self, release: Release) -> list[str]:
        """What is wrong with a release or its files, one sentence each."""
        missing = [
            f"{self.describe(release.number)} is not what was published: it names no"
            f" {family.public_name} folder"
            for family in registry.FAMILIES
            if family.since_first_set and family.public_name not in release.folders
        ]
        return missing + super().problems(release)

    def load_current(self, catalog: Catalog) -> tuple[Release, ModelSet]:
        """The set in service; when it is damaged, the newest sound one before it that may serve.

        Raises NoModelSetError when there is none.
        """
        for release in self.candidates():
            try:
                return release, self.load(release.number, catalog)
            # A set may also have been pruned while somebody pinned it.
            except (DamagedError, SettingError) as error:
                log.error("model_set_refused", number=release.number, reason=str(error))
        raise NoModelSetError(
            f"{self.describe()} holds no model set that may serve: `reelstream train` makes one"
        )
