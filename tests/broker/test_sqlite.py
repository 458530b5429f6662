import sqlite3
from pathlib import Path
from typing import Any

import pytest

from reelstream.broker import open_broker, sqlite
from reelstream.broker.sqlite import SqliteBroker
from reelstream.errors import BrokerError, SettingError


@pytest.mark.parametrize("url", ["kafka:localhost:9092", "sqlite:", "sqlite", "work/log.db", ""])
def test_other_urls_are_refused(url: str) -> None:
    """A URL that names no log of this version is answered with how to write one."""
    with pytest.raises(SettingError, match="sqlite:PATH"):
        open_broker(url)


def test_file_of_text_is_refused(tmp_path: Path) -> None:
    """A file that is no database is named, and left as it is."""
    path = tmp_path / "log.db"
    path.write_bytes(b"userId,movieId\n" * 1000)
    with pytest.raises(BrokerError, match=r"log\.db.*not a log"):
        SqliteBroker(path)
    assert path.read_bytes() == b"userId,movieId\n" * 1000


def test_database_of_another_program_is_refused(tmp_path: Path) -> None:
    """A foreign SQLite file is never written into."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    with pytest.raises(BrokerError, match=r"other\.db.*another program"):
        SqliteBroker(path)


def test_log_of_a_later_version_is_refused(tmp_path: Path) -> None:
    """A log that a later version wrote is not guessed at."""
    path = tmp_path / "log.db"
    SqliteBroker(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(BrokerError, match="format 2"):
        SqliteBroker(path)


def test_damaged_log_is_named(tmp_path: Path) -> None:
    """Bytes that were overwritten end in one sentence, not in a foreign error."""
    path = tmp_path / "log.db"
    with SqliteBroker(path) as broker:
        broker.ensure_topic("ratings", 1)
        with broker.producer("ratings") as producer:
            for _ in range(2000):
                producer.send(b"x" * 100, b"1")
            producer.flush()
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xff" * (len(data) - 8192)
    path.write_bytes(data)
    with (
        pytest.raises(BrokerError, match=r"log\.db.*damaged"),
        SqliteBroker(path) as broker,
        broker.consumer("ratings") as consumer,
    ):
        consumer.seek({0: 0})
        consumer.poll(2000, 0.0)


def test_folder_in_the_way_is_named(tmp_path: Path) -> None:
    """A path that cannot be opened is named."""
    with pytest.raises(BrokerError, match="cannot be opened"):
        SqliteBroker(tmp_path)


def test_full_disk_keeps_what_was_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is said so; the records are kept and go through once there is space, each of them
    once.
    """
    limit = 40
    connections: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def connect_to_small_disk(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connections.append(connect(*arguments, **options))
        connections[-1].execute(f"PRAGMA max_page_count = {limit}")
        return connections[-1]

    monkeypatch.setattr(sqlite.sqlite3, "connect", connect_to_small_disk)
    with SqliteBroker(tmp_path / "log.db") as broker:
        broker.ensure_topic("ratings", 1)
        with broker.producer("ratings") as producer:
            for _ in range(2000):
                producer.send(b"x" * 200, b"1")
            with pytest.raises(BrokerError, match="disk is full"):
                producer.flush()
            assert broker.end_offsets("ratings") == {0: 0}
            connections[-1].execute("PRAGMA max_page_count = 100000")
            producer.flush()
        assert broker.end_offsets("ratings") == {0: 2000}
