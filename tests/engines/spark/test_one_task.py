"""One-task mode: Spark prepares, one task fits, and nothing shows that it was not the local
engine.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from events import deletions_of, event_columns
from reelstream.catalog import Catalog
from reelstream.datasets import detect
from reelstream.engines.interface import FitParameters
from reelstream.engines.local import LocalEngine
from reelstream.errors import DamagedError, FitError
from reelstream.models.bundle import ModelBundle
from reelstream.models.registry import save_bundle
from reelstream.ratings.columns import EventColumns
from reelstream.storage.batch_files import BatchFolder
from spark_session import bits, fit, forgets, publish

QUICK = FitParameters(n_factors=4, sweeps=24, burn_in=12, n_draws=3, warm_sweeps=12, warm_burn_in=6)


@pytest.fixture(scope="module")
def catalog(small_dataset: Path) -> Catalog:
    return detect(small_dataset).read_catalog().catalog


@pytest.fixture(scope="module")
def batches(small_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> BatchFolder:
    """Two batches; the second rates films again, deletes ratings, forgets users, and brings some
    that are late."""
    ratings = detect(small_dataset).read_ratings().by_time()
    first, second = ratings[:2000], ratings[2000:]
    again, gone, late = first[:200], first[200:300], first[300:350]
    changed = replace(
        again, rating=(again.rating % 5 + 0.5).astype(np.float32), timestamp=again.timestamp + 10**6
    )
    deleted = deletions_of(gone, gone.timestamp + 10**6)
    older = replace(
        late, rating=np.full(len(late), 0.5, np.float32), timestamp=late.timestamp - 10**6
    )
    everything = EventColumns.concatenate([second, changed, deleted, older, forgets(second[::200])])
    return publish(tmp_path_factory.mktemp("batches") / "batched_data", [first, everything])


def test_a_chain_of_sets_equals_the_local_engine_bit_for_bit(
    spark_engine: Any, batches: BatchFolder, catalog: Catalog, tmp_path: Path
) -> None:
    """A cold set and the next, which goes on from it: every array, every number, every file of the
    history.
    """
    manifests = batches.manifests()
    sets: dict[str, list[ModelBundle]] = {}
    for engine in (LocalEngine(), spark_engine):
        first = fit(engine, tmp_path / engine.name / "1", batches, manifests[:1], catalog, QUICK)
        second = fit(
            engine, tmp_path / engine.name / "2", batches, manifests, catalog, QUICK, first
        )
        sets[engine.name] = [first, second]
    for local, spark in zip(*sets.values(), strict=True):
        assert bits(local) == bits(spark)
    for number in ("1", "2"):
        files = {path.name: path.read_bytes() for path in (tmp_path / "local" / number).iterdir()}
        assert files == {
            path.name: path.read_bytes() for path in (tmp_path / "spark" / number).iterdir()
        }
    assert sorted(path.name for path in (tmp_path / "spark").iterdir()) == ["1", "2"]


def test_nothing_to_learn_from_is_said_as_the_local_engine_says_it(
    spark_engine: Any, catalog: Catalog, tmp_path: Path
) -> None:
    """An error of the task arrives as what it is."""
    deletions = event_columns([1], [1], [np.nan], [1])
    batches = publish(tmp_path / "batched_data", [deletions])
    with pytest.raises(FitError, match="no rating to learn from"):
        fit(spark_engine, tmp_path / "out", batches, batches.manifests(), catalog, QUICK)


def test_a_batch_file_that_is_not_the_published_one_is_named(
    spark_engine: Any, catalog: Catalog, tmp_path: Path
) -> None:
    """Cut short, then gone."""
    batches = publish(
        tmp_path / "batched_data", [event_columns([1, 1], [1, 2], [3.0, 4.0], [1, 2])]
    )
    [manifest] = batches.manifests()
    path = tmp_path / "batched_data" / manifest.files[0].name
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DamagedError, match=f"{path.name}: its size"):
        fit(spark_engine, tmp_path / "cut", batches, [manifest], catalog, QUICK)
    path.unlink()
    with pytest.raises(DamagedError, match=f"{path.name}: it is missing"):
        fit(spark_engine, tmp_path / "gone", batches, [manifest], catalog, QUICK)


def test_a_server_of_sets_from_spark_never_imports_it(
    spark_engine: Any, batches: BatchFolder, catalog: Catalog, tmp_path: Path
) -> None:
    """The set is published, loaded and asked in a process of its own."""
    manifest = batches.manifests()[0]
    models = fit(spark_engine, tmp_path / "history", batches, [manifest], catalog, QUICK)
    catalog.write(tmp_path / "films.json")
    save_bundle(models, tmp_path)
    said = subprocess.run(
        [sys.executable, "-c", ASKS, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.split() == ["answered", "without"]


ASKS = """
import sys
from pathlib import Path
import numpy as np
import reelstream.api.app, reelstream.cli.api_process, reelstream.serving.live_updates
from reelstream.catalog import Catalog
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.models.registry import load_saved_bundle
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.scale import RatingScale

root = Path(sys.argv[1])
asked = ModelSet(
    number=1,
    models=load_saved_bundle(root),
    catalog=Catalog.read(root / "films.json"),
    scale=RatingScale(),
    trained_on=TrainedOn({0: 10**9}, {}),
)
answers = asked.predict(asked.fold_in(EventColumns.empty()), asked.rating.item_ids[:1], 0)
print("answered" if np.isfinite(answers.mean).all() else "failed")
packages = {name.partition(".")[0] for name in sys.modules}
print("with" if packages & {"pyspark", "py4j"} else "without")
"""
