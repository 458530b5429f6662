"""One Spark session for all tests that need one, and what they hand to an engine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from events import event_columns
from reelstream.catalog import Catalog
from reelstream.engines.interface import (
    Engine,
    FitContext,
    FitJob,
    FitParameters,
    SnapshotJob,
)
from reelstream.models.bundle import ModelBundle
from reelstream.ratings.columns import NO_ITEM, EventColumns
from reelstream.ratings.scale import RatingScale
from reelstream.storage.batch_files import BatchFolder, Manifest, OffsetRange
from spark_cluster import QUICK_START

CONF = {
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": QUICK_START,
    "spark.sql.shuffle.partitions": "2",
}


@pytest.fixture(scope="session")
def spark_engine() -> Iterator[Any]:
    """An engine on two cores of this machine, its session started."""
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, and there is none")
    from reelstream.engines.spark.engine import SparkEngine  # noqa: PLC0415  (an extra)

    engine = SparkEngine("local[2]", CONF)
    engine.prepare()
    yield engine
    session_of(engine).stop()


def session_of(engine: Any) -> Any:
    """The session that the engine works in; started anew if it was stopped."""
    from pyspark.sql import SparkSession  # noqa: PLC0415  (an extra)

    engine.prepare()
    return SparkSession.active()


def publish(folder: Path, parts: list[EventColumns]) -> BatchFolder:
    """A batch of each part, as if one partition had carried them."""
    batches = BatchFolder.in_folder(folder)
    batches.make()
    first = 0
    for number, part in enumerate(parts, 1):
        after = first + len(part)
        placed = replace(
            part, partition=np.zeros(len(part), np.int32), offset=np.arange(first, after)
        )
        batches.publish_manifest(
            Manifest(
                number=number,
                topic_id="a-topic",
                files=(batches.publish_ratings(number, placed),),
                rejected=None,
                partitions={0: OffsetRange(first, after)},
                next_offsets={0: after},
                sources={},
                repeats=0,
                closed_at=0,
            )
        )
        first = after
    return batches


def forgets(ratings: EventColumns) -> EventColumns:
    """The wish of each rating's user to be forgotten at that moment."""
    n = len(ratings)
    return event_columns(
        ratings.user_id, np.full(n, NO_ITEM), np.full(n, np.nan), ratings.timestamp
    )


def fit(
    engine: Engine,
    out: Path,
    batches: BatchFolder,
    manifests: list[Manifest],
    catalog: Catalog,
    parameters: FitParameters,
    previous: ModelBundle | None = None,
) -> ModelBundle:
    """A fit of these batches whose history lands in `out`."""
    out.mkdir(parents=True)
    engine.write_snapshot(snapshot_job(batches, manifests, out))
    return engine.fit(
        FitJob(
            snapshot=out,
            batch_rows=sum(manifest.rows for manifest in manifests),
            context=FitContext(catalog=catalog, scale=RatingScale(), parameters=parameters),
            previous=previous,
        )
    )


def snapshot_job(batches: BatchFolder, manifests: list[Manifest], out: Path) -> SnapshotJob:
    """A snapshot of these batches, made from them alone."""
    return SnapshotJob(
        batches=batches, manifests=manifests, base=None, new_manifests=manifests, out=out
    )


def bits(model: Any) -> dict[str, Any]:
    """All that a model or a bundle of models holds, arrays as bytes, by name."""
    if isinstance(model, Mapping):
        parts = dict(model)
    else:
        parts = {field.name: getattr(model, field.name) for field in fields(model)}
    found: dict[str, Any] = {}
    for name, value in parts.items():
        if isinstance(value, np.ndarray):
            found[name] = (value.dtype, value.shape, value.tobytes())
        elif hasattr(value, "ids"):
            found[name] = value.ids.tobytes()
        elif is_dataclass(value):
            found |= {f"{name}.{part}": inner for part, inner in bits(value).items()}
        else:
            found[name] = value
    return found
