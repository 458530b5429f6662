"""Block mode: ratings laid out once, rows drawn where they lie; the local engine's models to a
hair.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from events import deletions_of, event_columns
from reelstream.catalog import Catalog
from reelstream.datasets import detect
from reelstream.engines import blocks
from reelstream.engines.interface import FitParameters
from reelstream.engines.local import LocalEngine
from reelstream.errors import FitError
from reelstream.ratings.columns import EventColumns
from reelstream.storage.batch_files import BatchFolder
from spark_session import bits, fit, forgets, publish, session_of, snapshot_job

QUICK = FitParameters(
    n_factors=4, sweeps=3, burn_in=1, n_draws=2, warm_sweeps=2, warm_burn_in=1, one_task_ratings=0
)


@pytest.fixture
def block_engine(spark_engine: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same engine, which cuts small blocks."""
    monkeypatch.setattr(blocks, "BLOCK_RATINGS", 800)
    monkeypatch.setattr("reelstream.engines.spark.engine.ONE_TASK_ROWS", 0)
    return spark_engine


@pytest.fixture(scope="module")
def catalog(small_dataset: Path) -> Catalog:
    return detect(small_dataset).read_catalog().catalog


@pytest.fixture(scope="module")
def batches(small_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> BatchFolder:
    """Two batches; the second deletes some ratings of the first, and all of one user's, and forgets
    other users."""
    ratings = detect(small_dataset).read_ratings().by_time()
    first, second = ratings[:2000], ratings[2000:]
    gone = first[(np.arange(len(first)) < 50) | (first.user_id == first.user_id[0])]
    deleted = deletions_of(gone, gone.timestamp + 10**6)
    everything = EventColumns.concatenate(
        [forgets(second[::200]), second[second.user_id != first.user_id[0]], deleted]
    )
    return publish(tmp_path_factory.mktemp("batches") / "batched_data", [first, everything])


def test_a_chain_of_sets_agrees_with_the_local_engine(
    block_engine: Any, batches: BatchFolder, catalog: Catalog, tmp_path: Path
) -> None:
    """A cold set and the next; the histories are the same files."""
    manifests = batches.manifests()
    sets = {}
    for engine in (LocalEngine(), block_engine):
        first = fit(engine, tmp_path / engine.name / "1", batches, manifests[:1], catalog, QUICK)
        sets[engine.name] = (
            first,
            fit(engine, tmp_path / engine.name / "2", batches, manifests, catalog, QUICK, first),
        )
    for local, spark in zip(*sets.values(), strict=True):
        assert bits(local)["rating.item_counts"] == bits(spark)["rating.item_counts"]
        np.testing.assert_allclose(spark.rating.draws.means, local.rating.draws.means, atol=0.01)
        np.testing.assert_allclose(
            spark.rating.state.user_rows, local.rating.state.user_rows, atol=0.01
        )
        assert spark.rating.hyperparameters.alpha == pytest.approx(
            local.rating.hyperparameters.alpha, rel=0.01
        )
        assert bits(spark.segment) == bits(local.segment)
        assert spark.like.like_share == local.like.like_share
        np.testing.assert_array_equal(spark.like.item_likes, local.like.item_likes)
    for number in ("1", "2"):
        files = {path.name: path.read_bytes() for path in (tmp_path / "local" / number).iterdir()}
        assert files == {
            path.name: path.read_bytes() for path in (tmp_path / "spark" / number).iterdir()
        }
    assert sorted(path.name for path in (tmp_path / "spark").iterdir()) == ["1", "2"]


def test_the_number_of_tasks_changes_nothing(
    block_engine: Any,
    batches: BatchFolder,
    catalog: Catalog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A seed gives the same set on two cores and on five, and where films come in many small
    parts.
    """
    manifests = batches.manifests()[:1]
    two = fit(block_engine, tmp_path / "two", batches, manifests, catalog, QUICK)
    context = type(session_of(block_engine).sparkContext)
    monkeypatch.setattr(context, "defaultParallelism", 5)
    monkeypatch.setattr("reelstream.engines.spark.block_tasks.MAX_MESSAGE_BYTES", 10_000)
    five = fit(block_engine, tmp_path / "five", batches, manifests, catalog, QUICK)
    assert bits(two) == bits(five)


def test_nothing_to_learn_from_is_said(block_engine: Any, catalog: Catalog, tmp_path: Path) -> None:
    """As the local engine says it."""
    batches = publish(tmp_path / "batched_data", [event_columns([1], [1], [np.nan], [1])])
    with pytest.raises(FitError, match="no rating to learn from"):
        fit(block_engine, tmp_path / "out", batches, batches.manifests(), catalog, QUICK)


def test_a_history_alone_is_written_as_the_local_engine_writes_it(
    block_engine: Any, batches: BatchFolder, catalog: Catalog, tmp_path: Path
) -> None:
    """After an exclusion a snapshot is made without a fit: the same files, also of no ratings at
    all.
    """
    for name, manifests in (("some", batches.manifests()[1:]), ("none", [])):
        for each in (LocalEngine(), block_engine):
            out = tmp_path / each.name / name
            out.mkdir(parents=True)
            each.write_snapshot(snapshot_job(batches, manifests, out))
        files = [
            {path.name: path.read_bytes() for path in (tmp_path / each / name).iterdir()}
            for each in ("local", "spark")
        ]
        assert files[0] == files[1]
