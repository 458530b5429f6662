"""What operators do with a log is the same on each: rejected rows come back once, and the lag is
told.
"""

from __future__ import annotations

from pathlib import Path

from reelstream.broker.interface import Broker
from reelstream.ingest.batch_writer import BatchPolicy, BatchWriter
from reelstream.ingest.requeue import RequeueReport, requeue
from reelstream.monitoring.audit import audit
from reelstream.monitoring.lag import partition_lags
from reelstream.monitoring.status import StatusReader
from reelstream.ratings.events import Rated
from reelstream.ratings.scale import RatingScale
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.requeue_folder import RequeuedRow, RequeueFolder
from reelstream.storage.work_folder import WorkFolder


def send(broker: Broker, topic: str, *values: bytes | None) -> None:
    with broker.producer(topic) as producer:
        for value in values:
            producer.send(value, partition=1)
        producer.flush()


def close_batch(broker: Broker, topic: str, folder: WorkFolder) -> BatchFolder:
    batches = BatchFolder.in_folder(folder.batches)
    policy = BatchPolicy(rows=100, seconds=5.0)
    BatchWriter(broker, topic, batches, RatingScale(), policy, group=topic).run(once=True)
    return batches


def test_rejected_rows_are_requeued_once(broker: Broker, topic: str, tmp_path: Path) -> None:
    """Whatever was in them: text, bytes, nothing."""
    folder = WorkFolder(tmp_path)
    send(broker, topic, b"nonsense", b"\xff", None)
    close_batch(broker, topic, folder)
    rows = [RequeuedRow(1, offset, Rated(offset, 2, 4.0, 1000)) for offset in range(3)]
    queue, checkpoint = (
        RequeueFolder.in_folder(folder.requeued),
        folder.checkpoints / "requeue.json",
    )
    assert requeue(rows, queue, broker, topic, checkpoint) == RequeueReport(3, 0)
    assert requeue(rows, queue, broker, topic, checkpoint) == RequeueReport(0, 3)
    batches = close_batch(broker, topic, folder)
    first, second = batches.manifests()
    assert (first.rejected_rows, second.rows, second.repeats) == (3, 3, 0)
    assert sorted(batches.read(second).user_id.tolist()) == [0, 1, 2]
    assert audit(broker, topic, batches, group=topic).problems == ()


def test_the_lag_of_each_partition(broker: Broker, topic: str, tmp_path: Path) -> None:
    """What the log holds, less what a batch holds."""
    folder = WorkFolder(tmp_path)
    send(broker, topic, b"nonsense", b"nonsense")
    close_batch(broker, topic, folder)
    send(broker, topic, b"nonsense")
    with StatusReader(folder, broker, topic, "http://127.0.0.1:9") as reader:
        topic_id, starts = reader.log_start()
        status = reader.read()
    assert topic_id == broker.topic_id(topic)
    lags = partition_lags(starts, status.end_offsets, status.manifests[-1].next_offsets, {})
    assert [(lag.first, lag.end, lag.unbatched, lag.untrained) for lag in lags] == [
        (0, 0, 0, 0),
        (0, 3, 1, 3),
        (0, 0, 0, 0),
    ]
