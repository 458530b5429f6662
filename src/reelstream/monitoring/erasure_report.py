"""Where a user who was erased still is, and until when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reelstream.ratings.histories import Histories
from reelstream.storage.batch_erasure import is_before, latest_of_users, names_user
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.erasures import Erasure
from reelstream.storage.release_store import ReleaseStore
from reelstream.storage.snapshot_store import SnapshotStore
from reelstream.storage.work_folder import WorkFolder


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """One place in which something of a user is left."""

    where: str
    what: str
    until: str
    is_passing: bool
    """Whether it goes by itself, soon: batch writer and trainer are at it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasureReport:
    """What is left of a user."""

    user_id: int
    erased_at: int | None
    """Up to when, in seconds since 1970; None: no batch holds an erasure."""
    traces: tuple[Trace, ...]

    @property
    def is_done(self) -> bool:
        """Whether only what lasts is left: the log's copy, and model sets that are kept."""
        return not any(trace.is_passing for trace in self.traces)


def report_erasure(folder: WorkFolder, user_id: int, asked_at: int | None = None) -> ErasureReport:
    """Look for a user in a work folder; asked_at: of an erasure that was just sent, which a batch
    is still to take.

    Reads every batch. Raises DamagedError, StorageError.
    """
    batches = BatchFolder.in_folder(folder.batches)
    erasure = _last_erasure(batches, user_id)
    traces = [
        Trace(
            where="log",
            what="what the user sent, and the erasure",
            until="the log's retention deletes it; the embedded log keeps it for good",
            is_passing=False,
        )
    ]
    if erasure is None or (asked_at is not None and erasure.timestamp < asked_at):
        traces.append(_passing("erasure", "no batch holds it yet", "the next batch"))
    traces += _in_batches(batches, user_id, erasure)
    traces += _in_snapshots(SnapshotStore.in_folder(folder.history), user_id, erasure)
    traces += _in_model_sets(ReleaseStore.in_folder(folder.models), erasure)
    at = None if erasure is None else erasure.timestamp
    return ErasureReport(user_id=user_id, erased_at=at, traces=tuple(traces))


def _last_erasure(batches: BatchFolder, user_id: int) -> Erasure | None:
    excluded = batches.excluded()
    found = [
        erasure
        for manifest in batches.manifests()
        if manifest.erasures != 0 and manifest.number not in excluded
        for erasure in Erasure.all_in(batches.read(manifest), manifest.number)
    ]
    return latest_of_users(found).get(user_id)


def _in_batches(batches: BatchFolder, user_id: int, erasure: Erasure | None) -> list[Trace]:
    # An excluded batch is looked through too: its rows are on the disk all the same.
    rows, numbers, rejected = 0, list[int](), 0
    for manifest in batches.manifests():
        held = batches.read(manifest)
        held = held[(held.user_id == user_id) & ~held.is_erasure]
        if erasure is not None:
            held = held[is_before(held, erasure)]
        of_user = [
            row
            for row in batches.read_rejected(manifest)
            if names_user(row, are_text="user" in manifest.text_ids) == user_id
            and (erasure is None or row.timestamp / 1000 <= erasure.timestamp)
        ]
        if len(held) or of_user:
            numbers.append(manifest.number)
        rows, rejected = rows + len(held), rejected + len(of_user)
    traces = []
    if numbers:
        what = f"{rows:,} rows and {rejected:,} rejected rows in {len(numbers):,} batches"
        traces.append(_passing("batch files", what, "the next run of the trainer"))
    if erasure is not None:
        what = f"batch {erasure.batch} holds the erasure, so that older ratings stay forgotten"
        traces.append(
            Trace(where="batch files", what=what, until="kept for good", is_passing=False)
        )
    return traces


def _in_snapshots(snapshots: SnapshotStore, user_id: int, erasure: Erasure | None) -> list[Trace]:
    holding = [
        number for number, histories in snapshots.all() if _holds(histories, user_id, erasure)
    ]
    if not holding:
        return []
    what = f"the user's ratings in history/{', history/'.join(map(str, holding))}"
    return [_passing("snapshots", what, "the next model sets: two snapshots are kept")]


def _holds(histories: Histories, user_id: int, erasure: Erasure | None) -> bool:
    held = histories.of_user(user_id)
    return bool(len(held) if erasure is None else np.any(is_before(held, erasure)))


def _in_model_sets(releases: ReleaseStore, erasure: Erasure | None) -> list[Trace]:
    before = [
        release.number
        for release in releases.releases()
        if erasure is None or release.last_batch < erasure.batch
    ]
    if not before:
        return []
    listed = ", ".join(map(str, before))
    current = releases.current()
    if current is not None and current.number in before:
        what = f"set {current.number}, in service, was trained before"
        passing = [_passing("model sets", what, "the set of the batch with the erasure")]
    else:
        passing = []
    return [
        *passing,
        Trace(
            where="model sets",
            what=f"sets {listed} may have learned from the user; they cannot be rebuilt any more",
            until="`reelstream models prune`, or newer sets take their places",
            is_passing=False,
        ),
    ]


def _passing(where: str, what: str, until: str) -> Trace:
    return Trace(where=where, what=what, until=until, is_passing=True)
