"""`reelstream log`: topics and records as the log holds them."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from reelstream.broker import open_broker
from reelstream.broker.interface import Broker, Record
from reelstream.broker.reading import READ_RECORDS, READ_SECONDS, read_between
from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE
from reelstream.cli.factories import open_log, open_work_folder
from reelstream.cli.options import Json
from reelstream.cli.output import print_json, print_table, utc
from reelstream.cli.stopping import stop_on_signals
from reelstream.errors import SettingError
from reelstream.settings import Settings
from reelstream.storage.work_folder import DEFAULT_TOPIC

_SQLITE = "sqlite:"

Lines = Annotated[
    int, typer.Option("--records", "-n", metavar="N", min=0, help="How many of the newest records.")
]
Partition = Annotated[
    int | None, typer.Option(metavar="P", min=0, help="Of this partition only.  [default: of all]")
]
Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Show those that come too, until Ctrl-C.")
]
JsonLines = Annotated[bool, typer.Option("--json", help="Print one line of JSON for each record.")]


@with_settings("work", "broker.url", "kafka")
def topics(settings: Settings, as_json: Json = False) -> int:
    """List the topics of the log."""
    with _opened(settings) as (log, _):
        listed = [
            {
                "topic": name,
                "partitions": len(ends := log.end_offsets(name)),
                "records": sum(ends.values()) - sum(log.start_offsets(name).values()),
            }
            for name in log.topics()
        ]
    if as_json:
        print_json({"topics": listed})
    else:
        columns = ["topic", "partitions", "records"]
        print_table(columns, [[each[name] for name in columns] for each in listed])
    return DONE


@with_settings("work", "broker.url", "broker.topic", "kafka")
def tail(
    settings: Settings,
    records: Lines = 10,
    partition: Partition = None,
    follow: Follow = False,
    as_json: JsonLines = False,
) -> int:
    """Print the newest records of a topic, oldest first."""
    with _opened(settings) as (log, topic), stop_on_signals() as stop:
        starts, ends = log.start_offsets(topic), log.end_offsets(topic)
        if partition is not None:
            if partition not in ends:
                raise SettingError(
                    f"the topic {topic!r} has no partition {partition}: "
                    f"name one from 0 to {max(ends)} with --partition"
                )
            ends = {partition: ends[partition]}
        firsts = {each: max(starts[each], end - records) for each, end in ends.items()}
        chunks = read_between(log, topic, firsts, ends)
        # Partitions have no common order but that of the times at which the log took the records.
        newest = heapq.nlargest(records, (each for chunk in chunks for each in chunk), key=_when)
        _print(sorted(newest, key=_when), as_json=as_json)
        if follow:
            _follow(log, topic, ends, stop, as_json=as_json)
    return DONE


def _follow(
    log: Broker, topic: str, ends: dict[int, int], stop: threading.Event, *, as_json: bool
) -> None:
    with log.consumer(topic) as consumer:
        consumer.seek(ends)
        while not stop.is_set():
            _print(consumer.poll(READ_RECORDS, READ_SECONDS), as_json=as_json)


def _when(record: Record) -> tuple[int, int, int]:
    return record.timestamp, record.partition, record.offset


def _print(records: Iterable[Record], *, as_json: bool) -> None:
    for record in records:
        key, value = _text(record.key), _text(record.value)
        if as_json:
            headers = {name: _text(each) for name, each in record.headers}
            print_json(
                {
                    "partition": record.partition,
                    "offset": record.offset,
                    "timestamp": record.timestamp,
                    "key": key,
                    "value": value,
                    "headers": headers,
                }
            )
        else:
            place = f"{record.partition}:{record.offset}"
            typer.echo(f"{place:<12} {utc(record.timestamp / 1000)}  {value}")


def _text(value: bytes | None) -> str | None:
    # What another program sent need not be text: it is shown, not refused.
    return None if value is None else value.decode("utf-8", "backslashreplace")


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Broker, str]]:
    """The log that is named, or else the work folder's; and the topic in question."""
    url = settings.broker.url
    if url is None:
        _, binding = open_work_folder(settings)
        with open_log(binding, settings.kafka) as log:
            yield log, binding.topic
        return
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).exists():
        raise SettingError(f"--broker {url!r}: there is no such file")
    with open_broker(url, settings.kafka) as log:
        yield log, settings.broker.topic or DEFAULT_TOPIC
