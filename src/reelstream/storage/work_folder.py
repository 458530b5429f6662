"""The work folder: where everything of one stream lies, and the note that says which stream that
is.

A work folder belongs to one data set, one log and one topic: two data sets would mix their user
ids, and another log has other offsets. Who comes with another is refused.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Literal

import msgspec

from reelstream.catalog import Catalog
from reelstream.errors import AlreadyPublishedError, SettingError
from reelstream.files import (
    FileLock,
    encode_json,
    publish_bytes,
    read_json,
    replace_file,
    temporary_path,
    translate_errors,
    write_synced,
)
from reelstream.ratings.ids import IdKind, IdKinds, Ids
from reelstream.ratings.scale import RatingScale

DEFAULT_TOPIC = "ratings"
_SQLITE = "sqlite:"


class BoundPart(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Ratings that were added to a data set: at the end of its file, or in a file of their own."""

    ratings_file: str
    fingerprint: str
    """Of the file's text up to `end`."""
    first: int
    """Where the added rows begin in the text; 0 in a file of their own."""
    end: int
    columns: str | None = None


class BoundDataSet(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which data set a work folder belongs to."""

    name: str
    fingerprint: str
    """The content hash of its ratings file: two folders with the same ratings are the same data
    set.
    """
    ratings_file: str
    """Where that lay when it was named, so that it need not be named again."""
    columns: str | None = None
    """Which of its columns are which, where a person had to say so."""

    size: int | None = None
    """Bytes of its ratings as plain text; notes of earlier versions lack it."""
    parts: tuple[BoundPart, ...] = ()
    """What was added to it, in the order of adding."""

    def is_same(self, other: BoundDataSet) -> bool:
        """Whether the other's ratings belong to it, wherever they lie."""
        return other.fingerprint in {self.fingerprint, *(part.fingerprint for part in self.parts)}


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """What `work.json` holds: the stream that a work folder belongs to."""

    format: Literal[1] = 1
    broker: str
    """URL of the log. A SQLite file inside the work folder is named from there, so that the folder
    can be moved.
    """
    topic: str
    group: str = "batch-writer"
    """The consumer group in which the batch writer notes how far it is: of this folder alone, as
    logs may be shared.
    """
    scale: RatingScale
    user_ids: IdKind = "number"
    item_ids: IdKind = "number"
    data_set: BoundDataSet | None = None
    """None as long as no command has named one: a batch writer may start before the first
    producer.
    """

    @property
    def id_kinds(self) -> IdKinds:
        """What the stream's ids are: of users, of items."""
        return self.user_ids, self.item_ids

    def ids(self) -> Ids:
        """Ids as the stream has them, of which none is known yet."""
        return Ids.of_kinds(*self.id_kinds)


class WorkFolder:
    """The paths in one work folder, and its binding."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.note = root / "work.json"
        self.films = root / "films.json"
        self.log = root / "log.db"
        self.batches = root / "batched_data"
        self.history = root / "history"
        self.models = root / "models"
        self.requeued = root / "requeued"
        self.checkpoints = root / "checkpoints"
        self.stage_logs = root / "logs"
        self.simulated = root / "simulated"
        self.keys = root / "keys"
        self.page_key = root / "page.key"
        self.answered_writes = root / "idempotency.db"
        self.audit_log = root / "audit.jsonl"
        self.run_lock = root / "run.lock"

    @property
    def is_bound(self) -> bool:
        """Whether the folder belongs to a stream yet."""
        return self.note.exists()

    def binding(self) -> Binding:
        """The stream that this folder belongs to, the log's URL as it is reached from here.

        Raises SettingError when the folder belongs to none, DamagedError when the note cannot be
        read.
        """
        if not self.is_bound:
            raise SettingError(
                f"{self.root} is not a work folder yet: start with `reelstream run`, or name"
                " another with --work"
            )
        note = read_json(self.note, Binding)
        return msgspec.structs.replace(note, broker=self._reachable(note.broker))

    def bind(
        self,
        *,
        broker: str | None = None,
        topic: str | None = None,
        scale: RatingScale | None = None,
        id_kinds: IdKinds | None = None,
        data_set: BoundDataSet | None = None,
    ) -> Binding:
        """Make this folder belong to the stream described, or check that it does; None says nothing
        about a part.

        The first call creates the note, with the embedded log, the topic `ratings`, numbers as ids
        and MovieLens's scale where nothing is said. Raises SettingError, naming --work, when the
        folder belongs to another stream, and StorageError when it cannot be written.
        """
        # The note outlives a move of the folder, and an absolute path would not.
        portable = None if broker is None else self._portable(broker)
        if not self.is_bound:
            first = Binding(
                broker=portable or self._portable(f"{_SQLITE}{self.log}"),
                topic=topic or DEFAULT_TOPIC,
                group=f"reelstream-{uuid.uuid4().hex[:8]}",
                scale=scale or RatingScale(),
                user_ids=id_kinds[0] if id_kinds else "number",
                item_ids=id_kinds[1] if id_kinds else "number",
                data_set=data_set,
            )
            self._create(first)
        # Read again: another process may have bound the folder first.
        bound = read_json(self.note, Binding)
        self._refuse_another("the log", bound.broker, portable)
        self._refuse_another("the topic", bound.topic, topic)
        self._refuse_another("the rating scale", bound.scale, scale)
        self._refuse_another("ids of users and items that are", bound.id_kinds, id_kinds)
        if bound.data_set is None and data_set is not None:
            bound = self._add_data_set(data_set)
        if (
            data_set is not None
            and bound.data_set is not None
            and not bound.data_set.is_same(data_set)
        ):
            raise self._refusal("the data set", bound.data_set, data_set)
        return self.binding()

    def append(self, part: BoundPart) -> None:
        """Add ratings to the data set that this folder is bound to. Raises StorageError."""
        with FileLock(self.root / "work.lock"):
            bound = read_json(self.note, Binding)
            if bound.data_set is not None and part not in bound.data_set.parts:
                parts = (*bound.data_set.parts, part)
                data_set = msgspec.structs.replace(bound.data_set, parts=parts)
                grown = msgspec.structs.replace(bound, data_set=data_set)
                replace_file(self.note, encode_json(grown))

    def check_writable(self) -> None:
        """Make the folder if need be, and write and remove a file in it. Raises StorageError."""
        with translate_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        probe = temporary_path(self.root / "probe")
        try:
            write_synced(probe, b"\0" * 4096)
        finally:
            probe.unlink(missing_ok=True)

    def read_catalog(self) -> Catalog:
        """The films of the data set, none when the folder has no data set; `refresh` takes over
        those that are written later. Raises DamagedError.
        """
        return Catalog.in_file(self.films)

    def _create(self, first: Binding) -> None:
        with translate_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        try:
            publish_bytes(self.note, encode_json(first))
        except AlreadyPublishedError:
            return  # another process was first: what it wrote is checked like any older note

    def _add_data_set(self, data_set: BoundDataSet) -> Binding:
        with FileLock(self.root / "work.lock"):
            bound = read_json(self.note, Binding)
            if bound.data_set is None:
                bound = msgspec.structs.replace(bound, data_set=data_set)
                replace_file(self.note, encode_json(bound))
        return bound

    def _refuse_another(self, part: str, bound: object, wanted: object) -> None:
        if wanted is not None and wanted != bound:
            raise self._refusal(part, bound, wanted)

    def _refusal(self, part: str, bound: object, wanted: object) -> SettingError:
        return SettingError(
            f"{self.root} belongs to {part} {_say(bound)}, not to {_say(wanted)}: name another"
            " folder with --work"
        )

    def _portable(self, url: str) -> str:
        path = _sqlite_path(url)
        if path is None:
            return url
        absolute, root = path.absolute(), self.root.absolute()
        return (
            f"{_SQLITE}{absolute.relative_to(root) if absolute.is_relative_to(root) else absolute}"
        )

    def _reachable(self, url: str) -> str:
        path = _sqlite_path(url)
        return url if path is None else f"{_SQLITE}{self.root / path}"


def _sqlite_path(url: str) -> Path | None:
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def _say(part: object) -> str:
    match part:
        case BoundDataSet(name=name, fingerprint=fingerprint):
            return f"{name} ({fingerprint[:12]})"
        case RatingScale(lowest=lowest, highest=highest, step=step, like_threshold=liked):
            return f"{lowest:g} to {highest:g} in steps of {step:g}, liked from {liked:g}"
        case (user_ids, item_ids):
            return f"{user_ids}s and {item_ids}s"
        case _:
            return str(part)
