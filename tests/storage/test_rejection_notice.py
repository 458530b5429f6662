"""What commands say of rejected rows."""

from __future__ import annotations

from pathlib import Path

from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.manifest import Manifest, RejectedRow
from reelstream.storage.rejected import commonest_reason, rejection_notice


def row(reason: str) -> RejectedRow:
    """A rejected row."""
    return RejectedRow(reason, 0, 0, 0, b"x", "x")


def test_the_commonest_reason_is_the_one_that_most_rows_share() -> None:
    """Values apart: rows with different broken ids have one reason."""
    rows = [row("rating 7 is too high"), row("userId 'x' is no id"), row("userId 'yy' is no id")]
    assert commonest_reason(rows) == "userId 'x' is no id"
    assert commonest_reason([]) is None


def test_a_notice_counts_all_batches_and_explains_the_newest(tmp_path: Path) -> None:
    """Nothing is said where nothing was rejected."""
    batches = BatchFolder.in_folder(tmp_path)
    batches.make()
    rejected = batches.publish_rejected(1, [row("rating 0 is no rating")] * 2)
    batch = Manifest(
        number=1,
        topic_id="t",
        files=(),
        rejected=rejected,
        partitions={},
        next_offsets={},
        sources={},
        repeats=0,
        closed_at=0,
    )
    assert rejection_notice(batches, []) is None
    assert rejection_notice(batches, [batch]) == (
        "2 of 2 rows are rejected, most of them because rating 0 is no rating"
    )
