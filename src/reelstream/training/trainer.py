"""Makes model sets of closed batches: replay, fit, judge, publish.

    0. rewrite batches without the rows of users who were erased
    1. update the history snapshot to the batches of the newest release
    2. replay the new batches against the set in service: the prequential record
    3. write a snapshot with the new batches; fit to it, warm-started from the set in service
    4. compare the new set with the set in service on the gate's half of the holdout
    5. publish the set: its release is the commit point
    6. publish the history snapshot
    7. prune

Killed before 5 the set does not exist, and the next trainer makes it again; killed after it, the
next trainer begins with what is missing. A refused set stays on disk but is not served, and later
fits do not warm-start from it.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import structlog
from prometheus_client import Histogram

from reelstream import __version__
from reelstream.engines.interface import Engine, FitContext, FitJob, SnapshotJob
from reelstream.errors import DamagedError, NoModelSetError, NothingToLearnError
from reelstream.evaluation.reports import BatchScores, GateReport, Scores
from reelstream.failpoints import reached
from reelstream.features.holdout import HOLDOUT_RULE
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.storage.batch_erasure import erase_users
from reelstream.storage.manifest import Manifest
from reelstream.storage.release import Release
from reelstream.storage.snapshot_reader import SnapshotReader
from reelstream.training.comparison import Champion, compare
from reelstream.training.record import replay_batches
from reelstream.training.selection import BatchSelection
from reelstream.training.stores import TrainingStores
from reelstream.training.warm_start import warm_start

# A longer backlog is trained as one set: sets in between would only delay the newest.
MAX_SETS_PER_BACKLOG = 8
POLL_SECONDS = 0.2
# Another version of these may change the last bits of a set: a release names them.
DECISIVE_PACKAGES = ("numpy", "numba", "scipy", "scikit-learn")

_TRAINING_SECONDS = Histogram(
    "reelstream_training_seconds",
    "Time to make a set, from its batches to its release.",
    ["gate"],
    buckets=(0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800),
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judgement:
    gate: GateReport
    holdout: Scores
    record: list[BatchScores]


class Trainer:
    """Trains what is new. It holds the releases' lock while it works: one trainer at a time."""

    def __init__(
        self, stores: TrainingStores, engine: Engine, context: FitContext, *, keep: int
    ) -> None:
        """`keep`: how many of the newest sets stay on disk."""
        self._batches, self._snapshots = stores.batches, stores.snapshots
        self._model_sets = stores.model_sets
        self._engine, self._context, self._keep = engine, context, keep

    def run_once(self) -> list[Release]:
        """Train every batch that has no set; the releases made, none when nothing is new.

        Raises LockedError when another trainer is at work, DamagedError, FitError.
        """
        with self._model_sets.lock():
            return self._run()

    def follow(self, stop: threading.Event) -> None:
        """Train every batch as it closes, and follow exclusions, until `stop`."""
        with self._model_sets.lock():
            self._engine.prepare()
            seen = None
            while not stop.is_set():
                newest = self._batches.newest()
                now = newest and (newest.number, newest.revision), self._batches.excluded()
                if now != seen:
                    self._run(stop)
                    seen = now
                stop.wait(POLL_SECONDS)

    def _run(self, stop: threading.Event | None = None) -> list[Release]:
        self._model_sets.recover()
        self._snapshots.sweep()
        self._context.catalog.refresh()
        # 0. Users who were erased.
        erase_users(self._batches)
        # Read once: the next run handles what changes from here on.
        manifests, excluded = self._batches.manifests(), self._batches.excluded()
        known = self._model_sets.all_releases()
        last_trained = known[-1].last_batch if known else 0
        # 1. The history of all that has a release.
        released = [manifest for manifest in manifests if manifest.number <= last_trained]
        self._update_snapshot(BatchSelection.of(released, excluded))
        groups = _grouped(manifests[len(released) :], excluded)
        if not groups and known and self._is_outdated(known[-1], released, excluded):
            groups = [[]]
        releases: list[Release] = []
        waiting: list[Manifest] = []
        for group in groups:
            if stop is not None and stop.is_set():
                break
            new = [*waiting, *group]
            last = new[-1].number if new else last_trained
            selected = [manifest for manifest in manifests if manifest.number <= last]
            try:
                releases.append(self._train(new, BatchSelection.of(selected, excluded)))
            except NothingToLearnError:
                # Too few ratings so far: the next batch's set takes these as well.
                log.info("nothing_to_learn_from_yet", batches=[each.number for each in new])
                self._snapshots.sweep()
                waiting = new
            else:
                waiting = []
        return releases

    def _update_snapshot(self, selection: BatchSelection) -> None:
        """Publish the histories of the selected batches, if the current snapshot is another."""
        base = self._snapshots.base_for(selection.revisions, selection.excluded_numbers)
        if base is None:
            return
        written = self._write_snapshot(selection, base.folder, selection.included[base.known :])
        self._publish_snapshot(written, selection)

    def _write_snapshot(
        self, selection: BatchSelection, base: Path | None, new: Sequence[Manifest]
    ) -> Path:
        """A folder with the histories of the selected batches, of which `base` lacks the `new`."""
        written = self._snapshots.new_folder()
        self._engine.write_snapshot(
            SnapshotJob(
                batches=self._batches,
                manifests=selection.included,
                base=base,
                new_manifests=new,
                out=written,
            )
        )
        return written

    def _publish_snapshot(self, written: Path, selection: BatchSelection) -> None:
        self._snapshots.publish(
            written, selection.revisions, selection.excluded_numbers, selection.end_offsets
        )

    def _is_outdated(
        self, newest: Release, released: Sequence[Manifest], excluded: Collection[int]
    ) -> bool:
        """Whether exclusions have changed since the newest release, so that another set is due."""
        numbers = {manifest.number for manifest in released}
        current = self._model_sets.current()
        if current is None or numbers & set(excluded) == set(newest.excluded):
            return False
        return {number for number, _ in current.manifests} != numbers - set(excluded)

    def _train(self, new: Sequence[Manifest], selection: BatchSelection) -> Release:
        """The set of the selected batches; the current snapshot holds all of them but the `new`.

        Without a new batch, the set is made for exclusions that have changed. Raises
        NothingToLearnError.
        """
        started = time.monotonic()
        champion = self._champion()
        # 2. The record.
        predictor = champion.model_set if champion is not None else None
        stored = self._snapshots.stored()
        record = replay_batches(self._batches, new, stored, predictor, self._context.scale)
        reached("batches_scored")
        # 3. The snapshot, and the fit.
        snapshot = self._write_snapshot(selection, self._snapshots.current_folder(), new)
        challenger = self._fit(snapshot, champion, selection)
        reached("models_fitted")
        # 4. The gate.
        report, holdout = compare(challenger, champion, SnapshotReader(snapshot), selection)
        # 5. The set.
        judgement = _Judgement(gate=report, holdout=holdout, record=record)
        release = self._release(challenger, champion, selection, judgement)
        release = self._model_sets.publish_set(challenger, release)
        # 6. The history.
        self._publish_snapshot(snapshot, selection)
        # 7. Sets beyond those that stay.
        self._model_sets.prune(self._keep)
        seconds = time.monotonic() - started
        _TRAINING_SECONDS.labels(report.verdict).observe(seconds)
        log.info(
            "model_set_published",
            number=release.number,
            gate=report.verdict,
            reason=report.reason,
            holdout_rmse=holdout.rmse,
            seconds=round(seconds, 2),
        )
        return release

    def _fit(
        self, snapshot: Path, champion: Champion | None, selection: BatchSelection
    ) -> ModelSet:
        previous = None
        if champion is not None:
            previous = warm_start(champion.model_set.models, champion.holdout_rule)
        models = self._engine.fit(
            FitJob(
                snapshot=snapshot,
                batch_rows=selection.rows,
                context=self._context,
                previous=previous,
            )
        )
        last_batch = selection.last.number if selection.last is not None else 0
        return ModelSet(
            # Exclusions may make several sets of the same batches.
            number=max(last_batch, self._model_sets.newest_number() + 1),
            models=models,
            catalog=self._context.catalog,
            scale=self._context.scale,
            trained_on=TrainedOn(selection.end_offsets, selection.excluded_offsets),
        )

    def _champion(self) -> Champion | None:
        """The set in service, from which a fit is warm-started; None before the first.

        Raises DamagedError when there are sets and none is sound: one that started cold would pass
        no gate.
        """
        try:
            release, model_set = self._model_sets.load_current(self._context.catalog)
        except NoModelSetError as error:
            if not self._model_sets.newest_number():
                return None
            raise DamagedError(
                "the set in service is damaged, and no sound one before it can stand in, so nothing"
                " is trained: `reelstream models verify` names the files to put back, `reelstream"
                " models activate` serves another"
            ) from error
        batches = frozenset(number for number, _ in release.manifests)
        return Champion(model_set, batches, release.holdout_rule)

    def _release(
        self,
        challenger: ModelSet,
        champion: Champion | None,
        selection: BatchSelection,
        judgement: _Judgement,
    ) -> Release:
        versions = {"python": platform.python_version(), "reelstream": __version__}
        parameters = self._context.parameters
        return Release(
            number=challenger.number,
            created_at=int(time.time()),
            manifests=selection.revisions,
            excluded=selection.excluded_numbers,
            trained_end_offsets=selection.end_offsets,
            excluded_offsets=selection.excluded_offsets,
            scale=challenger.scale,
            champion=champion.model_set.number if champion is not None else None,
            gate=judgement.gate,
            holdout=judgement.holdout,
            record=judgement.record,
            engine=self._engine.name,
            seed=parameters.seed,
            parameters=asdict(parameters),
            holdout_rule=HOLDOUT_RULE,
            versions=versions | {package: version(package) for package in DECISIVE_PACKAGES},
        )


def _grouped(new: Sequence[Manifest], excluded: Collection[int]) -> list[list[Manifest]]:
    """New batches in the groups that get a set each."""
    wanted = [manifest for manifest in new if manifest.number not in excluded]
    return [wanted] if len(wanted) > MAX_SETS_PER_BACKLOG else [[manifest] for manifest in wanted]
