"""The answers to writes that were sent with an Idempotency-Key, in a SQLite file that several
processes share.
"""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from reelstream.errors import StorageError

# After a power cut an answer of the last seconds may be missing: a write that is then sent again
# replaces itself. Nothing rests on it that is worth a sync at every write.
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    since REAL NOT NULL,
    body BLOB,
    status INTEGER,
    media_type TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_since ON answers (since);
"""
# How long a statement waits for another process.
_BUSY_SECONDS = 5.0
# So many new keys between two checks that there are not too many.
_CHECK_EVERY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is kept, and for how long."""

    keys: int
    kept_seconds: float
    running_seconds: float
    """After which a request without an answer counts as lost with its process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredWrite:
    """What is known of a key."""

    fingerprint: bytes
    """Of the request."""
    since: float
    answer: tuple[bytes, int, str | None] | None
    """Body, status and media type; None while it is made."""

    def is_lost(self, now: float, limits: Limits) -> bool:
        """Whether nobody is at work on it any more."""
        return self.answer is None and now - self.since >= limits.running_seconds


class AnsweredWrites:
    """See the module; its methods raise StorageError."""

    def __init__(self, path: Path | None = None) -> None:
        """path: of the file; None: in this process's memory alone."""
        # One connection for all threads: a lock is cheaper than a connection for each.
        self._lock = threading.Lock()
        self._added = 0
        try:
            self._db = sqlite3.connect(
                path or ":memory:",
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise StorageError(f"{path}: {error}: remove the file, it may be lost") from error

    def begin(
        self, key: str, fingerprint: bytes, now: float, limits: Limits
    ) -> AnsweredWrite | None:
        """Note that a request with this key is being answered, and return None; or what is known
        of an earlier one. now: seconds since 1970.
        """
        try:
            with self._lock:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    self._forget(now, limits)
                    earlier = self._find(key)
                    if earlier is not None and not earlier.is_lost(now, limits):
                        return earlier
                    self._db.execute(
                        "INSERT OR REPLACE INTO answers (key, fingerprint, since) VALUES (?, ?, ?)",
                        (key, fingerprint, now),
                    )
                finally:
                    self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StorageError(f"idempotency keys cannot be kept: {error}") from error
        return None

    def finish(self, key: str, answer: tuple[bytes, int, str | None]) -> None:
        """Keep the answer to a request that has begun."""
        self._change(
            "UPDATE answers SET body = ?, status = ?, media_type = ? WHERE key = ?", *answer, key
        )

    def drop(self, key: str) -> None:
        """Free the key of a request that wrote nothing."""
        self._change("DELETE FROM answers WHERE key = ?", key)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _change(self, statement: str, *values: object) -> None:
        try:
            with self._lock:
                self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise StorageError(f"idempotency keys cannot be kept: {error}") from error

    def _find(self, key: str) -> AnsweredWrite | None:
        row = self._db.execute(
            "SELECT fingerprint, since, body, status, media_type FROM answers WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        fingerprint, since, *answer = row
        return AnsweredWrite(
            fingerprint=fingerprint,
            since=since,
            answer=None if answer[1] is None else (answer[0], answer[1], answer[2]),
        )

    def _forget(self, now: float, limits: Limits) -> None:
        """What is too old, and the oldest of too many."""
        self._db.execute("DELETE FROM answers WHERE since <= ?", (now - limits.kept_seconds,))
        self._added += 1
        if self._added % _CHECK_EVERY == 0:
            self._db.execute(
                "DELETE FROM answers WHERE key IN (SELECT key FROM answers ORDER BY since DESC"
                " LIMIT -1 OFFSET ?)",
                (limits.keys,),
            )
