"""`reelstream run` through a real Kafka does what it does through the embedded log."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from pipeline_process import audit, reelstream

from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.work_folder import WorkFolder

RUN = (
    "--partitions",
    1,
    "--batch-rows",
    1500,
    "--batch-seconds",
    1000,
    "--no-ui",
    "--port",
    0,
    "--until-set",
    2,
    "--json",
)


def test_a_run_on_kafka_gives_what_the_embedded_log_gives(
    kafka_url: str, small_dataset: Path, tmp_path: Path
) -> None:
    """With one partition: the same batch files to the byte, and model sets with the same scores to
    three digits.
    """
    logs = {
        "embedded": (),
        "kafka": ("--broker", kafka_url, "--topic", f"t{uuid4().hex}", "--kafka", "client.id=test"),
    }
    for name, log in logs.items():
        done = reelstream("run", "--data", small_dataset, "--work", tmp_path / name, *RUN, *log)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["model_set"] == 2
        assert audit(tmp_path / name)["batched_rows"] == 3000
    embedded, kafka = (WorkFolder(tmp_path / name) for name in logs)
    files = [
        [
            (manifest.partitions, manifest.sources, manifest.files[0].sha256)
            for manifest in BatchFolder.in_folder(each.batches).manifests()
        ]
        for each in (embedded, kafka)
    ]
    assert files[0] == files[1]
    assert len(files[0]) == 2
    for one, other in zip(
        *(ModelSetStore.in_folder(each.models).all_releases() for each in (embedded, kafka)),
        strict=True,
    ):
        assert one.trained_end_offsets == other.trained_end_offsets
        for score in ("rmse", "auc", "log_loss"):
            assert getattr(one.holdout, score) == pytest.approx(
                getattr(other.holdout, score), abs=5e-4
            )


def test_settings_reach_every_stage(kafka_url: str, small_dataset: Path, tmp_path: Path) -> None:
    """A setting of Kafka's client that a run was given is its stages' as well: a wrong one ends it,
    with its name.
    """
    wrong = ("--kafka", "sasl.mechanizm=PLAIN")
    done = reelstream(
        "run",
        "--data",
        small_dataset,
        "--work",
        tmp_path / "work",
        *RUN,
        "--broker",
        kafka_url,
        *wrong,
    )
    assert done.returncode == 2
    assert "sasl.mechanizm" in done.stderr
    assert not (tmp_path / "work").exists()
