"""Idempotency-Key: a write that is sent again is answered as the first time, and writes nothing."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from flask import Response

from reelstream.api.problems import ProblemError, make_problem

HEADER = "Idempotency-Key"
# How long the answer to a key is kept.
KEPT_SECONDS = 3_600.0
# Keys that are kept at most, of some 300 bytes each; the oldest go first.
MAX_KEYS = 10_000
MAX_KEY_CHARACTERS = 200


@dataclass(slots=True, kw_only=True)
class _Entry:
    fingerprint: bytes
    """Of the request: the same key with another request is a mistake."""
    since: float
    answer: tuple[bytes, int, str | None] | None = None
    """Body, status and media type; None while it is made."""


class Idempotency:
    """The answers of the last hour to writes with a key, in memory.

    Only what was written is kept: a write that failed may be sent again with its key.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def once(self, key: str, fingerprint: bytes, write: Callable[[], Response]) -> Response:
        """The answer of `write`, or the one that was given to this key before.

        Raises ProblemError: 409 while the first is being answered, 422 when it was another request.
        """
        if not (key.isascii() and key.isprintable() and len(key) <= MAX_KEY_CHARACTERS):
            detail = f"{HEADER}: send up to {MAX_KEY_CHARACTERS} printable ASCII characters"
            raise ProblemError(make_problem(422, detail))
        earlier = self._begin(key, fingerprint)
        if earlier is not None:
            body, status, media_type = earlier
            return Response(body, status, mimetype=media_type)
        try:
            response = write()
        except BaseException:
            with self._lock:
                self._entries.pop(key, None)
            raise
        answer = (response.get_data(), response.status_code, response.mimetype)
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                entry.answer = answer
        return response

    def _begin(self, key: str, fingerprint: bytes) -> tuple[bytes, int, str | None] | None:
        """Note that a request is being answered; the answer, if there is one already."""
        now = self._clock()
        with self._lock:
            while self._entries:
                oldest = next(iter(self._entries.values()))
                if len(self._entries) < MAX_KEYS and now - oldest.since < KEPT_SECONDS:
                    break
                self._entries.popitem(last=False)
            entry = self._entries.get(key)
            if entry is None:
                self._entries[key] = _Entry(fingerprint=fingerprint, since=now)
                return None
        if entry.fingerprint != fingerprint:
            detail = f"{HEADER} {key!r} was sent with another request: take a new key for each"
            raise ProblemError(make_problem(422, detail))
        if entry.answer is None:
            detail = f"the first request with {HEADER} {key!r} is still being answered"
            raise ProblemError(make_problem(409, detail))
        return entry.answer
