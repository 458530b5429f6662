"""What Spark reads is what was published, wherever it lies; and a set is made again from it."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyspark", reason="PySpark is not installed")

from cluster_trainer import SHORT, trainer

from events import dismissals, event_columns
from reelstream.engines import blocks
from reelstream.engines.interface import FitContext, FitJob
from reelstream.engines.spark import engine
from reelstream.engines.spark.frames import read_compacted
from reelstream.engines.spark.one_task import fit_task
from reelstream.engines.spark.snapshot import snapshot_task
from reelstream.errors import DamagedError, FitError
from reelstream.ratings.columns import COLUMNS, EventColumns
from reelstream.ratings.histories import Histories
from reelstream.ratings.ids import Ids
from reelstream.ratings.scale import RatingScale
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.snapshot import read_snapshot
from reelstream.storage.work_folder import WorkFolder
from reelstream.training.rebuild import rebuild
from reelstream.training.stores import TrainingStores
from spark_session import publish, session_of, snapshot_job

USERS, ITEMS = np.indices((30, 20)).reshape(2, -1)
RATINGS = event_columns(USERS, ITEMS, (USERS + ITEMS) % 10 / 2 + 0.5, USERS + ITEMS)


def history_of(engine: Any, batches: BatchFolder, out: Path) -> Histories:
    """The snapshot of all batches."""
    out.mkdir(parents=True)
    manifests = batches.manifests()
    engine.write_snapshot(snapshot_job(batches, manifests, out))
    return read_snapshot(out)


def test_a_name_that_looks_like_a_pattern_is_a_name(spark_engine: Any, tmp_path: Path) -> None:
    """Spark would take brackets for a choice of letters, and read the folder beside."""
    wanted = publish(tmp_path / "run[12] {a,b}*?" / "batched_data", [RATINGS])
    beside = publish(tmp_path / "run1 a" / "batched_data", [RATINGS[:7]])
    assert len(history_of(spark_engine, wanted, tmp_path / "wanted")) == len(RATINGS)
    assert len(history_of(spark_engine, beside, tmp_path / "beside")) == 7


def test_a_file_that_changed_without_a_change_of_size_is_named(
    spark_engine: Any, tmp_path: Path
) -> None:
    """Workers hold what they see against the manifest."""
    batches = publish(tmp_path / "batched_data", [RATINGS])
    path = batches.rating_files(batches.manifests()[0])[0]
    path.write_bytes(path.read_bytes().replace(b",0.5,", b",5.0,"))
    with pytest.raises(DamagedError, match=f"{path.name}: its SHA-256 is not that of its manifest"):
        history_of(spark_engine, batches, tmp_path / "history")


def test_a_file_that_spark_passes_over_is_missed(spark_engine: Any, tmp_path: Path) -> None:
    """As it does with what workers do not find when they make the list, or with a hidden file."""
    batches = publish(tmp_path / "batched_data", [RATINGS])
    there = batches.rating_files(batches.manifests()[0])[0]
    passed_over = there.with_name(f"_{there.name}")
    passed_over.write_bytes(there.read_bytes())
    with pytest.raises(FitError, match="must lie on a disk that all of them share"):
        read_compacted(session_of(spark_engine), [there, passed_over], 1)


@pytest.mark.parametrize("rows", [0, 10**6], ids=["many tasks", "one task"])
def test_dismissals_are_kept_as_python_keeps_them(
    spark_engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """They end ratings and are ended by ratings, and are told from deletions."""
    monkeypatch.setattr(engine, "ONE_TASK_ROWS", rows)
    later = [int(RATINGS.timestamp.max()) + 1] * 3
    parts = [
        RATINGS,
        dismissals([3, 3, 99], [5, 6, 7], later),
        event_columns([3, 4, 99], [6, 6, 8], [4.0, np.nan, np.nan], [later[0] + 1] * 3),
    ]
    batches = publish(tmp_path / "batched_data", parts)
    expected = Histories.of(
        EventColumns.concatenate(batches.read(each) for each in batches.manifests())
    )
    found = history_of(spark_engine, batches, tmp_path / "history")
    assert found.dismissed_by(3).tolist() == [5] and found.dismissed_by(99).tolist() == [7]
    for part in ("ratings", "tombstones"):
        for column in COLUMNS:
            want, have = (getattr(getattr(each, part), column) for each in (expected, found))
            np.testing.assert_array_equal(have, want, f"{part}.{column}")


@pytest.mark.parametrize("one_task_ratings", [0, 10**6], ids=["blocks", "one task"])
def test_a_set_is_made_again_the_way_it_was_made(
    spark_engine: Any,
    untrained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    one_task_ratings: int,
) -> None:
    """In blocks or in one task, as its release says, and where workers can write: it comes out bit
    for bit.
    """
    work = Path(shutil.copytree(untrained, tmp_path / "work"))
    monkeypatch.setattr(blocks, "BLOCK_RATINGS", 500)
    trainer(work, spark_engine, one_task_ratings).run_once()
    folder = WorkFolder(work)
    stores = TrainingStores.of(folder)
    for number in (1, 2):
        assert rebuild(number, stores, spark_engine, folder.read_catalog(), work) == []
    assert not list(work.rglob(".tmp-*"))


def test_another_attempt_writes_into_nothing_that_is_read(work: Path, tmp_path: Path) -> None:
    """An executor that was given up may come to an end all the same, while what the next one wrote
    is in use.
    """
    import pyarrow as pa  # noqa: PLC0415  (an extra)

    context = FitContext(
        catalog=WorkFolder(work).read_catalog(), scale=RatingScale(), parameters=SHORT
    )
    out, scratch = tmp_path / "history", tmp_path / "scratch"
    job = FitJob(snapshot=out, batch_rows=len(RATINGS), context=context, previous=None)
    columns = {
        "userId": USERS,
        "movieId": ITEMS,
        "rating": RATINGS.rating,
        "timestamp": RATINGS.timestamp,
    }
    columns |= {"partition": RATINGS.partition, "offset": RATINGS.offset}
    out.mkdir()
    scratch.mkdir()
    ratings = pa.RecordBatch.from_pydict(
        {name: pa.array(column) for name, column in columns.items()}
    )

    def attempt() -> None:
        list(snapshot_task(scratch, out)([ratings]))
        list(fit_task(job, scratch)([ratings]))

    attempt()
    paths = _files(out, scratch)
    before = [path.read_bytes() for path in paths]
    with ExitStack() as files:
        held = [files.enter_context(open(path, "rb")) for path in paths]
        attempt()
        assert [file.read() for file in held] == before == [path.read_bytes() for path in paths]
        assert all(os.fstat(file.fileno()).st_nlink == 0 for file in held), (
            "new files took the names of the old ones"
        )
    assert paths == _files(out, scratch)


def _files(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def test_texts_are_hashed_as_everywhere_else(spark_engine: Any, tmp_path: Path) -> None:
    """In SQL, with quotes, umlauts and leading zeros; an erasure has no item."""
    ids = Ids.of_kinds("text", "text")
    users = [ids.user.read(text) for text in ('Jörg "x", Müßig', "007", "3F2504E0-4F89")]
    items = [ids.item.read(text) for text in ("0155061224", "034545104X")]
    rows = [(user, item, 4.0, 100) for user in users for item in items]
    events = EventColumns.of(*map(list, zip(*rows, strict=True)))
    batches = BatchFolder.in_folder(tmp_path / "batched_data")
    batches.make()
    file = batches.publish_ratings(1, events, ids)
    path = batches.store.local_path(file.name)
    frame = read_compacted(session_of(spark_engine), [path], 1, ("user", "item"))
    assert sorted((row.userId, row.movieId) for row in frame.collect()) == sorted(
        (user, item) for user, item, *_ in rows
    )
