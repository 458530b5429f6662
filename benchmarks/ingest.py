"""How many ratings a second go into Kafka, and out of it into batch files?

A broker on this machine, a million simulated ratings, everything in processes of one machine with
as many cores as it has. Three passes, each of: `produce` from the file into the topic;
`batch --once` from its start into files, manifests and hashes; and as the peer a plain consumer, as
one writes it first: poll, json.loads, csv.writer, auto-commit. The client alone, which reads and
throws away, is the limit of anything built on it. Medians of the passes.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from common import ROOT, at_least, at_most, finish, free_ports, parser
from reelstream.broker import open_broker
from reelstream.broker.interface import Broker
from reelstream.datasets import Dataset, detect, simulate
from reelstream.errors import BrokerError
from reelstream.ingest.batch_writer import BatchPolicy, BatchWriter
from reelstream.ingest.producer import ProduceOptions, produce
from reelstream.monitoring.audit import audit
from reelstream.storage.batch_files import BatchFolder

BATCH_ROWS = 100_000
LEAST_PRODUCED = 150_000
LEAST_BATCHED = 250_000
LEAST_TIMES_PLAIN = 2.0
WARM_ROWS = 20_000
START_SECONDS = 180


def main() -> int:
    """Measure, judge, write."""
    options = parser(__doc__)
    options.add_argument(
        "--rows", type=int, default=1_000_000, help="ratings in a pass [default: 1000000]"
    )
    options.add_argument("--passes", type=int, default=3, help="default: 3")
    arguments = options.parse_args()
    is_whole = (arguments.rows, arguments.passes) == (1_000_000, 3)
    with tempfile.TemporaryDirectory() as scratch, local_kafka(Path(scratch) / "kafka") as url:
        folder = Path(scratch)
        simulate(folder / "warm", users=200, items=500, ratings=WARM_ROWS, seed=1)
        simulate(folder / "data", users=6000, items=4000, ratings=arguments.rows, seed=1)
        with open_broker(url) as broker:
            # imports, compilers, connections
            measure(broker, url, detect(folder / "warm"), folder / "w")
            passes = [
                measure(broker, url, detect(folder / "data"), folder / str(number))
                for number in range(arguments.passes)
            ]
    results = {name: median(each[name] for each in passes) for name in passes[0]} | {
        "rows": arguments.rows
    }
    times_plain = median(each["batch_per_s"] / each["plain_consumer_per_s"] for each in passes)
    bars = [
        at_least("ratings a second into Kafka", results["produce_per_s"], LEAST_PRODUCED),
        at_least(
            "ratings a second from Kafka into batch files", results["batch_per_s"], LEAST_BATCHED
        ),
        at_least("times as many as a plain consumer", times_plain, LEAST_TIMES_PLAIN),
        at_most("problems found by the audit", results["audit_problems"], 0),
    ]
    return finish("ingest", results, bars, packages=["confluent-kafka", "msgspec"], keep=is_whole)


def measure(broker: Broker, url: str, dataset: Dataset, folder: Path) -> dict[str, float]:
    """One pass on a topic of its own."""
    topic, rows = f"bench-{uuid.uuid4().hex}", dataset.rows("file")
    n = len(rows)
    batches = BatchFolder.in_folder(folder)
    options = ProduceOptions(checkpoint=folder / "producer.json", order="time", partitions=3)
    made = clock("produce", n, lambda: produce(dataset, broker, topic, options))
    writer = BatchWriter(
        broker,
        topic,
        batches,
        dataset.scale,
        BatchPolicy(rows=BATCH_ROWS, seconds=5.0),
        group="batch-writer",
    )
    made |= clock("batch", n, lambda: writer.run(once=True))
    made |= clock("plain_consumer", n, lambda: consume_plainly(url, topic, n, folder / "plain.csv"))
    made |= clock("client", n, lambda: consume_only(url, topic, n))
    held = sum(manifest.rows for manifest in batches.manifests())
    made["audit_problems"] = len(audit(broker, topic, batches).problems) + abs(held - n)
    print({name: round(value, 2) for name, value in made.items()}, flush=True)
    return made


def clock(name: str, n: int, work: Callable[[], object]) -> dict[str, float]:
    """How many a second, and the CPU seconds of this thread and of all threads of this process."""
    wall, thread, process = time.perf_counter(), time.thread_time(), time.process_time()
    work()
    return {
        f"{name}_per_s": n / (time.perf_counter() - wall),
        f"{name}_python_cpu_s": time.thread_time() - thread,
        f"{name}_process_cpu_s": time.process_time() - process,
    }


def consume_plainly(url: str, topic: str, n: int, path: Path) -> None:
    """The peer: what a first consumer looks like."""
    with (
        consumer(url, topic, {"enable.auto.commit": True}) as client,
        open(path, "w", newline="") as file,
    ):
        writer = csv.writer(file)
        read = 0
        while read < n:
            message = client.poll(1.0)
            if message is None or message.error():
                continue
            rating = json.loads(message.value() or b"")
            writer.writerow(
                [rating["userId"], rating["movieId"], rating["rating"], rating["timestamp"]]
            )
            read += 1


def consume_only(url: str, topic: str, n: int) -> None:
    """What the client can do at most."""
    with consumer(url, topic, {"enable.auto.commit": False}) as client:
        read = 0
        while read < n:
            read += len(client.consume(min(500, n - read), 1.0))


@contextmanager
def consumer(url: str, topic: str, settings: Mapping[str, Any]) -> Iterator[Consumer]:
    """A consumer of the whole topic from its start, in a group that nobody has used; the waits are
    as short as ours.
    """
    servers = url.removeprefix("kafka://")
    client = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": uuid.uuid4().hex,
            "fetch.queue.backoff.ms": 5,
            **settings,
        }
    )
    client.assign([TopicPartition(topic, partition, 0) for partition in range(3)])
    try:
        yield client
    finally:
        client.close()


@contextmanager
def local_kafka(data: Path) -> Iterator[str]:
    """A broker of its own on free ports; its URL."""
    port, controller_port = free_ports(2)
    ports = ["--port", str(port), "--controller-port", str(controller_port)]
    command = [sys.executable, str(ROOT / "tools" / "local_kafka.py"), "--data", str(data), *ports]
    broker = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    url, deadline = f"kafka://127.0.0.1:{port}", time.monotonic() + START_SECONDS
    try:
        while True:
            try:
                open_broker(url).close()
                break
            except BrokerError:
                if broker.poll() is not None or time.monotonic() > deadline:
                    print("no broker: `make kafka` says why", file=sys.stderr)
                    raise SystemExit(2) from None
        yield url
    finally:
        os.killpg(broker.pid, signal.SIGKILL)
        broker.wait()


if __name__ == "__main__":
    sys.exit(main())
