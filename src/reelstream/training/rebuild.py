"""Makes a model set again, from what its release says, and compares it with what was published,
file by file.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from reelstream.catalog import Catalog
from reelstream.engines.interface import (
    Engine,
    FitContext,
    FitJob,
    FitParameters,
    SnapshotJob,
)
from reelstream.errors import SettingError
from reelstream.features.holdout import HOLDOUT_RULE
from reelstream.files import TEMPORARY_PREFIX
from reelstream.models.bundle import ModelBundle
from reelstream.models.registry import writers_of
from reelstream.storage.batch_files import BatchFolder, Manifest
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.release import Release
from reelstream.storage.release_store import sha256_of
from reelstream.training.stores import TrainingStores
from reelstream.training.warm_start import warm_start


def rebuild(
    number: int,
    stores: TrainingStores,
    engine: Engine,
    catalog: Catalog,
    scratch: Path,
) -> list[str]:
    """The names of the files of set `number` that come out differently; none when the set is the
    same bit for bit.

    `scratch` is where it is made meanwhile: a folder that all of the engine's machines see. Raises
    SettingError when what the set was made from is gone: its predecessor, or a batch as it was
    then.
    """
    release = stores.model_sets.release(number)
    if release.engine != engine.name:
        raise SettingError(
            f"model set {number} was fitted by the {release.engine} engine: name it with --engine"
        )
    if release.holdout_rule != HOLDOUT_RULE:
        raise SettingError(
            f"model set {number} cannot be made again: reelstream {release.versions['reelstream']},"
            " which made it, held out other ratings than this version"
        )
    manifests = _manifests(release, stores.batches)
    previous = _predecessor(release, stores.model_sets, catalog)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=scratch) as folder:
        snapshot = Path(folder) / "history"
        snapshot.mkdir()
        engine.write_snapshot(
            SnapshotJob(
                batches=stores.batches,
                manifests=manifests,
                base=None,
                new_manifests=manifests,
                out=snapshot,
            )
        )
        models = engine.fit(
            FitJob(
                snapshot=snapshot,
                batch_rows=sum(manifest.rows for manifest in manifests),
                context=FitContext(
                    catalog=catalog,
                    scale=release.scale,
                    parameters=FitParameters(**release.parameters),
                ),
                previous=previous,
            )
        )
        found: dict[str, str] = {}
        for family, write in writers_of(models).items():
            if family not in release.folders:
                continue  # there was no such family yet
            made = Path(folder) / release.folders[family]
            made.mkdir()
            write(made)
            found |= {f"{made.name}/{path.name}": sha256_of(path) for path in made.iterdir()}
    names = sorted(found.keys() | release.checksums.keys())
    return [name for name in names if found.get(name) != release.checksums.get(name)]


def _manifests(release: Release, batches: BatchFolder) -> list[Manifest]:
    """The batches that the set was trained on, as they were then."""
    present = {(manifest.number, manifest.revision): manifest for manifest in batches.manifests()}
    gone = [number for number, revision in release.manifests if (number, revision) not in present]
    if gone:
        revised = [each for each in present.values() if each.number == gone[0] and each.erased]
        since = ", as a user was erased from it since" if revised else ""
        raise SettingError(
            f"model set {release.number} cannot be made again: batch {gone[0]} is not what it was"
            f" trained on any more{since}"
        )
    return [present[number, revision] for number, revision in release.manifests]


def _predecessor(release: Release, registry: ModelSetStore, catalog: Catalog) -> ModelBundle | None:
    """The models that the set was warm-started from; None for one that started cold."""
    if release.champion is None:
        return None
    if release.champion not in {kept.number for kept in registry.releases()}:
        raise SettingError(
            f"model set {release.number} cannot be made again: set {release.champion}, whose chain"
            " it was warm-started from, was removed; more sets are kept with `train --keep`"
        )
    models = registry.load(release.champion, catalog).models
    return warm_start(models, registry.release(release.champion).holdout_rule)
