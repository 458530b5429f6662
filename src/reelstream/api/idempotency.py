"""Idempotency-Key: a write that is sent again is answered as the first time, and writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from flask import Response

from reelstream.api.problems import ProblemError, make_problem, refusal
from reelstream.contract import ProblemType
from reelstream.errors import StorageError
from reelstream.storage.answered_writes import AnsweredWrites, Limits

HEADER = "Idempotency-Key"
# How long the answer to a key is kept.
KEPT_SECONDS = 3_600.0
# No request takes so long: one that has no answer by then was lost with its process.
RUNNING_SECONDS = 15.0
# Keys that are kept, of some 300 bytes each; the oldest go first.
MAX_KEYS = 10_000
MAX_KEY_CHARACTERS = 200

_LIMITS = Limits(keys=MAX_KEYS, kept_seconds=KEPT_SECONDS, running_seconds=RUNNING_SECONDS)

log = structlog.get_logger()


class Idempotency:
    """The answers of the last hour to writes with a key, of all workers of a server.

    Only what was written is kept: a write that failed may be sent again with its key.
    """

    def __init__(
        self, writes: AnsweredWrites | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """writes: where answers are kept; by default in memory."""
        self._writes = AnsweredWrites() if writes is None else writes
        self._clock = clock

    def once(
        self, key: str, fingerprint: bytes, write: Callable[[], Response], sender: str = ""
    ) -> Response:
        """The answer of `write`, or the one that was given to this key of this sender before.

        Raises ProblemError: 409 while the first is being answered, 422 when it was another request.
        """
        if not (key.isascii() and key.isprintable() and len(key) <= MAX_KEY_CHARACTERS):
            detail = f"{HEADER}: send up to {MAX_KEY_CHARACTERS} printable ASCII characters"
            raise refusal(ProblemType.INVALID_QUERY, detail)
        # A key's name has no space.
        kept_as = f"{sender} {key}"
        earlier = self._begin(kept_as, key, fingerprint)
        if earlier is not None:
            body, status, media_type = earlier
            return Response(body, status, mimetype=media_type)
        try:
            response = write()
        except BaseException:
            self._writes.drop(kept_as)
            raise
        answer = (response.get_data(), response.status_code, response.mimetype)
        try:
            self._writes.finish(kept_as, answer)
        except StorageError as error:
            # It is written: an answer that says otherwise would be wrong.
            log.error("idempotency_key_not_kept", error=str(error))
        return response

    def _begin(
        self, kept_as: str, key: str, fingerprint: bytes
    ) -> tuple[bytes, int, str | None] | None:
        """Note that a request is being answered; the answer, if there is one already."""
        earlier = self._writes.begin(kept_as, fingerprint, self._clock(), _LIMITS)
        if earlier is None:
            return None
        if earlier.fingerprint != fingerprint:
            detail = f"{HEADER} {key!r} was sent with another request: take a new key for each"
            raise refusal(ProblemType.REUSED_IDEMPOTENCY_KEY, detail)
        if earlier.answer is None:
            detail = f"the first request with {HEADER} {key!r} is still being answered"
            raise ProblemError(
                make_problem(ProblemType.REQUEST_RUNNING, detail), {"Retry-After": "1"}
            )
        return earlier.answer
