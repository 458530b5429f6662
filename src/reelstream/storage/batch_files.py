"""Batch files and the manifests that make them exist.

A batch is a CSV file of ratings, a file of rejected rows, or both, and its manifest; where ids are
texts, also a file of those that no earlier batch holds. A file that
the highest revision of no manifest names does not exist for any reader. Manifests form a chain:
numbers without a gap, every partition beginning where the manifest before ended.
"""

from __future__ import annotations

import hashlib
import io
import re
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import count
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
import polars as pl

from reelstream.errors import AlreadyPublishedError, DamagedError, LockedError, SettingError
from reelstream.failpoints import reached
from reelstream.files import encode_json, translate_errors
from reelstream.ratings.columns import NO_ITEM, EventColumns
from reelstream.ratings.ids import NUMBERS, Ids, TextIds, hash_of
from reelstream.storage.erasures import ErasureNote
from reelstream.storage.file_store import FileStore
from reelstream.storage.manifest import (
    FORMAT,
    BatchFile,
    IdNames,
    Manifest,
    OffsetRange,
    RejectedRow,
)
from reelstream.storage.store import Store, read_object

__all__ = ["BatchFile", "BatchFolder", "IdNames", "Manifest", "OffsetRange", "RejectedRow"]

_MANIFEST_NAME = r"manifest_([1-9][0-9]*)\.([1-9][0-9]*)\.json"
_EXCLUDED = "excluded.json"
_ERASURES = "erasures.json"
_BATCH_FILE_NAME = re.compile(
    r"(?:movielens_batch_\d+_(\d+)\.csv|(?:rejected|names)_(\d+)(?:\.\d+)?\.jsonl?)"
)
_COLUMNS = {
    "userId": pl.Int64,
    "movieId": pl.Int64,
    "rating": pl.Float32,
    "timestamp": pl.Int64,
    "partition": pl.Int32,
    "offset": pl.Int64,
}
# The columns whose ids may be texts.
_ID_COLUMNS = {"user": "userId", "item": "movieId"}
# Column of EventColumns -> its name in the file; an empty rating deletes, an empty item as well
# erases, and NaN as a rating dismisses: whoever does not know this reads a deletion.
_COLUMN_NAMES = dict(
    zip(("user_id", "item_id", "rating", "timestamp", "partition", "offset"), _COLUMNS, strict=True)
)


class _Excluded(msgspec.Struct, frozen=True):
    batches: list[int]
    format: int = FORMAT


class BatchFolder:
    """The batches in one place. Any number of readers and writers may share it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lease = store.local_path("writer/lease.json")
        """Of the active writer. In a folder of its own: each renewal would look like news of a
        batch.
        """
        self._read_manifests: dict[tuple[int, int], Manifest] = {}
        self._sound: tuple[object, list[Manifest]] = ((), [])
        """The numbers of the manifests, and the chain of these manifests, all of it sound."""

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """The batches in a folder of this machine."""
        return cls(FileStore(folder))

    def make(self) -> None:
        """Make the place if it does not exist. Raises StorageError."""
        self.store.create()
        with translate_errors(self.lease.parent):
            self.lease.parent.mkdir(parents=True, exist_ok=True)

    def manifests(self) -> list[Manifest]:
        """The highest revision of every manifest, rising. Raises DamagedError, naming it, where the
        chain breaks.
        """
        manifests, broken = self.sound_manifests()
        if broken is not None:
            raise broken
        return manifests

    def sound_manifests(self) -> tuple[list[Manifest], DamagedError | None]:
        """As `manifests`, but those before the break, and what is broken there."""
        names = self._numbers()
        checked, manifests = self._sound
        if names is not checked:
            manifests = []
            for number, revision in _newest_revisions(names).items():
                try:
                    manifests.append(
                        self._read_next(number, revision, manifests[-1] if manifests else None)
                    )
                except DamagedError as error:
                    return manifests, error
            # Only a chain without a break is remembered: a damaged file may be put back.
            self._sound = names, manifests
        return list(manifests), None

    def newest(self) -> Manifest | None:
        """The manifest with the highest number."""
        names = self._numbers()
        return self._read_manifest(*names[-1]) if names else None

    def read(self, manifest: Manifest) -> EventColumns:
        """The ratings of a batch, in the order of the file. Raises DamagedError when they are not
        those published.
        """
        return EventColumns.concatenate(
            self._decode_ratings(file, manifest.text_ids) for file in manifest.files
        )

    def rating_files(self, manifest: Manifest) -> list[Path]:
        """Where the ratings of a batch lie, for who reads them otherwise. Raises DamagedError for a
        file of another size.
        """
        for file in manifest.files:
            path = self._local_path(file)
            with translate_errors(path):
                if path.stat().st_size != file.bytes:
                    raise self._damaged(file, "its size is not that of its manifest")
        return [self._local_path(file) for file in manifest.files]

    def check(self, file: BatchFile) -> None:
        """Raises DamagedError when the file is not the one published."""
        self._read_file(file)

    def read_rejected(self, manifest: Manifest) -> list[RejectedRow]:
        """The rejected rows of a batch. Raises DamagedError when they are not those published."""
        if manifest.rejected is None:
            return []
        data = self._read_file(manifest.rejected)
        try:
            rows = msgspec.json.Decoder(RejectedRow).decode_lines(data)
        except msgspec.MsgspecError as error:
            raise self._damaged(manifest.rejected, str(error)) from error
        self._check_rows(manifest.rejected, len(rows))
        return rows

    def read_names(self, manifest: Manifest) -> IdNames:
        """The ids that this batch is the first to hold. Raises DamagedError when they are not those
        published.
        """
        if manifest.names is None:
            return IdNames()
        data = self._read_file(manifest.names)
        try:
            return msgspec.json.decode(data, type=IdNames)
        except msgspec.MsgspecError as error:
            raise self._damaged(manifest.names, str(error)) from error

    def ids_in(self, manifest: Manifest) -> Ids:
        """Ids that know the texts in a batch's ratings, where these are texts."""
        text_ids = manifest.text_ids
        ids = Ids.of_kinds(*("text" if role in text_ids else "number" for role in _ID_COLUMNS))
        for file in manifest.files if text_ids else ():
            frame = self._read_frame(file, text_ids)
            for of_role in (ids.user, ids.item):
                if isinstance(of_role, TextIds):
                    of_role.learn(frame[of_role.name].drop_nulls().unique().to_list())
        return ids

    def publish_ratings(self, number: int, ratings: EventColumns, ids: Ids = NUMBERS) -> BatchFile:
        """Write, sync and publish the ratings of batch `number`, which does not exist before its
        manifest does.
        """
        # The name's time may be taken by a writer that died: the next second is free.
        seconds = count(int(time.time()))
        names = (f"movielens_batch_{second}_{number}.csv" for second in seconds)
        return self._publish_under_free_name(names, _encode_ratings(ratings, ids), len(ratings))

    def publish_rejected(self, number: int, rows: Sequence[RejectedRow]) -> BatchFile:
        """Write, sync and publish the rejected rows of batch `number`."""
        names = (
            f"rejected_{number}{f'.{attempt}' if attempt > 1 else ''}.jsonl" for attempt in count(1)
        )
        return self._publish_under_free_name(
            names, msgspec.json.Encoder().encode_lines(rows), len(rows)
        )

    def publish_names(self, number: int, names: IdNames) -> BatchFile:
        """Write, sync and publish the ids that batch `number` is the first to hold."""
        attempts = (
            f"names_{number}{f'.{attempt}' if attempt > 1 else ''}.json" for attempt in count(1)
        )
        return self._publish_under_free_name(attempts, encode_json(names), len(names))

    def publish_manifest(self, manifest: Manifest) -> None:
        """Make a batch exist. Raises AlreadyPublishedError when another writer's batch has its
        number.
        """
        self.store.put(_manifest_name(manifest.number, manifest.revision), encode_json(manifest))

    def sweep(self) -> None:
        """Remove what dead writers left: unnamed files numbered up to the newest manifest, and old
        temporaries.

        A file with a higher number may be another writer's at work and stays. While a batch is
        being rewritten nothing is swept: its new files have an old number, and no manifest yet.
        """
        with suppress(LockedError), self.rewriting():
            self.sweep_unnamed()
        # Another writer may be at work on any file: only what is abandoned goes.
        self.store.sweep(of_others=("",))

    def sweep_unnamed(self) -> None:
        """The files alone. Call it only while `rewriting`."""
        manifests = self.manifests()
        newest = manifests[-1].number if manifests else 0
        named = {file.name for manifest in manifests for file in manifest.named_files}
        # The list is made after the manifests were read: a batch published since then has a higher
        # number, and its files stay.
        for name in self.store.names():
            match = _BATCH_FILE_NAME.fullmatch(name)
            is_old = match is not None and int(match[1] or match[2]) <= newest
            # A folder of such a name is nothing that a writer leaves.
            if is_old and name not in named and self.store.has(name):
                self.store.remove(name)

    def rewriting(self) -> AbstractContextManager[object]:
        """Of who rewrites closed batches, in `with`. Raises LockedError."""
        return self.store.lock(".rewriting.lock")

    def remove_superseded(self, before: Manifest, after: Manifest) -> None:
        """Remove the files of a manifest that its next revision does not name."""
        named = {file.name for file in after.named_files}
        for file in before.named_files:
            if file.name not in named:
                self.store.remove(file.name)
                reached("superseded_removed", f"batch_{after.number}")

    def erasures(self) -> ErasureNote:
        """The note on erasures. Raises DamagedError."""
        if not self.store.has(_ERASURES):
            return ErasureNote()
        return read_object(self.store, _ERASURES, ErasureNote)

    def note_erasures(self, note: ErasureNote) -> None:
        """Replace the note, if it is another. Call it only while `rewriting`."""
        if note != self.erasures():
            self.store.replace(_ERASURES, encode_json(note))

    def excluded(self) -> frozenset[int]:
        """Numbers of the batches that were taken out by hand."""
        if not self.store.has(_EXCLUDED):
            return frozenset()
        return frozenset(read_object(self.store, _EXCLUDED, _Excluded).batches)

    def exclude(self, number: int) -> None:
        """Take a batch out of all later fits and histories.

        Raises SettingError when there is no such batch, LockedError when another process is doing
        the same.
        """
        self._check_exists(number)
        with self._excluding():
            self._replace_excluded(self.excluded() | {number})

    def include(self, number: int) -> None:
        """Take an excluded batch in again. Raises as `exclude` does."""
        self._check_exists(number)
        with self._excluding():
            self._replace_excluded(self.excluded() - {number})

    def _excluding(self) -> AbstractContextManager[object]:
        """Taken from reading the exclusions to replacing them, or one of two commands at once would
        be forgotten.
        """
        return self.store.lock(".excluded.lock")

    def _check_exists(self, number: int) -> None:
        numbers = _newest_revisions(self._numbers())
        if number not in numbers:
            there = f"there are 1 to {max(numbers)}" if numbers else "there is none yet"
            raise SettingError(f"there is no batch {number} in {self.store.describe()}: {there}")

    def _replace_excluded(self, numbers: Iterable[int]) -> None:
        self.store.replace(_EXCLUDED, encode_json(_Excluded(sorted(numbers))))

    def _numbers(self) -> tuple[tuple[int, ...], ...]:
        """(number, revision) of each manifest, rising."""
        return self.store.numbers(_MANIFEST_NAME)

    def _local_path(self, file: BatchFile) -> Path:
        """Raises DamagedError where there is no such file."""
        if not self.store.has(file.name):
            raise self._damaged(file, "it is missing")
        return self.store.local_path(file.name)

    def _read_next(self, number: int, revision: int, before: Manifest | None) -> Manifest:
        manifest = self._read_manifest(number, revision)
        try:
            manifest.check_follows(before)
        except DamagedError as error:
            where = self.store.describe(_manifest_name(number, revision))
            raise DamagedError(f"{where}: {error}") from error
        return manifest

    def _read_manifest(self, number: int, revision: int) -> Manifest:
        """A published manifest never changes, so each is read once."""
        if (number, revision) not in self._read_manifests:
            name = _manifest_name(number, revision)
            manifest = read_object(self.store, name, Manifest)
            where = self.store.describe(name)
            if manifest.format != FORMAT:
                raise DamagedError(
                    f"{where} has format {manifest.format}, this version reads {FORMAT}: update it"
                )
            if (manifest.number, manifest.revision) != (number, revision):
                raise DamagedError(
                    f"{where} holds manifest {manifest.number}.{manifest.revision}: put the right"
                    " one back"
                )
            self._read_manifests[number, revision] = manifest
        return self._read_manifests[number, revision]

    def _publish_under_free_name(self, names: Iterable[str], data: bytes, rows: int) -> BatchFile:
        """Under the first name that is free: a writer that died, or one that races us, may have
        taken some.
        """
        for name in names:
            with suppress(AlreadyPublishedError):
                self.store.put(name, data)
                sha256 = hashlib.sha256(data).hexdigest()
                return BatchFile(name=name, rows=rows, bytes=len(data), sha256=sha256)
        raise AssertionError("names never end")

    def _read_file(self, file: BatchFile) -> bytes:
        if not self.store.has(file.name):
            raise self._damaged(file, "it is missing")
        data = self.store.read(file.name)
        if len(data) != file.bytes or hashlib.sha256(data).hexdigest() != file.sha256:
            raise self._damaged(file, "its SHA-256 is not that of its manifest")
        return data

    def _decode_ratings(self, file: BatchFile, text_ids: Collection[str]) -> EventColumns:
        frame = self._read_frame(file, text_ids)
        frame = frame.with_columns(_hashed(frame[_ID_COLUMNS[role]]) for role in text_ids)
        is_dismissal = frame["rating"].is_nan().fill_null(value=False).to_numpy()
        frame = frame.with_columns(
            pl.col("movieId").fill_null(NO_ITEM), pl.col("rating").fill_null(np.nan)
        )
        return EventColumns.with_nulls(
            lambda name: frame[_COLUMN_NAMES[name]].to_numpy(), is_dismissal
        )

    def _read_frame(self, file: BatchFile, text_ids: Collection[str]) -> pl.DataFrame:
        """The ratings as they are in the file."""
        data = self._read_file(file)
        texts = [_ID_COLUMNS[role] for role in text_ids]
        schema = {name: pl.String() if name in texts else _COLUMNS[name] for name in _COLUMNS}
        try:
            frame = pl.read_csv(io.BytesIO(data), schema=schema)
        except pl.exceptions.PolarsError as error:
            raise self._damaged(file, str(error)) from error
        self._check_rows(file, len(frame))
        return frame

    def _check_rows(self, file: BatchFile, rows: int) -> None:
        if rows != file.rows:
            raise self._damaged(file, f"it holds {rows} rows, its manifest says {file.rows}")

    def _damaged(self, file: BatchFile, what: str) -> DamagedError:
        return DamagedError(
            f"{self.store.describe(file.name)}: {what}: put a copy of it back, or exclude its batch"
        )


def _manifest_name(number: int, revision: int) -> str:
    return f"manifest_{number}.{revision}.json"


def _newest_revisions(rising: Iterable[tuple[int, ...]]) -> dict[int, int]:
    """Number -> highest revision, rising."""
    return {each[0]: each[1] for each in rising}


def _encode_ratings(ratings: EventColumns, ids: Ids) -> bytes:
    columns = {in_file: getattr(ratings, name) for name, in_file in _COLUMN_NAMES.items()}
    frame = pl.DataFrame(columns, schema=_COLUMNS)
    has_rating = pl.Series(ratings.is_rating | ratings.is_dismissal)
    frame = frame.with_columns(
        pl.col("movieId").replace(NO_ITEM, None), pl.when(has_rating).then(pl.col("rating"))
    )
    for role, name in _ID_COLUMNS.items():
        if getattr(ids, role).kind == "text":
            frame = frame.with_columns(_texts(frame[name], getattr(ids, role)))
    return frame.write_csv().encode()


def _texts(numbers: pl.Series, ids: TextIds) -> pl.Series:
    """The texts of ids, each looked up once."""
    unique = numbers.drop_nulls().unique()
    texts = pl.Series([ids.write(number) for number in unique.to_list()], dtype=pl.String())
    return numbers.replace_strict(unique, texts, default=None, return_dtype=pl.String())


def _hashed(texts: pl.Series) -> pl.Series:
    """The numbers of ids, each hashed once; none twice, as the writer refused that."""
    unique = texts.drop_nulls().unique()
    numbers = pl.Series(list(map(hash_of, unique.to_list())), dtype=pl.Int64())
    return texts.replace_strict(unique, numbers, default=None, return_dtype=pl.Int64())
