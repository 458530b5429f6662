"""Events as messages on the log: JSON with MovieLens's names.

    {"userId":1,"movieId":31,"rating":4.5,"timestamp":1260759144}   rates
    {"userId":1,"movieId":31,"rating":null,"timestamp":1260759144}  deletes that rating
    {"userId":1,"movieId":31,"rating":null,"dismissed":true,"timestamp":1260759144}
                                                                    dismisses the film
    {"userId":1,"forget":true,"timestamp":1260759144}               erases all of the user's

Who does not know `dismissed` reads a dismissal as a deletion.

`decode_message` says what a message means, and why it means nothing. `decode_messages` answers the
same for many at once: it decodes the plain ones together and hands all others to `decode_message`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, NamedTuple, TypeAlias, get_args

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from reelstream.errors import RatingError
from reelstream.ratings.columns import EventColumns, event_cells
from reelstream.ratings.events import (
    MAX_CLOCK_LEAD_SECONDS,
    MAX_ID,
    Deleted,
    Dismissed,
    Erased,
    Event,
    EventKind,
    Rated,
    check,
)
from reelstream.ratings.ids import NUMBERS, Id, IdKind, Ids, NumberIds, TextIds
from reelstream.ratings.scale import RatingScale
from reelstream.ratings.values import all_as_seconds, read_rating, read_time


class _Message(msgspec.Struct, omit_defaults=True):
    """Any message. Numbers may come as strings; unknown fields are ignored."""

    userId: int | float | str  # noqa: N815  (the name on the wire)
    movieId: int | float | str | None = None  # noqa: N815
    rating: int | float | str | UnsetType | None = UNSET
    timestamp: int | float | str | None = None
    forget: bool | None = None
    dismissed: bool | None = None


_Whole = Annotated[int, msgspec.Meta(ge=0, le=MAX_ID)]


class _PlainMessage(msgspec.Struct, gc=False):
    """A message that rates or deletes, whose whole numbers fit their columns; ids may be texts.

    What else it may hold is checked in the columns. A message that says anything of forgetting or
    dismissing is not plain. Decoded laxly, so that numbers may come as strings:
    `_may_hold_null_text` keeps away what a lax decoder would take for null.
    """

    userId: Id  # noqa: N815  (the name on the wire)
    movieId: Id  # noqa: N815
    rating: float | None
    timestamp: _Whole | None = None
    forget: None = None
    dismissed: None = None


_PlainDecoder: TypeAlias = msgspec.json.Decoder[_PlainMessage]


def _make_plain_decoder(user: IdKind, item: IdKind) -> _PlainDecoder:
    """Of the plain messages of a stream with ids of these kinds."""
    kinds: dict[IdKind, Any] = {"number": _Whole, "text": str}
    fields = [("userId", kinds[user]), ("movieId", kinds[item])]
    struct = msgspec.defstruct("_Plain", fields, bases=(_PlainMessage,), gc=False)
    return msgspec.json.Decoder(struct, strict=False)


# Strict: a lax decoder takes the text "null" for null, which deletes, and 1 for true, which erases
# or dismisses.
_decoder = msgspec.json.Decoder(_Message)
_plain_decoders = {
    (user, item): _make_plain_decoder(user, item)
    for user in get_args(IdKind)
    for item in get_args(IdKind)
}
_encoder = msgspec.json.Encoder()
# What a decoder raises; the last when lists or objects are nested thousands deep in an unknown
# field.
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
# How serializers of a schema registry begin: a zero byte, and four with the schema's number.
_REGISTRY_MARK = b"\0"
REGISTRY_FRAME_BYTES = 5
# Stands for what is decoded by itself: no valid message has this id.
_NOT_PLAIN = _PlainMessage(-1, -1, None)


def encode_message(event: Event, ids: Ids = NUMBERS) -> bytes:
    """The message that carries `event` on the log. Raises RatingError for an id without a text."""
    user_id = ids.user.write(event.user_id)
    match event:
        case Rated():
            item_id = ids.item.write(event.item_id)
            message = _Message(user_id, item_id, event.rating, event.timestamp)
        case Deleted():
            message = _Message(user_id, ids.item.write(event.item_id), None, event.timestamp)
        case Dismissed():
            item_id = ids.item.write(event.item_id)
            message = _Message(user_id, item_id, None, event.timestamp, dismissed=True)
        case Erased():
            message = _Message(user_id, timestamp=event.timestamp, forget=True)
    return _encoder.encode(message)


def decode_message(
    value: bytes | None,
    record_seconds: int,
    scale: RatingScale,
    *,
    clock_seconds: int | None = None,
    ids: Ids = NUMBERS,
) -> Event:
    """The event in a message, checked against the contract.

    `record_seconds` is the time of the log's record: it stands in for a missing timestamp. One that
    lies ahead is bounded by `clock_seconds`, or without it by the record's time. Raises RatingError
    with the reason when the message is not an event.
    """
    if not value:
        raise RatingError("the message is empty")
    if (number := framed_schema(value)) is not None:
        raise RatingError(
            f"the message is framed for a schema registry (schema {number}), and was not decoded:"
            " kafka.schema.registry.url names the registry"
        )
    try:
        message = _decoder.decode(value)
    except _UNDECODABLE as error:
        raise RatingError(f"not a rating message: {error}") from error
    event = _event_of(message, record_seconds, ids)
    check(event, record_seconds if clock_seconds is None else clock_seconds, scale)
    return event


def framed_schema(value: bytes) -> int | None:
    """The number of the schema that a registry's serializer wrote before the message; None of a
    message without one.
    """
    if value[:1] != _REGISTRY_MARK or len(value) <= REGISTRY_FRAME_BYTES:
        return None
    return int.from_bytes(value[1:REGISTRY_FRAME_BYTES])


def _event_of(message: _Message, record_seconds: int, ids: Ids) -> Event:
    """Raises RatingError when a field is missing or no value of its kind, or when it is not clear
    what should be erased.
    """
    user_id = ids.user.read(message.userId)
    timestamp = record_seconds if message.timestamp is None else read_time(message.timestamp)
    if message.forget:
        if message.movieId is not None or message.rating not in (None, UNSET) or message.dismissed:
            raise RatingError(
                "a message that forgets a user has neither movieId nor rating: a rating of null "
                "deletes one"
            )
        return Erased(user_id, timestamp)
    # A dismissal may leave the rating out.
    rating = None if message.dismissed and message.rating is UNSET else message.rating
    if message.movieId is None or rating is UNSET:
        missing = "movieId" if message.movieId is None else "rating"
        raise RatingError(f"not a rating message: {missing} is missing")
    item_id = ids.item.read(message.movieId)
    if message.dismissed:
        if rating is not None:
            raise RatingError("a message that dismisses a film has no rating")
        return Dismissed(user_id, item_id, timestamp)
    if rating is None:
        return Deleted(user_id, item_id, timestamp)
    return Rated(user_id, item_id, read_rating(rating), timestamp)


class RecordPlaces(NamedTuple):
    """Where n messages lie in the log, and when they entered it."""

    partition: NDArray[np.int32]
    offset: NDArray[np.int64]
    seconds: NDArray[np.int64]
    """Since 1970, UTC."""
    clock_seconds: NDArray[np.int64]
    """Up to when the events may have happened: a sender may claim any time for its records."""


def decode_messages(
    values: Sequence[bytes | None], places: RecordPlaces, scale: RatingScale, ids: Ids = NUMBERS
) -> tuple[EventColumns, dict[int, str]]:
    """Many messages at once, each as `decode_message` has it: the events, and row -> reason for the
    others.

    The columns are checked together; only rows that fail are decoded one by one, for their reason.
    """
    columns = _columns_of(_plain_messages(values, ids), places.seconds, ids)
    user_id, item_id, rating, timestamp, kind = columns
    with np.errstate(invalid="ignore", over="ignore"):
        is_valid = scale.holds(rating) | (kind == EventKind.DELETED)
    is_valid &= (user_id >= 0) & (item_id >= 0)
    is_valid &= timestamp <= places.clock_seconds + MAX_CLOCK_LEAD_SECONDS
    reasons = {}
    for row in np.flatnonzero(~is_valid).tolist():
        try:
            event = decode_message(
                values[row],
                int(places.seconds[row]),
                scale,
                clock_seconds=int(places.clock_seconds[row]),
                ids=ids,
            )
        except RatingError as error:
            reasons[row] = str(error)
        else:
            is_valid[row] = True
            user_id[row], item_id[row], rating[row], timestamp[row], kind[row] = event_cells(event)
    rating[~is_valid] = math.nan  # it may be too large for its column
    events = EventColumns.of(
        user_id,
        item_id,
        rating,
        timestamp,
        partition=places.partition,
        offset=places.offset,
        kind=kind,
    )
    return events[is_valid], reasons


class _Columns(NamedTuple):
    """What n plain messages say, each array (n,); not yet checked."""

    user_id: NDArray[np.int64]
    item_id: NDArray[np.int64]
    rating: NDArray[np.float64]
    timestamp: NDArray[np.int64]
    kind: NDArray[np.int8]


def _columns_of(
    messages: Sequence[_PlainMessage], record_seconds: NDArray[np.int64], ids: Ids
) -> _Columns:
    given_ratings = [message.rating for message in messages]
    # In double precision, in which a rating is checked against the scale; None becomes NaN.
    rating = np.array(given_ratings, np.float64)
    kind = np.zeros(len(messages), np.int8)
    if np.isnan(rating).any():
        is_null = np.array([each is None for each in given_ratings])  # and not the string "nan"
        kind[is_null] = EventKind.DELETED
    return _Columns(
        user_id=_numbers_of([message.userId for message in messages], ids.user),
        item_id=_numbers_of([message.movieId for message in messages], ids.item),
        rating=rating,
        timestamp=_times_of(messages, record_seconds),
        kind=kind,
    )


def _numbers_of(given: list[Any], ids: NumberIds | TextIds) -> NDArray[np.int64]:
    """The numbers (n,) of the ids in plain messages; NO_ID for one that is refused."""
    if isinstance(ids, TextIds):
        return ids.read_all(each if isinstance(each, str) else None for each in given)
    return np.array(given, np.int64)


def _times_of(
    messages: Sequence[_PlainMessage], record_seconds: NDArray[np.int64]
) -> NDArray[np.int64]:
    given = [message.timestamp for message in messages]
    if None not in given:
        return all_as_seconds(np.array(given, np.int64))
    known = np.array([-1 if time is None else time for time in given], np.int64)
    return np.where(known < 0, record_seconds, all_as_seconds(known))


def _plain_messages(values: Sequence[bytes | None], ids: Ids) -> list[_PlainMessage]:
    """One for each value: all by one call where each is an object on a line of its own, as nearly
    always.

    A JSON string has no raw line break, and outside of strings an object cannot follow another
    within a third. So where n lines all begin and end like objects, a line holds one or more whole
    ones, and n of them are one each.
    """
    n, decoder = len(values), _plain_decoders[ids.user.kind, ids.item.kind]
    lines = b"\n".join([value or b"" for value in values])
    are_objects = lines[:1] == b"{" and lines[-1:] == b"}"
    are_alone = lines.count(b"\n") == n - 1 == lines.count(b"}\n{")
    if n and are_objects and are_alone and not _may_hold_null_text(lines):
        with suppress(*_UNDECODABLE):
            messages = decoder.decode_lines(lines)
            if len(messages) == n:
                return messages
    return [_plain_message(value, decoder) for value in values]


def _may_hold_null_text(text: bytes) -> bool:
    """Whether a string in it may be `null` in some case, or written with escapes."""
    return b"\\" in text or b'"null"' in text.lower()


def _plain_message(value: bytes | None, decoder: _PlainDecoder) -> _PlainMessage:
    if _may_hold_null_text(value or b""):
        return _NOT_PLAIN
    try:
        return decoder.decode(value or b"")
    except _UNDECODABLE:
        return _NOT_PLAIN
