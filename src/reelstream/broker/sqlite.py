"""The embedded log: one SQLite file in write-ahead mode, for several processes at once.

An append is one transaction that the disk has before `flush` returns (`synchronous=FULL`). Offsets
are counted from 0 in each partition without gaps, and nothing is ever deleted. Keyless records
without a partition go to partition 0.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from reelstream.broker.interface import Closing, Keyed, Offsets, Records, SentHeaders
from reelstream.broker.partitioning import partition_of
from reelstream.errors import BrokerError
from reelstream.failpoints import reached

APPLICATION_ID = 0x5245454C  # "REEL"
FORMAT = 1
# How long a transaction waits for another process.
BUSY_SECONDS = 30.0
# Between two looks for new records: SQLite cannot wake a reader.
POLL_PAUSE_SECONDS = 0.003
# What a producer collects before it appends by itself.
BUFFERED_RECORDS, BUFFERED_BYTES = 20_000, 16 * 1024**2

_SCHEMA = """
CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, uuid TEXT NOT NULL);
CREATE TABLE partitions (
    topic INTEGER NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE records (
    topic INTEGER NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    key BLOB, value BLOB, headers BLOB NOT NULL, timestamp INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, offset)) WITHOUT ROWID;
CREATE TABLE commits (
    consumer_group TEXT NOT NULL, topic INTEGER NOT NULL,
    partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition)) WITHOUT ROWID;
"""

# Partition, offset, key, value, headers and timestamp of a record.
_Row = tuple[int, int, bytes | None, bytes | None, list[tuple[str, bytes]], int]
_encode_headers = msgspec.msgpack.Encoder().encode
_decode_headers = msgspec.msgpack.Decoder(list[tuple[str, bytes]]).decode


class _Connected(Closing):
    """One connection to the log's file, and the translation of its errors."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        with self._translated():
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            # In write-ahead mode less would lose acknowledged records when the machine stops.
            self._connection.execute("PRAGMA synchronous=FULL")

    def close(self) -> None:
        """Close the file; records that were not flushed are dropped."""
        self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            raise BrokerError(f"the log {self._path}: {_ADVICE.get(code, str(error))}") from error
        except msgspec.DecodeError as error:
            raise BrokerError(f"the log {self._path}: {_ADVICE[sqlite3.SQLITE_CORRUPT]}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside, or nothing: other processes wait."""
        # IMMEDIATE takes the write lock at once: a transaction that began by reading could find,
        # when it first writes, that another has written meanwhile, and would have to start again.
        with self._lock, self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _topic_row(self, topic: str) -> int:
        with self._translated():
            found = self._connection.execute(
                "SELECT id FROM topics WHERE name = ?", (topic,)
            ).fetchone()
        if found is None:
            raise BrokerError(
                f"the log {self._path} has no topic {topic!r}: produce into it first, or check"
                " --topic"
            )
        return int(found[0])

    def _end_offsets(self, topic_row: int) -> dict[int, int]:
        with self._translated():
            query = (
                "SELECT partition, next_offset FROM partitions WHERE topic = ? ORDER BY partition"
            )
            return dict(self._connection.execute(query, (topic_row,)).fetchall())


class SqliteBroker(_Connected):
    """The log in one SQLite file, which is created when it does not exist."""

    def __init__(self, path: Path) -> None:
        """Raises BrokerError when the file is damaged, is not a log, or cannot be created."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BrokerError(
                f"the log {path}: its folder cannot be created: {error.strerror}"
            ) from error
        super().__init__(path)
        try:
            self._create_or_check()
        except BaseException:
            self.close()
            raise

    def ensure_topic(self, topic: str, partitions: int) -> int:
        """Create the topic if it does not exist; return how many partitions it has."""
        with self._transaction() as connection:
            identity = (topic, uuid.uuid4().hex)
            made = connection.execute(
                "INSERT OR IGNORE INTO topics (name, uuid) VALUES (?, ?)", identity
            )
            if made.rowcount:
                rows = [(made.lastrowid, partition) for partition in range(partitions)]
                connection.executemany("INSERT INTO partitions VALUES (?, ?, 0)", rows)
        return len(self.end_offsets(topic))

    def topics(self) -> list[str]:
        """The names of all topics, in order."""
        with self._translated():
            rows = self._connection.execute("SELECT name FROM topics ORDER BY name").fetchall()
        return [str(name) for (name,) in rows]

    def topic_id(self, topic: str) -> str:
        """The identity of a topic: another one under the same name has another."""
        row = self._topic_row(topic)
        with self._translated():
            return str(
                self._connection.execute("SELECT uuid FROM topics WHERE id = ?", (row,)).fetchone()[
                    0
                ]
            )

    def start_offsets(self, topic: str) -> dict[int, int]:
        """The first offset of each partition: 0, since nothing is deleted."""
        return dict.fromkeys(self.end_offsets(topic), 0)

    def end_offsets(self, topic: str) -> dict[int, int]:
        """The next offset of each partition. Raises BrokerError for an unknown topic."""
        return self._end_offsets(self._topic_row(topic))

    def commit_offsets(self, group: str, topic: str, offsets: Offsets) -> None:
        """Note how far a consumer group has read."""
        row = self._topic_row(topic)
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO commits VALUES (?, ?, ?, ?)",
                [(group, row, partition, offset) for partition, offset in offsets.items()],
            )

    def committed_offsets(self, group: str, topic: str) -> dict[int, int]:
        """What the group noted last; partitions that it never noted are absent."""
        row = self._topic_row(topic)
        with self._translated():
            query = (
                "SELECT partition, offset FROM commits WHERE consumer_group = ? AND topic = ? ORDER"
                " BY partition"
            )
            return dict(self._connection.execute(query, (group, row)).fetchall())

    def producer(self, topic: str, *, linger_seconds: float = 0.005) -> SqliteProducer:
        """A producer for an existing topic; several threads may share it. Records wait for `flush`,
        not for a time.
        """
        return SqliteProducer(self._path, topic)

    def appender(self, topic: str) -> SqliteProducer:
        """An appender for an existing topic."""
        return SqliteProducer(self._path, topic)

    def consumer(self, topic: str) -> SqliteConsumer:
        """A consumer of an existing topic; it reads nothing before its first `seek`."""
        return SqliteConsumer(self._path, topic)

    def _create_or_check(self) -> None:
        with self._transaction() as connection:
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if not tables:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {FORMAT}")
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        if application != APPLICATION_ID:
            raise BrokerError(
                f"{self._path} is the database of another program, not a log: name another file"
            )
        if version != FORMAT:
            raise BrokerError(
                f"the log {self._path} has format {version}, this version reads {FORMAT}: update it"
            )
        with self._translated():
            self._connection.execute("PRAGMA journal_mode=WAL").fetchone()


class SqliteProducer(_Connected):
    """Collects records in memory and appends many in one transaction."""

    def __init__(self, path: Path, topic: str) -> None:
        """Raises BrokerError when the topic does not exist."""
        super().__init__(path)
        self._topic = self._topic_row(topic)
        self._partitions = len(self._end_offsets(self._topic))
        self._buffer: list[tuple[int, bytes | None, bytes | None, bytes]] = []
        self._buffered_bytes = 0

    def send(
        self,
        value: bytes | None,
        key: bytes | None = None,
        *,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Take one record. It is durable once `flush` has returned, not before. Raises
        BrokerError.
        """
        if partition is None:
            partition = 0 if key is None else partition_of(key, self._partitions)
        elif not 0 <= partition < self._partitions:
            raise BrokerError(
                f"there is no partition {partition}: the topic has {self._partitions}"
            )
        self._buffer.append((partition, key, value, _encode_headers(headers)))
        self._buffered_bytes += len(value or b"")
        if len(self._buffer) >= BUFFERED_RECORDS or self._buffered_bytes >= BUFFERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Return when every record taken so far is durable. After a BrokerError they are kept for
        the next call.
        """
        with self._lock:
            if self._buffer:
                taken = len(self._buffer)
                self._append(self._buffer[:taken])
                del self._buffer[:taken]
                self._buffered_bytes = 0

    def append(
        self, records: Sequence[Keyed], headers: Sequence[SentHeaders] = ()
    ) -> list[tuple[int, int]]:
        """Append these records in one transaction; partition and offset of each."""
        none = _encode_headers(())
        encoded = [_encode_headers(each) if each else none for each in headers]
        return self._append(
            [
                (0 if key is None else partition_of(key, self._partitions), key, value, its_headers)
                for (key, value), its_headers in zip(
                    records, encoded or [none] * len(records), strict=True
                )
            ]
        )

    def _append(
        self, records: list[tuple[int, bytes | None, bytes | None, bytes]]
    ) -> list[tuple[int, int]]:
        """Append records with their partitions; partition and offset of each."""
        now = time.time_ns() // 1_000_000
        with self._transaction() as connection:
            next_offsets = self._end_offsets(self._topic)
            positions, rows = [], []
            for partition, key, value, headers in records:
                offset = next_offsets[partition]
                next_offsets[partition] = offset + 1
                positions.append((partition, offset))
                rows.append((self._topic, partition, offset, key, value, headers, now))
            rows.sort()  # the table is a tree by (topic, partition, offset): rising keys append
            connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            connection.executemany(
                "UPDATE partitions SET next_offset = ? WHERE topic = ? AND partition = ?",
                [(offset, self._topic, partition) for partition, offset in next_offsets.items()],
            )
            reached("records_inserted")
        reached("records_committed")
        return positions


class SqliteConsumer(_Connected):
    """Reads the partitions of its last `seek`, an even share of each."""

    def __init__(self, path: Path, topic: str) -> None:
        """Raises BrokerError when the topic does not exist."""
        super().__init__(path)
        self._topic = self._topic_row(topic)
        self._positions: dict[int, int] = {}
        self._turns: deque[int] = deque()

    def seek(self, offsets: Offsets) -> None:
        """Read these partitions, and no others, each from this offset on."""
        self._positions = dict(offsets)
        self._turns = deque(self._positions)

    def positions(self) -> dict[int, int]:
        """Partition -> where the next `poll` continues."""
        return dict(self._positions)

    def poll(self, most: int, seconds: float) -> Records:
        """Up to `most` records, in order within each partition; none when none came in
        `seconds`.
        """
        deadline = time.monotonic() + seconds
        while True:
            rows = self._read(most)
            left = deadline - time.monotonic()
            if rows or left <= 0:
                return _records(rows)
            time.sleep(min(POLL_PAUSE_SECONDS, left))

    def _read(self, most: int) -> list[_Row]:
        """An even share of every partition with records, so that none gets far ahead in time."""
        rows: list[_Row] = []
        # Another partition is first each time, and gets what does not divide evenly.
        self._turns.rotate(-1)
        lagging = list(self._turns)
        while lagging and len(rows) < most:
            share = -(-(most - len(rows)) // len(lagging))
            for partition in tuple(lagging):
                wanted = min(share, most - len(rows))
                found = self._read_partition(partition, wanted)
                rows += found
                if len(found) < wanted:
                    lagging.remove(partition)
        return rows

    def _read_partition(self, partition: int, most: int) -> list[_Row]:
        with self._translated():
            found = self._connection.execute(
                "SELECT partition, offset, key, value, headers, timestamp FROM records"
                " WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT ?",
                (self._topic, partition, self._positions[partition], most),
            )
            rows = [(*row[:4], _decode_headers(row[4]), row[5]) for row in found]
        if rows:
            self._positions[partition] = rows[-1][1] + 1
        return rows


def _records(rows: list[_Row]) -> Records:
    return Records.of(*zip(*rows, strict=True)) if rows else Records.of((), (), (), (), (), ())


_ADVICE = {
    sqlite3.SQLITE_FULL: (
        "the disk is full: free some space, then start again: what was acknowledged is safe"
    ),
    sqlite3.SQLITE_IOERR: "the disk failed or is full: what was acknowledged before is safe",
    sqlite3.SQLITE_NOTADB: "this file is not a log: name another --work folder or another file",
    sqlite3.SQLITE_CORRUPT: (
        "this file is damaged: put a copy of it back, or begin with another --work folder"
    ),
    sqlite3.SQLITE_BUSY: (
        f"another process kept it locked for {BUSY_SECONDS:g} seconds: end that process"
    ),
    sqlite3.SQLITE_READONLY: (
        "it cannot be written: check its permissions, or name another --work folder"
    ),
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check the path and its permissions",
}
