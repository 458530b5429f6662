"""What Kafka's client returned, in columns, with times that can be trusted."""

from __future__ import annotations

import time
from itertools import chain
from typing import Any

import numpy as np
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message
from numpy.typing import NDArray

from reelstream.broker.interface import Headers, Records
from reelstream.ratings.values import MIN_MILLISECONDS

# Its methods as functions; their types would allow for what a record never lacks.
MESSAGE: Any = Message


def records_of(messages: list[Any]) -> Records:
    """The columns of messages, built so that the client's methods are called in a loop of C."""
    kinds, milliseconds = _timestamps(messages)
    times, clock = _trusted_times(kinds, milliseconds, int(time.time() * 1000))
    return Records.of(
        list(map(MESSAGE.partition, messages)),
        list(map(MESSAGE.offset, messages)),
        list(map(MESSAGE.key, messages)),
        list(map(MESSAGE.value, messages)),
        _headers(messages),
        times,
        clock=clock,
    )


def _timestamps(messages: list[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each message the kind of its time, and the time in milliseconds."""
    pairs = chain.from_iterable(map(MESSAGE.timestamp, messages))
    flat = np.fromiter(pairs, np.int64, 2 * len(messages))
    return flat[::2], flat[1::2]


def _trusted_times(
    kinds: NDArray[np.int64], milliseconds: NDArray[np.int64], now: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The records' times, and up to when their events may have happened.

    Kafka's own time is both. One that a sender set is a claim: it counts if it can be true, and
    bounds nothing, since a sender may replay what happened later than it says.
    """
    is_kafkas = kinds == TIMESTAMP_LOG_APPEND_TIME
    is_credible = (milliseconds >= MIN_MILLISECONDS) & (milliseconds <= now)
    return (
        np.where(is_kafkas | is_credible, milliseconds, now),
        np.where(is_kafkas, milliseconds, now),
    )


def _headers(messages: list[Any]) -> list[Headers]:
    """The headers of each message; none where a header's name is not text, as ours are.

    Such a name makes the client raise at the first call for a message, and return broken objects at
    a second one.
    """
    headers: list[Any] = []
    reading = map(MESSAGE.headers, messages)
    while len(headers) < len(messages):
        try:
            headers.extend(reading)
        except (UnicodeDecodeError, SystemError):  # `map` continues with the next message
            headers.append(None)
    return [each or () for each in headers] if None in headers else headers
