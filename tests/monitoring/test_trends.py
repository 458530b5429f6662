"""What the closed batches say of the stream."""

from __future__ import annotations

import math

import pytest

from reelstream.monitoring.trends import NOTABLE_DRIFT, Trends, rating_drift
from reelstream.storage.manifest import BatchFile, Manifest, OffsetRange


def batch(
    number: int, histogram: dict[float, int], rejected: int = 0, closed_at: int = 0
) -> Manifest:
    """A batch with these ratings."""
    n = sum(histogram.values())
    return Manifest(
        number=number,
        topic_id="t",
        files=(BatchFile(name="ratings.csv", rows=n, bytes=1, sha256="0" * 64),) if n else (),
        rejected=BatchFile(name="rejected.jsonl", rows=rejected, bytes=1, sha256="0" * 64)
        if rejected
        else None,
        partitions={0: OffsetRange(0, n + rejected)},
        next_offsets={0: n + rejected},
        sources={},
        repeats=number,
        closed_at=closed_at,
        histogram=histogram,
    )


def test_the_drift_is_the_jensen_shannon_distance() -> None:
    """0 for the same shares, 1 for ratings that never came before, and by hand in between."""
    old = batch(1, {3.0: 500, 4.0: 500})
    assert rating_drift(batch(2, {3.0: 300, 4.0: 300}), [old]) == pytest.approx(0, abs=1e-6)
    assert rating_drift(batch(2, {1.0: 300}), [old]) == pytest.approx(1)
    # One half against all: the mixture is (3/4, 1/4).
    divergence = (
        math.log2(1 / 0.75) + 0.5 * math.log2(0.5 / 0.75) + 0.5 * math.log2(0.5 / 0.25)
    ) / 2
    assert rating_drift(batch(2, {3.0: 400}), [old]) == pytest.approx(math.sqrt(divergence))


def test_a_remarkable_drift_is_more_than_a_moderate_shift() -> None:
    """As the population stability index, the sum of (p - q) ln(p / q), counts: 0.1 is moderate,
    0.25 significant.
    """
    p, q = (0.5, 0.5), (0.622, 0.378)
    index = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    drift = rating_drift(batch(2, {3.0: 622, 4.0: 378}), [batch(1, {3.0: 500, 4.0: 500})])
    assert drift is not None
    ratio = index / drift**2
    assert ratio == pytest.approx(8 * math.log(2), rel=0.02)
    assert 0.1 < ratio * NOTABLE_DRIFT**2 < 0.25


def test_few_ratings_say_nothing() -> None:
    """Neither a small batch, nor one with too little before it, nor one that an older version
    closed.
    """
    enough, few = {3.0: 200}, {3.0: 199}
    assert rating_drift(batch(2, few), [batch(1, enough)]) is None
    assert rating_drift(batch(2, enough), [batch(1, few)]) is None
    assert rating_drift(batch(2, {}), [batch(1, enough)]) is None
    assert rating_drift(batch(2, enough), [batch(1, enough)]) is not None


def test_trends_count_all_and_hold_the_newest_against_the_recent_ones() -> None:
    """An excluded batch is counted, and is not what a new one is held against."""
    manifests = [
        batch(1, {4.0: 300}, closed_at=1000),
        batch(2, {1.0: 900}, rejected=100, closed_at=1040),
        batch(3, {4.0: 300}, rejected=100, closed_at=1090),
    ]
    trends = Trends.of(manifests, {2}, now=1100)
    assert (trends.ratings, trends.rejected, trends.repeats) == (1500, 200, 6)
    assert trends.ratings_a_second == 300 / 60
    assert trends.rejected_share == 0.25
    assert trends.drift == pytest.approx(0, abs=1e-6)
    assert Trends.of(manifests, set(), now=1100).drift > 0.5  # type: ignore[operator]
    assert Trends.of(manifests, set(), now=1090).ratings_a_second == 1200 / 60


def test_before_the_first_batch_there_are_no_trends() -> None:
    """Nothing is counted, and nothing is said of shares."""
    assert Trends.of([], set(), now=0) == Trends(
        ratings=0, rejected=0, repeats=0, ratings_a_second=0.0, rejected_share=None, drift=None
    )
    assert Trends.of([batch(1, {})], set(), now=0).rejected_share is None
