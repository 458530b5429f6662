"""A rating: its contract, its message on the log, and many of them as parallel arrays.

`item` is a film here and everywhere in the code; the messages keep MovieLens's names `userId` and
`movieId`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Annotated, Any, overload

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from reelstream.errors import RatingError

MAX_ID = 2**63 - 1
EVERY_ITEM = -1
"""In place of an item: without a rating, it deletes all that its user has rated so far, and so
forgets the user.
"""
SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class RatingScale:
    """The ratings that a data set allows, and from which one on a film counts as liked."""

    lowest: float = 0.5
    highest: float = 5.0
    step: float = 0.5
    like_threshold: float = 4.0

    @overload
    def holds(self, rating: float) -> bool: ...
    @overload
    def holds(self, rating: NDArray[np.float64]) -> NDArray[np.bool_]: ...
    def holds(self, rating: float | NDArray[np.float64]) -> bool | NDArray[np.bool_]:
        """Whether one rating, or each of (n,), lies on the scale; NaN and what is infinite do
        not.
        """
        steps = (rating - self.lowest) / self.step
        off = (
            steps + 0.5
            # from the nearest step; `round` takes no array, `np.rint` is slow with one number
        ) % 1 - 0.5
        return (rating >= self.lowest) & (rating <= self.highest) & (off > -1e-6) & (off < 1e-6)

    def values(self) -> NDArray[np.float64]:
        """All ratings of the scale, rising."""
        return np.arange(self.lowest, self.highest + self.step / 2, self.step)


class Rating(msgspec.Struct, frozen=True):
    """One user's opinion of one item; without a rating, the wish that an earlier one be deleted."""

    user_id: int
    item_id: int
    """EVERY_ITEM, without a rating, is the wish of a user to be forgotten."""
    rating: float | None
    """On the data set's scale; None deletes."""
    timestamp: int
    """Seconds since 1970, UTC."""


class _Message(msgspec.Struct, omit_defaults=True):
    """The JSON on the log. Numbers may come as strings; unknown fields are ignored."""

    userId: int  # noqa: N815  (the name on the wire)
    movieId: int | None = None  # noqa: N815
    rating: float | UnsetType | None = UNSET
    timestamp: int | None = None
    forget: bool | None = None


_Whole = Annotated[int, msgspec.Meta(ge=0, le=MAX_ID)]


class _SoundMessage(msgspec.Struct, gc=False):
    """A rating whose whole numbers fit their columns; what else it may hold is checked in the
    columns.

    A message that says anything of forgetting is none.
    """

    userId: _Whole  # noqa: N815  (the name on the wire)
    movieId: _Whole  # noqa: N815
    rating: float | None
    timestamp: _Whole | None = None
    forget: None = None


_decoder = msgspec.json.Decoder(_Message, strict=False)
_sound_decoder = msgspec.json.Decoder(_SoundMessage, strict=False)
_encoder = msgspec.json.Encoder()
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises; the last when lists or objects lie thousands deep in a field that nobody
knows.
"""


def encode_message(rating: Rating) -> bytes:
    """The JSON message that carries `rating` on the log."""
    if rating.item_id == EVERY_ITEM:
        return _encoder.encode(_Message(rating.user_id, timestamp=rating.timestamp, forget=True))
    return _encoder.encode(
        _Message(rating.user_id, rating.item_id, rating.rating, rating.timestamp)
    )


def decode_message(value: bytes | None, record_seconds: int, scale: RatingScale) -> Rating:
    """The rating in a message of the log, checked against the contract.

    `record_seconds` is the time of the log's record: it stands in for a missing timestamp, and
    bounds one that lies ahead. Raises RatingError with the reason when the message is not a rating.
    """
    if not value:
        raise RatingError("the message is empty")
    try:
        message = _decoder.decode(value)
    except _UNDECODABLE as error:
        raise RatingError(f"not a rating message: {error}") from error
    timestamp = record_seconds if message.timestamp is None else message.timestamp
    if message.forget:
        return _decode_forget(message, timestamp, record_seconds)
    if message.movieId is None or message.rating is UNSET:
        raise RatingError(
            f"not a rating message: {'movieId' if message.movieId is None else 'rating'} is missing"
        )
    rating = Rating(message.userId, message.movieId, message.rating, timestamp)
    check(rating, record_seconds, scale)
    return rating


def _decode_forget(message: _Message, timestamp: int, record_seconds: int) -> Rating:
    """The wish of a user to be forgotten. Raises RatingError, also when it is not clear what should
    be.
    """
    if message.movieId is not None or message.rating not in (None, UNSET):
        raise RatingError(
            "a message that forgets a user has neither movieId nor rating: a rating of null"
            " deletes one"
        )
    _check_id("userId", message.userId)
    _check_time(timestamp, record_seconds)
    return Rating(message.userId, EVERY_ITEM, None, timestamp)


def check(rating: Rating, record_seconds: int, scale: RatingScale) -> None:
    """Hold one rating against the contract; `record_seconds` is when it entered the log. Raises
    RatingError.
    """
    _check_id("userId", rating.user_id)
    _check_id("movieId", rating.item_id)
    if rating.rating is not None and not scale.holds(rating.rating):
        raise RatingError(
            f"rating {rating.rating:g} is not on the scale "
            f"{scale.lowest:g} to {scale.highest:g} in steps of {scale.step:g}"
        )
    _check_time(rating.timestamp, record_seconds)


def _check_id(name: str, number: int) -> None:
    if not 0 <= number <= MAX_ID:
        raise RatingError(f"{name} {number} is not between 0 and 2^63 - 1")


def _check_time(timestamp: int, record_seconds: int) -> None:
    if timestamp < 0:
        raise RatingError(f"timestamp {timestamp} is before 1970")
    if timestamp > record_seconds + SECONDS_A_DAY:
        raise RatingError(
            f"timestamp {timestamp} is more than a day after the record's own time {record_seconds}"
        )


@dataclass(frozen=True, slots=True)
class EventColumns:
    """Many ratings as parallel arrays, each with its place in the log."""

    user_id: NDArray[np.int64]
    item_id: NDArray[np.int64]
    """EVERY_ITEM forgets."""
    rating: NDArray[np.float32]
    """NaN deletes."""
    timestamp: NDArray[np.int64]
    """Seconds since 1970, UTC."""
    partition: NDArray[np.int32]
    offset: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.user_id)

    def __getitem__(self, chosen: slice | NDArray[Any]) -> EventColumns:
        """The chosen ratings: a slice, a boolean mask, or row numbers."""
        return EventColumns(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @classmethod
    def of(
        cls,
        user_id: Sequence[int] | NDArray[Any],
        item_id: Sequence[int] | NDArray[Any],
        rating: Sequence[float] | NDArray[Any],
        timestamp: Sequence[int] | NDArray[Any],
        partition: Sequence[int] | NDArray[Any] | None = None,
        offset: Sequence[int] | NDArray[Any] | None = None,
    ) -> EventColumns:
        """Columns of the right types. Without a place in the log, the ratings are offsets 0, 1, ...
        of partition 0.
        """
        n = len(user_id)
        return cls(
            np.asarray(user_id, np.int64),
            np.asarray(item_id, np.int64),
            np.asarray(rating, np.float32),
            np.asarray(timestamp, np.int64),
            np.zeros(n, np.int32) if partition is None else np.asarray(partition, np.int32),
            np.arange(n, dtype=np.int64) if offset is None else np.asarray(offset, np.int64),
        )

    @classmethod
    def empty(cls) -> EventColumns:
        """No ratings."""
        return cls.of([], [], [], [])

    @classmethod
    def concatenate(cls, parts: Iterable[EventColumns]) -> EventColumns:
        """All ratings of `parts`, in their order."""
        parts = list(parts)
        if not parts:
            return cls.empty()
        return cls(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            )
        )

    @property
    def forgets(self) -> NDArray[np.bool_]:
        """Which rows (n,) forget their user."""
        forgets: NDArray[np.bool_] = self.item_id == EVERY_ITEM
        return forgets

    def by_user(self) -> EventColumns:
        """Sorted by user, then (timestamp, partition, offset): the order in which a history is
        filtered.
        """
        return self[np.lexsort((self.offset, self.partition, self.timestamp, self.user_id))]

    def in_time(self) -> EventColumns:
        """Sorted by (timestamp, partition, offset): the order in which a batch is replayed."""
        return self[np.lexsort((self.offset, self.partition, self.timestamp))]

    def remembered(self) -> EventColumns:
        """Without whatever lies before its user's last forget, sorted as `by_user`."""
        rows = self.by_user()
        forgets = np.flatnonzero(rows.forgets)
        if not len(forgets):
            return rows
        changes = np.zeros(len(rows), np.int64)  # in how many forgets of its user lie behind a row
        np.add.at(changes, np.searchsorted(rows.user_id, rows.user_id[forgets]), 1)
        np.subtract.at(changes, forgets, 1)
        return rows[np.cumsum(changes) == 0]

    def settled(self) -> EventColumns:
        """Of all `remembered` ratings of one item by one user the last, even if it deletes, sorted
        as `by_user`.

        The last is the one with the largest (timestamp, partition, offset).
        """
        rows = self.remembered()
        # stable: one user's ratings of one item stay in order of time
        order = np.lexsort((rows.item_id, rows.user_id))
        user, item = rows.user_id[order], rows.item_id[order]
        replaced = order[:-1][(user[1:] == user[:-1]) & (item[1:] == item[:-1])]
        if not len(replaced):
            return rows
        last = np.ones(len(rows), bool)
        last[replaced] = False
        return rows[last]

    def latest(self) -> EventColumns:
        """What counts: the `settled` ratings without those that delete."""
        settled = self.settled()
        return settled[~np.isnan(settled.rating)]


def decode_messages(
    values: Sequence[bytes | None],
    record_seconds: NDArray[np.int64],
    partition: NDArray[np.int32],
    offset: NDArray[np.int64],
    scale: RatingScale,
) -> tuple[EventColumns, dict[int, str]]:
    """Many messages at once, each as `decode_message` has it: the ratings, and row number -> reason
    for the others.

    The columns are checked together; only rows that fail are looked at one by one, for their
    reason.
    """
    messages = _sound_messages(values)
    user_id = np.array([message.userId for message in messages], np.int64)
    item_id = np.array([message.movieId for message in messages], np.int64)
    stars = [message.rating for message in messages]
    rating = np.array(stars, np.float64)  # None becomes NaN
    deletes = np.isnan(rating)
    if deletes.any():
        deletes = np.array([each is None for each in stars])  # and not the string "nan"
    given = [message.timestamp for message in messages]
    timestamp = np.array(
        [-1 if time is None else time for time in given] if None in given else given, np.int64
    )
    timestamp = np.where(timestamp < 0, record_seconds, timestamp)

    with np.errstate(invalid="ignore", over="ignore"):
        on_scale = scale.holds(rating)
    sound = (user_id >= 0) & (timestamp <= record_seconds + SECONDS_A_DAY) & (on_scale | deletes)
    reasons = {}
    for row in np.flatnonzero(~sound).tolist():
        try:
            single = decode_message(values[row], int(record_seconds[row]), scale)
        except RatingError as error:
            reasons[row] = str(error)
        else:
            sound[row] = True
            user_id[row], item_id[row], timestamp[row] = (
                single.user_id,
                single.item_id,
                single.timestamp,
            )
            rating[row] = math.nan if single.rating is None else single.rating
    rating[~sound] = math.nan  # it may be too large for its column
    return EventColumns.of(user_id, item_id, rating, timestamp, partition, offset)[sound], reasons


_UNSOUND = _SoundMessage(-1, -1, None)


def _sound_messages(values: Sequence[bytes | None]) -> list[_SoundMessage]:
    """One for each value: all by one call where each is an object on a line of its own, as nearly
    always.

    A JSON string has no raw line break, and outside of strings an object cannot follow another
    within a third. So where n lines all begin and end like objects, a line holds one or more whole
    ones, and n of them are one each.
    """
    n = len(values)
    lines = b"\n".join([value or b"" for value in values])
    if (
        n
        and lines.count(b"\n") == n - 1 == lines.count(b"}\n{")
        and lines[:1] == b"{"
        and lines[-1:] == b"}"
    ):
        with suppress(*_UNDECODABLE):
            messages = _sound_decoder.decode_lines(lines)
            if len(messages) == n:
                return messages
    return [_sound_message(value) for value in values]


def _sound_message(value: bytes | None) -> _SoundMessage:
    try:
        return _sound_decoder.decode(value or b"")
    except _UNDECODABLE:
        return _UNSOUND
