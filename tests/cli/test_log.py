"""`reelstream log`: what the log holds, as it is."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from command_line import Command

from reelstream.broker import open_broker


@pytest.fixture
def log_url(tmp_path: Path) -> str:
    """A log with two topics; the records of the first are one a partition and time."""
    url = f"sqlite:{tmp_path / 'some.db'}"
    with open_broker(url) as broker:
        broker.ensure_topic("ratings", 2)
        broker.ensure_topic("other", 1)
        with broker.producer("ratings") as producer:
            for number in range(5):
                producer.send(b'{"n":%d}' % number, b"key", partition=number % 2)
                producer.flush()
                time.sleep(0.002)  # the log tells times to the millisecond
            producer.send(b"\xff\xfe", None, partition=0, headers=[("source", b"me")])
            producer.flush()
    return url


def test_topics_are_listed_with_their_size(command: Command, log_url: str) -> None:
    """In the order of their names."""
    assert command("log", "topics", "--broker", log_url, "--json").json == {
        "topics": [
            {"topic": "other", "partitions": 1, "records": 0},
            {"topic": "ratings", "partitions": 2, "records": 6},
        ]
    }
    assert "ratings" in command("log", "topics", "--broker", log_url).out


def test_the_newest_records_come_oldest_first(command: Command, log_url: str) -> None:
    """Of all partitions, in the order in which the log took them; bytes that are no text are
    shown in escapes.
    """
    answer = command("log", "tail", "-n", 3, "--broker", log_url, "--json")
    records = [json.loads(line) for line in answer.out.splitlines()]
    times = [record["timestamp"] for record in records]
    assert times == sorted(times)
    assert {record["value"] for record in records} == {'{"n":3}', '{"n":4}', "\\xff\\xfe"}
    assert [record["headers"] for record in records if not record["key"]] == [{"source": "me"}]
    shown = command("log", "tail", "-n", 1, "--partition", 1, "--broker", log_url).out
    assert shown.startswith("1:1 ")
    assert shown.endswith('{"n":3}\n')


def test_a_partition_or_file_that_is_not_there_is_wrong_usage(
    command: Command, log_url: str
) -> None:
    """One sentence, and no log is made."""
    answer = command("log", "tail", "--partition", 7, "--broker", log_url)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    answer = command("log", "tail", "--broker", "sqlite:nowhere.db")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert not Path("nowhere.db").exists()


@pytest.mark.slow
def test_the_log_of_a_work_folder_needs_no_url(command: Command, trained_folder: Path) -> None:
    """Its records are the ratings that were produced."""
    answer = command("log", "tail", "-n", 2, "--work", trained_folder, "--json")
    ratings = [json.loads(json.loads(line)["value"]) for line in answer.out.splitlines()]
    assert len(ratings) == 2
    assert all({"userId", "movieId", "rating"} <= rating.keys() for rating in ratings)
