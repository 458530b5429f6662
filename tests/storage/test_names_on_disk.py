"""The names of files and keys on disk: whatever the code calls these things, they stay.

Work folders of earlier versions are read with them. A name may be added here; one that changes or
goes needs a migration, with a test of its own.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mean_engine import TrainingWorld, close_batch, work_folder
from reelstream.ratings.events import Rated
from reelstream.storage.batch_files import BatchFile, BatchFolder, RejectedRow
from reelstream.storage.requeue_folder import RequeuedRow, RequeueFolder

pytestmark = pytest.mark.xdist_group("names on disk")  # the folder is made once

COLUMNS = ("user_id", "item_id", "rating", "timestamp", "partition", "offset")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> TrainingWorld:
    """Two sets trained on two batches, a third batch, and set 1 pinned."""
    world = work_folder(tmp_path_factory.mktemp("work"))
    world.registry.activate(1)
    return world


def content(path: Path) -> Any:
    return json.loads(path.read_bytes())


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_a_work_folder(world: TrainingWorld) -> None:
    """What lies where."""
    root = world.root
    assert names(root) == {"batched_data", "history", "models", "films.json", "work.json"}
    assert names(root / "models") == {
        "CURRENT",
        "PINNED",
        *(f"release_{number}.json" for number in (1, 2)),
        *(
            f"{family}_model_set_{number}"
            for family in ("regression", "classification", "clustering", "choice")
            for number in (1, 2)
        ),
    }
    manifests = {f"manifest_{number}.1.json" for number in (1, 2, 3)}
    assert manifests | {"writer"} < names(root / "batched_data")
    batches = names(root / "batched_data") - manifests - {"writer"}
    assert len(batches) == 3
    assert all(re.fullmatch(r"movielens_batch_\d+_[123]\.csv", name) for name in batches)
    assert names(root / "history") == {"CURRENT", "1", "2"}


def test_a_release(world: TrainingWorld) -> None:
    """The offsets that live learning continues from are called trained_through there."""
    release = content(world.root / "models" / "release_2.json")
    assert sorted(release) == [
        "champion",
        "checksums",
        "created_at",
        "engine",
        "excluded",
        "excluded_offsets",
        "folders",
        "format",
        "gate",
        "holdout",
        "holdout_rule",
        "manifests",
        "number",
        "parameters",
        "record",
        "scale",
        "seed",
        "trained_through",
        "versions",
    ]
    assert sorted(release["trained_through"]) == ["0", "1"]
    assert set(release["gate"]) == {"verdict", "reason", "earlier", "batches", "ranking"}
    assert set(release["holdout"]) == {
        "n",
        "rmse",
        "mae",
        "auc",
        "log_loss",
        "ece",
        "log_likelihood",
        "coverage_1sd",
        "coverage_2sd",
        "ndcg_10",
    }
    assert set(release["record"][0]) == {
        "batch",
        "model_set",
        "live",
        "static",
        "live_users",
        "biases",
        "global_mean",
        "windows",
        "ranking",
    }
    assert sorted(release["scale"]) == ["highest", "like_threshold", "lowest", "step"]
    assert sorted(release["parameters"]) == [
        "burn_in",
        "n_audience",
        "n_draws",
        "n_factors",
        "one_task_ratings",
        "seed",
        "sweeps",
        "use_times",
        "warm_burn_in",
        "warm_sweeps",
    ]
    assert set(release["folders"]) == {"regression", "classification", "clustering", "choice"}


@pytest.mark.parametrize("pointer", ["models/CURRENT", "models/PINNED", "history/CURRENT"])
def test_pointers(world: TrainingWorld, pointer: str) -> None:
    """Each names what it points to by its number."""
    assert sorted(content(world.root / pointer)) == ["format", "number"]


def test_the_rating_model(world: TrainingWorld) -> None:
    """The session effect was called mood when the first sets were published."""
    folder = world.root / "models" / "regression_model_set_1"
    assert names(folder) == {
        "model.json",
        "item_ids.npy",
        "item_counts.npy",
        *(
            f"draws_{name}.npy"
            for name in (
                "drawn",
                "means",
                "covs",
                "item_weights",
                "item_precision",
                "user_mean",
                "exposure",
                "user_precision",
                "alpha",
                "mood_variance",
                "mood_rate",
                "echo",
            )
        ),
        *(
            f"chain_{name}.npy"
            for name in (
                "user_ids",
                "user_rows",
                "user_noise",
                "mood_scale",
                "prior_weight",
                "item_rows",
            )
        ),
    }
    about = content(folder / "model.json")
    assert sorted(about) == ["format", "genres", "hyperparameters", "mean", "seed", "sweeps"]
    assert sorted(about["hyperparameters"]) == [
        "alpha",
        "echo",
        "exposure_precision",
        "item_precisions",
        "mood_rate",
        "mood_scale_sd",
        "mood_variance",
        "noise_shape",
        "prior_shape",
    ]


def test_the_like_model(world: TrainingWorld) -> None:
    folder = world.root / "models" / "classification_model_set_1"
    assert names(folder) == {"model.json", "item_ids.npy", "item_ratings.npy", "item_likes.npy"}
    assert sorted(content(folder / "model.json")) == [
        "centre",
        "format",
        "intercept",
        "like_share",
        "scale",
        "threshold",
        "variance_centre",
        "variance_scale",
        "variance_weights",
        "weights",
    ]


def test_the_segment_model(world: TrainingWorld) -> None:
    folder = world.root / "models" / "clustering_model_set_1"
    assert names(folder) == {
        "model.json",
        "average.npy",
        "centre.npy",
        "scale.npy",
        "centroids.npy",
    }
    about = content(folder / "model.json")
    assert sorted(about) == ["format", "genres", "segments", "users_when_counted"]
    assert sorted(about["segments"][0]) == [
        "genres",
        "item_ids",
        "label",
        "mean",
        "number",
        "ratings",
        "size",
        "spread",
    ]


def test_a_history_snapshot(world: TrainingWorld) -> None:
    """Tombstones lie in files called deletions, and they alone with their kinds."""
    folder = world.root / "history" / "2"
    arrays = {f"{part}_{name}.npy" for part in ("ratings", "deletions") for name in COLUMNS}
    arrays.add("deletions_kind.npy")
    assert names(folder) == {"meta.json", "user_ids.npy", "starts.npy", *arrays}
    assert np.load(folder / "ratings_rating.npy").dtype == np.float32
    assert sorted(content(folder / "meta.json")) == [
        "excluded",
        "format",
        "manifests",
        "n_ratings",
        "n_users",
        "next_offsets",
        "number",
    ]


def test_a_manifest(world: TrainingWorld) -> None:
    manifest = content(world.root / "batched_data" / "manifest_1.1.json")
    assert sorted(manifest) == [
        "closed_at",
        "erased",
        "erasures",
        "files",
        "format",
        "histogram",
        "lost",
        "names",
        "next_offsets",
        "number",
        "partitions",
        "rejected",
        "repeats",
        "revision",
        "sources",
        "supersedes",
        "text_ids",
        "topic_id",
    ]
    assert sorted(manifest["files"][0]) == ["bytes", "name", "rows", "sha256"]
    assert sorted(manifest["partitions"]["0"]) == ["first", "next"]


def test_rejected_and_requeued_rows(tmp_path: Path) -> None:
    """Both are lines of JSON that name the record that was rejected."""
    batches = BatchFolder.in_folder(tmp_path)
    batches.make()
    rejected: BatchFile = batches.publish_rejected(
        1, [RejectedRow("no rating", 0, 7, 1, b"x", "x")]
    )
    assert sorted(content(tmp_path / rejected.name)) == [
        "offset",
        "partition",
        "raw",
        "reason",
        "text",
        "timestamp",
    ]
    folder = RequeueFolder.in_folder(tmp_path / "requeued")
    (tmp_path / "requeued").mkdir()
    number = folder.publish([RequeuedRow(0, 7, Rated(1, 2, 4.0, 1000))])
    folder.mark_sent(number)
    assert names(tmp_path / "requeued") == {"requeued_1.jsonl", "SENT"}
    row = content(tmp_path / "requeued" / "requeued_1.jsonl")
    assert row == {
        "partition": 0,
        "offset": 7,
        "rating": {"user_id": 1, "item_id": 2, "rating": 4.0, "timestamp": 1000},
    }
    assert sorted(content(tmp_path / "requeued" / "SENT")) == ["format", "number"]


def test_excluded_batches_and_pruned_sets(tmp_path: Path) -> None:
    """Which batches a person left out, and the note that a set is gone on purpose."""
    world = TrainingWorld(tmp_path)
    for _ in range(2):
        close_batch(world.batches, 2000)
    world.trainer.run_once()
    world.batches.exclude(1)
    assert content(tmp_path / "batched_data" / "excluded.json") == {"batches": [1], "format": 1}
    world.registry.prune(keep=1)
    assert sorted(content(tmp_path / "models" / "pruned_1.json")) == ["format", "pruned_at"]
