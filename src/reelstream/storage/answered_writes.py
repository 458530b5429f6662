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
class AnsweredWrite:
    """What is known of a key."""

    fingerprint: bytes
    """Of the request."""
    since: float
    answer: tuple[bytes, int, str | None] | None
    """Body, status and media type; None while it is made."""


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
        self, key: str, fingerprint: bytes, now: float, *, kept: float, taken: float, most: int
    ) -> AnsweredWrite | None:
        """Note that a request with this key is being answered, and return None; or what is known
        of an earlier one.

        Args:
            key: The key.
            fingerprint: Of the request.
            now: The time, in seconds since 1970.
            kept: Seconds after which an answer is forgotten.
            taken: Seconds after which a request without an answer counts as lost with its process.
            most: Keys that are kept.
        """
        row = None
        try:
            with self._lock:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    self._forget(now, kept, most)
                    row = self._db.execute(
                        "SELECT fingerprint, since, body, status, media_type FROM answers"
                        " WHERE key = ?",
                        (key,),
                    ).fetchone()
                    if row is None or (row[3] is None and now - row[1] >= taken):
                        row = None
                        self._db.execute(
                            "INSERT OR REPLACE INTO answers (key, fingerprint, since)"
                            " VALUES (?, ?, ?)",
                            (key, fingerprint, now),
                        )
                finally:
                    self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StorageError(f"idempotency keys cannot be kept: {error}") from error
        if row is None:
            return None
        answer = None if row[3] is None else (row[2], row[3], row[4])
        return AnsweredWrite(fingerprint=row[0], since=row[1], answer=answer)

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

    def _forget(self, now: float, kept: float, most: int) -> None:
        """What is too old, and the oldest of too many."""
        self._db.execute("DELETE FROM answers WHERE since <= ?", (now - kept,))
        self._added += 1
        if self._added % _CHECK_EVERY == 0:
            self._db.execute(
                "DELETE FROM answers WHERE key IN (SELECT key FROM answers ORDER BY since DESC"
                " LIMIT -1 OFFSET ?)",
                (most,),
            )
