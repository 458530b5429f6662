"""Erases users from batch files: only their rows from before the erasure go.

A batch is rewritten as

1. new files without these rows,
2. the next revision of its manifest: **the commit point**. It names the revision that it
   supersedes, and the offsets whose rows were erased, so that the batches still add up,
3. the old files are removed.

Killed before 2, the new files exist for no reader and are swept; killed after it, the old ones are.
Which batches were looked through is noted at the very end, so the next run does again what was not
finished. The erasure itself stays in its batch: what was rated before it and arrives late stays
forgotten, and is erased when its batch is looked through.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from reelstream.errors import DamagedError, LockedError
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.ids import hash_of
from reelstream.storage.batch_files import BatchFile, BatchFolder
from reelstream.storage.erasures import Erasure
from reelstream.storage.manifest import Manifest, OffsetRange, RejectedRow, histogram_of

# How long to wait for another process that sweeps or rewrites.
LOCK_SECONDS = 30.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Erased:
    """What is left of a batch, and what is not."""

    ratings: EventColumns
    rejected: Sequence[RejectedRow]
    offsets: Mapping[int, NDArray[np.int64]]
    """Partition -> offsets of the rows that go."""


def erase_users(batches: BatchFolder) -> list[Manifest]:
    """Rewrite all batches that hold rows of users who were erased since; the new manifests.

    An erasure in an excluded batch does not count; rows in one go all the same. A damaged batch is
    passed over, and looked through when it is sound again. Raises LockedError when another process
    does the same for long, StorageError.
    """
    note, manifests = batches.erasures(), batches.manifests()
    unchecked = [each for each in manifests if not note.has_checked(each.number)]
    if not unchecked or not (note.erasures or any(each.erasures != 0 for each in unchecked)):
        return []
    with _rewriting(batches):
        revised = _look_through(batches)
    if revised:
        log.info("users_erased", batches=[each.number for each in revised])
    return revised


def _look_through(batches: BatchFolder) -> list[Manifest]:
    # Read again: another process may have been at it until now.
    note, manifests, excluded = batches.erasures(), batches.manifests(), batches.excluded()
    unchecked = [each for each in manifests if not note.has_checked(each.number)]
    found, damaged = _new_erasures(batches, unchecked, excluded)
    known = [each for each in [*note.erasures, *found] if each.batch not in excluded]
    # Without a new erasure, only rows that arrived late can be of an erased user.
    to_check = manifests if found else unchecked if known else []
    revised = []
    for manifest in to_check:
        try:
            revised += _revise(batches, manifest, known)
        except DamagedError as error:
            log.warning("batch_not_looked_through", reason=str(error))
            damaged.add(manifest.number)
    # Of a run that was killed between 2 and 3.
    batches.sweep_unnamed()
    # An excluded batch may be included again, and its erasures count then.
    skipped = {*damaged, *(each.number for each in unchecked if each.number in excluded)}
    if known or any(each.erasures is None for each in unchecked):
        last_batch = manifests[-1].number if manifests else 0
        batches.note_erasures(note.extended(found, last_batch=last_batch, skipped=skipped))
    return revised


@contextmanager
def _rewriting(batches: BatchFolder) -> Iterator[None]:
    """Of one process; a batch writer that sweeps has it for a short time."""
    give_up = time.monotonic() + LOCK_SECONDS
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(batches.rewriting())
                break
            except LockedError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.05)
        yield


def _new_erasures(
    batches: BatchFolder, unchecked: Sequence[Manifest], excluded: frozenset[int]
) -> tuple[list[Erasure], set[int]]:
    """The erasures in these batches, and the numbers of those that cannot be read."""
    found, damaged = list[Erasure](), set[int]()
    for manifest in unchecked:
        # None: closed by a version that did not count them.
        if manifest.erasures == 0 or manifest.number in excluded:
            continue
        try:
            rows = batches.read(manifest)
        except DamagedError as error:
            log.warning("batch_not_looked_through", reason=str(error))
            damaged.add(manifest.number)
        else:
            found += Erasure.all_in(rows, manifest.number)
    return found, damaged


def _revise(
    batches: BatchFolder, manifest: Manifest, erasures: Sequence[Erasure]
) -> list[Manifest]:
    """The batch's new manifest; none when nothing in it is erased."""
    left = _without(
        batches.read(manifest),
        batches.read_rejected(manifest),
        latest_of_users(erasures),
        are_text="user" in manifest.text_ids,
    )
    if not left.offsets:
        return []
    # 1. The files.
    ratings, ids = left.ratings, batches.ids_in(manifest)
    files = (batches.publish_ratings(manifest.number, ratings, ids),) if len(ratings) else ()
    rejected = manifest.rejected
    if len(left.rejected) < manifest.rejected_rows:
        rejected = (
            batches.publish_rejected(manifest.number, left.rejected) if left.rejected else None
        )
    # 2. The manifest.
    revised = msgspec.structs.replace(
        manifest,
        revision=manifest.revision + 1,
        supersedes=manifest.revision,
        files=files,
        rejected=rejected,
        # Empty where an older version closed the batch: it stays unknown.
        histogram=histogram_of(ratings) if manifest.histogram else {},
        erased=_joined(manifest.erased, left.offsets),
        names=_names_left(batches, manifest, ratings),
    )
    batches.publish_manifest(revised)
    # 3. What it supersedes.
    batches.remove_superseded(manifest, revised)
    return [revised]


def _names_left(
    batches: BatchFolder, manifest: Manifest, ratings: EventColumns
) -> BatchFile | None:
    """The file of the batch's names without users of whom it holds nothing any more.

    Who comes back is named again by the next batch that has something of him or her.
    """
    names = batches.read_names(manifest)
    users = set(ratings.user_id.tolist())
    left = msgspec.structs.replace(
        names, user=tuple(text for text in names.user if hash_of(text) in users)
    )
    if left == names:
        return manifest.names
    return batches.publish_names(manifest.number, left) if len(left) else None


def _without(
    ratings: EventColumns,
    rejected: Sequence[RejectedRow],
    latest: Mapping[int, Erasure],
    *,
    are_text: bool,
) -> _Erased:
    goes = np.zeros(len(ratings), bool)
    for user in np.intersect1d(ratings.user_id, list(latest)).tolist():
        rows = np.flatnonzero((ratings.user_id == user) & ~ratings.is_erasure)
        goes[rows] = is_before(ratings[rows], latest[user])
    rejected_goes = [_is_of(row, latest, are_text=are_text) for row in rejected]
    gone = [row for row, is_gone in zip(rejected, rejected_goes, strict=True) if is_gone]
    partitions = np.concatenate([ratings.partition[goes], [row.partition for row in gone]])
    offsets = np.concatenate([ratings.offset[goes], [row.offset for row in gone]]).astype(np.int64)
    return _Erased(
        ratings=ratings[~goes],
        rejected=[row for row, is_gone in zip(rejected, rejected_goes, strict=True) if not is_gone],
        offsets={int(p): np.sort(offsets[partitions == p]) for p in np.unique(partitions)},
    )


def is_before(events: EventColumns, erasure: Erasure) -> NDArray[np.bool_]:
    """Which of a user's events (n,) the erasure erases."""
    columns = events.timestamp.tolist(), events.partition.tolist(), events.offset.tolist()
    return np.array([order < erasure.order for order in zip(*columns, strict=True)], bool)


def names_user(row: RejectedRow, *, are_text: bool = False) -> int | None:
    """The user whom a rejected row names; None: it cannot be told. are_text: whether ids are."""
    try:
        given = msgspec.json.decode(row.raw)["userId"]
        return hash_of(str(given).strip()) if are_text else int(given)
    # Whatever was sent: most of it is no message, and names nobody.
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, KeyError, ValueError):
        return None


def _is_of(row: RejectedRow, latest: Mapping[int, Erasure], *, are_text: bool) -> bool:
    """Whether a rejected row names a user who was erased after it had entered the log."""
    user_id = names_user(row, are_text=are_text)
    erasure = None if user_id is None else latest.get(user_id)
    # A rejected row has no time that can be trusted but the log's.
    return erasure is not None and row.timestamp / 1000 <= erasure.timestamp


def latest_of_users(erasures: Sequence[Erasure]) -> dict[int, Erasure]:
    """User -> the last erasure."""
    return {each.user_id: each for each in sorted(erasures, key=lambda each: each.order)}


def _joined(
    before: Mapping[int, Sequence[OffsetRange]], offsets: Mapping[int, NDArray[np.int64]]
) -> dict[int, tuple[OffsetRange, ...]]:
    """Both as ranges without gaps, rising."""
    joined = {}
    for partition in sorted({*before, *offsets}):
        ranges = [np.arange(each.first, each.next) for each in before.get(partition, ())]
        every = np.unique(np.concatenate([*ranges, offsets.get(partition, np.empty(0, np.int64))]))
        firsts = np.flatnonzero(np.diff(every, prepend=every[0] - 2) != 1)
        ends = np.append(firsts[1:], len(every)) - 1
        joined[partition] = tuple(
            OffsetRange(int(every[first]), int(every[end]) + 1)
            for first, end in zip(firsts, ends, strict=True)
        )
    return joined
