"""The steps of each commit protocol, in their order, as failpoints name them.

`test_failpoints.py` holds them against what an undisturbed run reaches. A new step fails it until
it is listed here, and what is listed here is killed.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from reelstream import failpoints

RATINGS_1 = "batched_data/movielens_batch_*_1.csv"
MANIFEST_1 = "batched_data/manifest_1.1.json"
MANIFEST_2 = "batched_data/manifest_2.1.json"
CHECKPOINT = "work/producer.json"

PRODUCER = [
    "resume_point_found",
    f"file_synced@{CHECKPOINT}",
    f"pointer_replaced@{CHECKPOINT}",
    "rows_sent",
    "records_inserted",
    "records_committed",
    "rows_flushed",
]
"""The checkpoint is then replaced again, and so on."""

BATCH_WRITER = [
    "records_added",
    f"file_synced@{RATINGS_1}",
    f"file_linked@{RATINGS_1}",
    f"file_published@{RATINGS_1}",
    f"file_synced@{MANIFEST_1}",
    f"file_linked@{MANIFEST_1}",
    f"file_published@{MANIFEST_1}",
    "offsets_committed",
]
"""Of the first batch."""

REDRIVE = [
    "file_synced@requeued/requeued_1.jsonl",
    "file_linked@requeued/requeued_1.jsonl",
    "file_published@requeued/requeued_1.jsonl",
    "file_synced@work/requeue.json",
    "pointer_replaced@work/requeue.json",
    "resume_point_found",
    "rows_sent",
    "records_inserted",
    "records_committed",
    "rows_flushed",
    "file_synced@requeued/SENT",
    "pointer_replaced@requeued/SENT",
]

TRAINER = [
    "batches_scored",
    "models_fitted",
    "file_synced@regression_model_set_2/model.json",
    "file_synced@classification_model_set_2/model.json",
    "file_synced@clustering_model_set_2/model.json",
    "file_synced@choice_model_set_2/model.json",
    "folder_synced@models/regression_model_set_2",
    "folder_published@models/regression_model_set_2",
    "folder_synced@models/classification_model_set_2",
    "folder_published@models/classification_model_set_2",
    "folder_synced@models/clustering_model_set_2",
    "folder_published@models/clustering_model_set_2",
    "folder_synced@models/choice_model_set_2",
    "folder_published@models/choice_model_set_2",
    "file_synced@models/release_2.json",
    "file_linked@models/release_2.json",
    "file_published@models/release_2.json",
    "file_synced@models/CURRENT",
    "pointer_replaced@models/CURRENT",
    "file_synced@snapshot/meta.json",
    "folder_synced@history/2",
    "folder_published@history/2",
    "file_synced@history/CURRENT",
    "pointer_replaced@history/CURRENT",
    "file_synced@models/pruned_1.json",
    "file_linked@models/pruned_1.json",
    "file_published@models/pruned_1.json",
    "folder_removed@models/choice_model_set_1",
    "folder_removed@models/classification_model_set_1",
    "folder_removed@models/clustering_model_set_1",
    "folder_removed@models/regression_model_set_1",
]
"""Of the second set, with one to be kept."""

ERASURE = [
    *(
        step.format(number)
        for number in (1, 2)
        for step in (
            "file_synced@batched_data/movielens_batch_*_{}.csv",
            "file_linked@batched_data/movielens_batch_*_{}.csv",
            "file_published@batched_data/movielens_batch_*_{}.csv",
            "file_synced@batched_data/manifest_{}.2.json",
            "file_linked@batched_data/manifest_{}.2.json",
            "file_published@batched_data/manifest_{}.2.json",
            "superseded_removed@batch_{}",
        )
    ),
    "file_synced@batched_data/erasures.json",
    "pointer_replaced@batched_data/erasures.json",
]
"""Of a user with ratings in two batches."""

RESUMING_PRODUCER = "records_scanned"
"""Of a producer that finds records in the log."""


def steps_of(run: Callable[[], object]) -> list[str]:
    """The steps that `run` reaches, each once, in the order of their first time.

    The lease is left out: it is renewed by the clock, and nothing rests on it.
    """
    reached: list[str] = []
    failpoints.arm(reached.append)
    try:
        run()
    finally:
        failpoints.arm(None)
    named = (re.sub(r"_batch_\d+_", "_batch_*_", step) for step in reached)
    return list(dict.fromkeys(step for step in named if not step.endswith("/lease.json")))
