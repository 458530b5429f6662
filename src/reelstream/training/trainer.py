"""Makes model sets of closed batches: replay, fit, judge, publish.

    1. bring the history snapshot to the newest release
    2. replay the new batches against the set in service: the prequential record
    3. write the snapshot that holds the new batches as well; fit to it, warm-started from that set
    4. compare the new set with it on the gate's half of the holdout
    5. publish the set: its release is the commit point
    6. publish the history snapshot
    7. prune

Killed before 5 the set does not exist, and the next trainer makes it again; killed after it, the
next trainer begins with what is missing. A refused set is kept but not served, and
later fits do not warm-start from it.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray
from prometheus_client import Histogram

from reelstream import __version__
from reelstream.catalog import Catalog
from reelstream.engines.interface import (
    Engine,
    FitContext,
    FitJob,
    FitParameters,
    SnapshotJob,
)
from reelstream.errors import DamagedError, NoModelSetError, NothingToLearnError
from reelstream.evaluation.gate import GateRatings, judge
from reelstream.evaluation.prequential import replay
from reelstream.evaluation.reports import BatchScores, GateReport, Scores
from reelstream.evaluation.scores import clipped_errors, score
from reelstream.failpoints import reached
from reelstream.features.holdout import is_trainable, judges_at_gate
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.scale import RatingScale
from reelstream.storage.batch_files import BatchFolder, Manifest
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.release import Release
from reelstream.storage.snapshot_reader import SnapshotReader
from reelstream.storage.snapshot_store import SnapshotStore
from reelstream.training.record import replay_batches

MAX_SETS_PER_BACKLOG = 8
"""Of a longer backlog one set takes all batches."""
MAX_GATE_USERS = 10_000
"""Of more users the gate asks an even sample: folding in all would cost time and change no
verdict.
"""
POLL_SECONDS = 0.2
DECISIVE_PACKAGES = ("numpy", "numba", "scipy", "scikit-learn")

_TRAINING_SECONDS = Histogram(
    "reelstream_training_seconds",
    "Time to make a set, from its batches to its release.",
    ["gate"],
    buckets=(0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800),
)

log = structlog.get_logger()


class Trainer:
    """Trains what is new. It holds the registry's lock while it works: one trainer at a time."""

    def __init__(
        self,
        batches: BatchFolder,
        histories: SnapshotStore,
        registry: ModelSetStore,
        engine: Engine,
        catalog: Catalog,
        scale: RatingScale,
        parameters: FitParameters,
        *,
        keep: int,
    ) -> None:
        """`keep`: how many of the newest sets stay on disk."""
        self._batches, self._histories, self._registry = batches, histories, registry
        self._engine, self._catalog, self._scale, self._parameters = (
            engine,
            catalog,
            scale,
            parameters,
        )
        self._keep = keep

    def run_once(self) -> list[Release]:
        """Bring the chain to the newest batch; the releases made, none when nothing is new.

        Raises LockedError when another trainer is at work, DamagedError, FitError.
        """
        with self._registry.lock():
            return self._run()

    def follow(self, stop: threading.Event) -> None:
        """Train every batch as it closes, and keep the history in line with exclusions, until
        `stop`.
        """
        with self._registry.lock():
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
        self._registry.recover()
        self._histories.sweep()
        # Read once: what changes from here on is the next run's.
        manifests, excluded = self._batches.manifests(), self._batches.excluded()
        known = self._registry.all_releases()
        done = known[-1].last_batch if known else 0
        # 1. The history of all that has a release.
        released = [manifest for manifest in manifests if manifest.number <= done]
        self._bring_history_to(released, excluded)
        releases: list[Release] = []
        waiting: list[Manifest] = []
        groups = _grouped(manifests[len(released) :], excluded)
        if not groups and known and self._is_outdated(known[-1], released, excluded):
            groups = [[]]
        for group in groups:
            if stop is not None and stop.is_set():
                break
            new = [*waiting, *group]
            through = [
                manifest
                for manifest in manifests
                if manifest.number <= (new[-1].number if new else done)
            ]
            try:
                releases.append(self._train(new, through, excluded))
            except NothingToLearnError:
                log.info("nothing_to_learn_from_yet", batches=[manifest.number for manifest in new])
                self._histories.sweep()
                waiting = new
            else:
                waiting = []
        return releases

    def _bring_history_to(self, manifests: Sequence[Manifest], excluded: Collection[int]) -> None:
        """Publish the history of these batches, all from the first on, without the excluded ones,
        if it is not current.
        """
        held, left_out = _split(manifests, excluded)
        base = self._histories.base_for(_revisions(held), _numbers(left_out))
        if base is None:
            return
        written = self._histories.new_folder()
        self._engine.write_snapshot(
            SnapshotJob(
                batches=self._batches,
                manifests=held,
                base=base.folder,
                new_manifests=held[base.known :],
                out=written,
            )
        )
        next_offsets = manifests[-1].next_offsets if manifests else {}
        self._histories.publish(written, _revisions(held), _numbers(left_out), next_offsets)

    def _is_outdated(
        self, newest: Release, released: Sequence[Manifest], excluded: Collection[int]
    ) -> bool:
        """Whether batches were excluded or included since the newest release, so that another set
        should serve.
        """
        numbers = {manifest.number for manifest in released}
        current = self._registry.current()
        if current is None or numbers & set(excluded) == set(newest.excluded):
            return False
        return {number for number, _ in current.manifests} != numbers - set(excluded)

    def _train(
        self, new: Sequence[Manifest], through: Sequence[Manifest], excluded: Collection[int]
    ) -> Release:
        """The set of the `new` batches, which the current history does not hold.

        `through`: all batches up to the last of the new ones, excluded or not. Without a new batch,
        the set is made for exclusions that have changed. Raises NothingToLearnError.
        """
        started = time.monotonic()
        champion = self._champion()
        last = through[-1]
        held, left_out = _split(through, excluded)
        # 2. The record.
        record = replay_batches(self._batches, new, self._histories.stored(), champion, self._scale)
        reached("batches_scored")
        # 3. The snapshot, and the fit.
        snapshot = self._histories.new_folder()
        self._engine.write_snapshot(
            SnapshotJob(
                batches=self._batches,
                manifests=held,
                base=self._histories.current_folder(),
                new_manifests=new,
                out=snapshot,
            )
        )
        challenger = self._fit(snapshot, champion, held, left_out, last)
        reached("models_fitted")
        # 4. The gate.
        report, holdout = self._judge(challenger, champion, SnapshotReader(snapshot), held)
        # 5. The set.
        release = self._registry.publish_set(
            challenger,
            self._release(
                challenger,
                champion,
                held,
                left_out,
                report=report,
                holdout=holdout,
                record=record,
            ),
        )
        # 6. The history.
        self._histories.publish(snapshot, release.manifests, release.excluded, last.next_offsets)
        # 7. What is no longer kept.
        self._registry.prune(self._keep)
        _TRAINING_SECONDS.labels(report.verdict).observe(time.monotonic() - started)
        log.info(
            "model_set_published",
            number=release.number,
            gate=report.verdict,
            reason=report.reason,
            holdout_rmse=holdout.rmse,
            seconds=round(time.monotonic() - started, 2),
        )
        return release

    def _fit(
        self,
        snapshot: Path,
        champion: ModelSet | None,
        held: Sequence[Manifest],
        left_out: Sequence[Manifest],
        last: Manifest,
    ) -> ModelSet:
        """The set of the `held` batches; `last`: the newest batch, held or left out."""
        models = self._engine.fit(
            FitJob(
                snapshot=snapshot,
                batch_rows=sum(manifest.rows for manifest in held),
                context=FitContext(
                    catalog=self._catalog, scale=self._scale, parameters=self._parameters
                ),
                previous=None if champion is None else champion.models,
            )
        )
        return ModelSet(
            number=max(last.number, self._registry.newest_number() + 1),
            models=models,
            catalog=self._catalog,
            scale=self._scale,
            trained_on=TrainedOn(last.next_offsets, _offset_ranges(left_out)),
        )

    def _champion(self) -> ModelSet | None:
        """The set in service, from which a fit is warm-started; None before the first.

        Raises DamagedError when there are sets and none is sound: one that started cold would pass
        no gate.
        """
        try:
            return self._registry.load_current(self._catalog)[1]
        except NoModelSetError as error:
            if not self._registry.newest_number():
                return None
            raise DamagedError(
                "the set in service is damaged, and no sound one before it can stand in, so nothing"
                " is trained: `reelstream models verify` names the files to put back, `reelstream"
                " models activate` serves another"
            ) from error

    def _judge(
        self,
        challenger: ModelSet,
        champion: ModelSet | None,
        stored: SnapshotReader,
        held: Sequence[Manifest],
    ) -> tuple[GateReport, Scores]:
        """The gate's verdict, and the challenger's scores on the gate's ratings."""
        known, asked = _split_for_gate(stored)
        answers = replay(challenger, known, asked, "nothing")
        holdout = score(answers, asked.rating, self._scale)
        if champion is None:
            return GateReport("first", "there is no set in service to compare it with"), holdout
        ratings = GateRatings(
            asked.user_id,
            _batches_of(asked, held),
            asked.rating,
            clipped_errors(
                replay(champion, known, asked, "nothing").mean, asked.rating, self._scale
            ),
            clipped_errors(answers.mean, asked.rating, self._scale),
        )
        learned = {number for number, _ in self._registry.release(champion.number).manifests}
        return judge(ratings, learned & {manifest.number for manifest in held}), holdout

    def _release(
        self,
        challenger: ModelSet,
        champion: ModelSet | None,
        held: Sequence[Manifest],
        left_out: Sequence[Manifest],
        *,
        report: GateReport,
        holdout: Scores,
        record: list[BatchScores],
    ) -> Release:
        versions = {"python": platform.python_version(), "reelstream": __version__}
        return Release(
            number=challenger.number,
            created_at=int(time.time()),
            manifests=_revisions(held),
            excluded=_numbers(left_out),
            trained_end_offsets=dict(challenger.trained_on.trained_end_offsets),
            excluded_offsets=dict(challenger.trained_on.excluded),
            scale=self._scale,
            champion=None if champion is None else champion.number,
            gate=report,
            holdout=holdout,
            record=record,
            engine=self._engine.name,
            seed=self._parameters.seed,
            parameters=asdict(self._parameters),
            versions=versions | {package: version(package) for package in DECISIVE_PACKAGES},
        )


def _grouped(new: Sequence[Manifest], excluded: Collection[int]) -> list[list[Manifest]]:
    """New batches in the groups that get a set each."""
    wanted = [manifest for manifest in new if manifest.number not in excluded]
    return [wanted] if len(wanted) > MAX_SETS_PER_BACKLOG else [[manifest] for manifest in wanted]


def _split(
    manifests: Sequence[Manifest], excluded: Collection[int]
) -> tuple[list[Manifest], list[Manifest]]:
    """Those that are held, and those that are left out."""
    held = [manifest for manifest in manifests if manifest.number not in excluded]
    return held, [manifest for manifest in manifests if manifest.number in excluded]


def _revisions(manifests: Iterable[Manifest]) -> list[tuple[int, int]]:
    return [(manifest.number, manifest.revision) for manifest in manifests]


def _numbers(manifests: Iterable[Manifest]) -> list[int]:
    return [manifest.number for manifest in manifests]


def _split_for_gate(stored: SnapshotReader) -> tuple[EventColumns, EventColumns]:
    """What the gate folds in, all outside the holdout, and what it asks, its half of the
    holdout.
    """
    ratings = stored.of_users(
        stored.user_ids[:: len(stored.user_ids) // MAX_GATE_USERS + 1]
    ).ratings
    return ratings[is_trainable(ratings)], ratings[judges_at_gate(ratings)]


def _batches_of(ratings: EventColumns, manifests: Iterable[Manifest]) -> NDArray[np.int64]:
    """The number of the batch that each rating (n,) came in."""
    numbers = np.zeros(len(ratings), np.int64)
    for manifest in manifests:
        for partition, taken in manifest.partitions.items():
            inside = (ratings.offset >= taken.first) & (ratings.offset < taken.next)
            numbers[inside & (ratings.partition == partition)] = manifest.number
    return numbers


def _offset_ranges(manifests: Iterable[Manifest]) -> dict[int, tuple[tuple[int, int], ...]]:
    """Partition -> the offsets [first, next) that these batches took from it."""
    ranges: dict[int, tuple[tuple[int, int], ...]] = {}
    for manifest in manifests:
        for partition, taken in manifest.partitions.items():
            ranges[partition] = (*ranges.get(partition, ()), (taken.first, taken.next))
    return ranges
