"""Writes events into the log for requests that wait until it has them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice

import structlog

from reelstream.broker.interface import Appender, Broker, SentHeaders
from reelstream.errors import BrokerError
from reelstream.ratings.events import Event
from reelstream.ratings.ids import NUMBERS, Ids
from reelstream.ratings.wire import encode_message

# Events that may wait for the log: further writes are refused at once.
MAX_WAITING_EVENTS = 100_000
# Events in one append: a transaction of this size takes some hundredths of a second.
MAX_APPENDED_EVENTS = 20_000

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class _Write:
    events: Sequence[Event]
    headers: SentHeaders
    done: Future[dict[int, int]] = field(default_factory=Future)


class LogWriter:
    """Appends events to one topic, for many threads.

    One thread appends. What arrives while it waits for the disk or the cluster is appended
    together, so that a disk which takes 5 ms does not limit the server to 200 writes a second.
    """

    def __init__(self, broker: Broker, topic: str, ids: Ids = NUMBERS) -> None:
        """The topic is opened by the first write, and anew after a failure."""
        self._broker, self._topic, self._ids = broker, topic, ids
        self._changed = threading.Condition()
        self._waiting: deque[_Write] = deque()
        self._waiting_events = 0
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self.topic_id = ""
        """The identity of the topic; known once something was written."""
        self.end_offsets: dict[int, int] = {}
        """Partition -> end offset of what was written there last."""
        self.written = 0
        """Events that the log has acknowledged."""

    @property
    def waiting(self) -> int:
        """Events that wait for the log."""
        return self._waiting_events

    def write(
        self, events: Sequence[Event], seconds: float, headers: SentHeaders = ()
    ) -> dict[int, int]:
        """Append events; once the log has them all, return partition -> the end offset of what was
        written there. headers: of each of their records.

        Raises BrokerError when the log refuses them, is too busy, or does not acknowledge them
        within so many seconds. In the last case they may have been written nevertheless.
        """
        write = self._enqueue(_Write(events=events, headers=headers))
        try:
            return write.done.result(seconds)
        except TimeoutError:
            # What is not under way yet will not be written.
            refused = "it was not written" if write.done.cancel() else "it may be written later"
            raise BrokerError(
                f"the log did not take this within {seconds:g} seconds: {refused}"
            ) from None

    def close(self) -> None:
        """Append what waits, then end."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _enqueue(self, write: _Write) -> _Write:
        events = write.events
        with self._changed:
            if self._is_closed:
                raise BrokerError("the server is ending: nothing was written")
            if self._waiting_events + len(events) > MAX_WAITING_EVENTS:
                raise BrokerError("too many ratings wait for the log: nothing was written")
            # Only now: the process that answers is forked after the parts are made.
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="write-to-log", daemon=True)
                self._thread.start()
            self._waiting.append(write)
            self._waiting_events += len(events)
            self._changed.notify()
        return write

    def _run(self) -> None:
        appender: Appender | None = None
        while writes := self._next():
            try:
                if appender is None:
                    appender = self._broker.appender(self._topic)
                    self.topic_id = self._broker.topic_id(self._topic)
                appender = self._append(appender, writes)
            # Any exception: the thread serves every later write.
            except Exception as error:
                _fail(writes, error)
        if appender is not None:
            appender.close()

    def _next(self) -> list[_Write]:
        """The writes that wait, up to MAX_APPENDED_EVENTS; none at the end."""
        writes: list[_Write] = []
        taken = 0
        with self._changed:
            while not writes:
                while not self._waiting:
                    if self._is_closed:
                        return []
                    self._changed.wait()
                while self._waiting and taken < MAX_APPENDED_EVENTS:
                    write = self._waiting.popleft()
                    self._waiting_events -= len(write.events)
                    # Whoever gave up has been told so.
                    if write.done.set_running_or_notify_cancel():
                        writes.append(write)
                        taken += len(write.events)
        return writes

    def _append(self, appender: Appender, writes: Sequence[_Write]) -> Appender | None:
        """Append and tell each writer; the appender for the next time, None after a failure."""
        records = [
            (self._ids.user.key(event.user_id), encode_message(event, self._ids))
            for write in writes
            for event in write.events
        ]
        try:
            headers = [write.headers for write in writes for _ in write.events]
            positions = iter(appender.append(records, headers))
        except BrokerError as error:
            _fail(writes, error)
            # A producer of Kafka takes nothing more after a failure.
            appender.close()
            return None
        self.written += len(records)
        for write in writes:
            ends: dict[int, int] = {}
            for partition, offset in islice(positions, len(write.events)):
                ends[partition] = max(offset + 1, ends.get(partition, 0))
            self.end_offsets = self.end_offsets | ends
            write.done.set_result(dict(sorted(ends.items())))
        return appender


def _fail(writes: Sequence[_Write], error: Exception) -> None:
    log.error("write_failed", error=str(error), exc_info=not isinstance(error, BrokerError))
    for write in writes:
        if not write.done.done():
            write.done.set_exception(error)
