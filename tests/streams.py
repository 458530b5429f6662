"""A stream in a folder, as tests drive it: a data set, a log, batches, and the promise that holds
them together.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reelstream.broker import open_broker
from reelstream.broker.interface import Broker
from reelstream.datasets import Dataset
from reelstream.ingest.batch_writer import BatchPolicy, BatchWriter
from reelstream.ingest.producer import ProduceOptions, ProduceReport, produce
from reelstream.monitoring.audit import AuditReport, audit
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.ids import Ids
from reelstream.storage.batch_files import BatchFolder, RejectedRow

TOPIC = "ratings"


@dataclass(frozen=True)
class Stream:
    """Everything of one stream; each call opens the log anew, as a process would."""

    root: Path
    dataset: Dataset
    topic: str = TOPIC
    kafka_url: str | None = None
    kafka: Mapping[str, str] = field(default_factory=dict)
    """Settings of Kafka's client."""

    @property
    def url(self) -> str:
        return self.kafka_url or f"sqlite:{self.root / 'log.db'}"

    @property
    def batches(self) -> BatchFolder:
        return BatchFolder.in_folder(self.batches_path)

    @property
    def batches_path(self) -> Path:
        return self.root / "batched_data"

    def make_topic(self) -> None:
        """Before the first producer does."""
        with open_broker(self.url, self.kafka) as broker:
            broker.ensure_topic(self.topic, 3)

    def produce(self, **options: Any) -> ProduceReport:
        with open_broker(self.url, self.kafka) as broker:
            callbacks = {
                name: options.pop(name) for name in ("stop", "on_progress") if name in options
            }
            given = {"order": "time", "partitions": 3, **options}
            how = ProduceOptions(checkpoint=self.root / "producer.json", **given)
            return produce(self.dataset, broker, self.topic, how, **callbacks)

    def writer(self, broker: Broker, *, lease_seconds: float = 0.3, **options: Any) -> BatchWriter:
        return BatchWriter(
            broker,
            self.topic,
            self.batches,
            self.dataset.scale,
            BatchPolicy(**{"rows": 500, "seconds": 5.0, **options}),
            group="batch-writer",
            ids=Ids.of_kinds(*self.dataset.ids.kinds),
            lease_seconds=lease_seconds,
        )

    def batch(self, **options: Any) -> None:
        """Write batches of all that the log holds."""
        with open_broker(self.url, self.kafka) as broker:
            self.writer(broker, **options).run(once=True)

    def audit(self, releases: Any = ()) -> AuditReport:
        with open_broker(self.url, self.kafka) as broker:
            return audit(broker, self.topic, self.batches, releases)

    def ratings(self) -> EventColumns:
        folder = self.batches
        return EventColumns.concatenate(folder.read(manifest) for manifest in folder.manifests())

    def rejected(self) -> list[RejectedRow]:
        folder = self.batches
        return [row for manifest in folder.manifests() for row in folder.read_rejected(manifest)]

    def assert_exactly_once(self) -> None:
        """Every row of the data set is in a batch, or among its rejected rows, once; the audit is
        clean.
        """
        assert self.audit().problems == ()
        rows = list(self.dataset.rows("file"))
        sent = Counter(
            (
                row.event.user_id,
                row.event.item_id,
                float(np.float32(row.event.rating)),
                row.event.timestamp,
            )
            for row in rows
            if row.event is not None and row.event.rating is not None
        )
        held = self.ratings()
        columns = (held.user_id, held.item_id, held.rating, held.timestamp)
        assert Counter(zip(*(column.tolist() for column in columns), strict=True)) == sent
        raw = Counter(row.raw for row in rows if not row.event)
        assert Counter(row.raw for row in self.rejected()) == raw
        places = np.stack([held.partition, held.offset])
        assert len(np.unique(places, axis=1).T) == len(held)
