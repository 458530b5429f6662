"""LogWriter: events in the log, acknowledged, for many requests at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from events import event
from reelstream.broker import open_broker
from reelstream.broker.interface import Broker
from reelstream.broker.reading import read_between
from reelstream.errors import BrokerError
from reelstream.ratings.wire import encode_message
from reelstream.serving.log_progress import LogProgress
from reelstream.serving.log_writer import LogWriter

TOPIC = "ratings"
LONG = 60.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with open_broker(f"sqlite:{tmp_path / 'log.db'}") as broker:
        broker.ensure_topic(TOPIC, 3)
        yield broker


@pytest.fixture
def writer(broker: Broker) -> Iterator[LogWriter]:
    writer = LogWriter(broker, TOPIC)
    yield writer
    writer.close()


def values(broker: Broker) -> list[bytes | None]:
    chunks = read_between(broker, TOPIC, broker.start_offsets(TOPIC), broker.end_offsets(TOPIC))
    return [record.value for chunk in chunks for record in chunk]


def test_a_write_returns_where_the_log_ends_after_it(broker: Broker, writer: LogWriter) -> None:
    """In each partition that it touched, and in no other."""
    first = writer.write([event(1, 31, 4.0, 100)], LONG)
    ((partition, end),) = first.items()
    assert end == broker.end_offsets(TOPIC)[partition] == 1
    several = writer.write([event(user, 31, 4.0, 100) for user in range(20)], LONG)
    assert several == broker.end_offsets(TOPIC)
    assert writer.topic_id == broker.topic_id(TOPIC) and writer.written == 21


def test_many_threads_write_each_event_once(broker: Broker, writer: LogWriter) -> None:
    """And each is told offsets that hold its own."""
    events = [event(user, 31, 4.0, user) for user in range(200)]
    with ThreadPoolExecutor(16) as pool:
        ends = list(pool.map(lambda one: writer.write([one], LONG), events))
    assert sorted(map(bytes, values(broker))) == sorted(map(encode_message, events))
    places = [place for each in ends for place in each.items()]
    assert len(set(places)) == 200


def test_a_log_that_refuses_is_told_and_opened_anew(
    broker: Broker, writer: LogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next write goes through."""

    def refuse(topic: str) -> None:
        raise BrokerError("the log is away")

    with monkeypatch.context() as patch:
        patch.setattr(broker, "appender", refuse)
        with pytest.raises(BrokerError, match="the log is away"):
            writer.write([event(1, 31, 4.0, 100)], LONG)
    writer.write([event(1, 31, 4.0, 100)], LONG)
    assert len(values(broker)) == 1


def test_a_write_that_was_given_up_in_time_is_not_written_later(
    broker: Broker, writer: LogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another one keeps the log busy, it waits; after its time it is dropped."""
    goes_on, is_busy = threading.Event(), threading.Event()
    open_appender = broker.appender

    def wait(topic: str) -> Any:
        is_busy.set()
        goes_on.wait(LONG)
        return open_appender(topic)

    monkeypatch.setattr(broker, "appender", wait)
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(writer.write, [event(1, 31, 4.0, 100)], LONG)
        assert is_busy.wait(LONG)
        with pytest.raises(BrokerError, match="it was not written"):
            writer.write([event(2, 31, 4.0, 100)], 0.01)
        goes_on.set()
        busy.result()
    writer.close()
    assert len(values(broker)) == 1
    with pytest.raises(BrokerError, match="the server is ending"):
        writer.write([event(2, 31, 4.0, 100)], LONG)


def test_whoever_waits_for_offsets_is_woken_when_all_are_reached() -> None:
    """Not before, and not by another partition's."""
    progress = LogProgress()
    progress.advance({0: 5, 1: 0})
    assert progress.has_seen({0: 5}) and progress.has_seen({0: 3, 1: 0})
    assert not progress.has_seen({0: 6}) and not progress.has_seen({2: 1})
    assert not progress.wait({1: 1}, 0.01)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(progress.wait, {0: 6, 1: 2}, LONG)
        progress.advance({0: 6})
        progress.advance({1: 1})
        assert not waiting.done()
        progress.advance({1: 2})
        assert waiting.result(LONG)
