"""Trends of the stream, from its closed batches: throughput, rejected rows, drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from scipy.spatial.distance import jensenshannon

from reelstream.storage.manifest import Manifest

# How many batches a new one is compared with.
RECENT_BATCHES = 10
# Throughput is that of the batches closed in this time.
RECENT_SECONDS = 60
# With fewer ratings chance alone makes a distance of about 0.1.
MIN_RATINGS = 200
# A population stability index of 0.22: by convention a shift is moderate from 0.1, significant from
# 0.25 on.
NOTABLE_DRIFT = 0.2
# From here on a source probably sends something that is no rating.
NOTABLE_REJECTED_SHARE = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class Trends:
    """The closed batches, in a few numbers."""

    ratings: int
    """In all batches, deletions among them."""
    rejected: int
    """Rows rejected in all batches."""
    repeats: int
    """Records skipped in all batches because the log had them already."""
    ratings_a_second: float
    """Over the last minute, counted when their batch closes."""
    rejected_share: float | None
    """Of the newest batch's rows, those rejected; None before the first row."""
    drift: float | None
    """`drift_of` the newest batch."""

    @classmethod
    def of(cls, manifests: Sequence[Manifest], excluded: Collection[int], now: float) -> Trends:
        """The trends of all manifests, rising; `now` in seconds since 1970, UTC."""
        newest = manifests[-1] if manifests else None
        lately = [
            manifest.rows for manifest in manifests if now - manifest.closed_at < RECENT_SECONDS
        ]
        return cls(
            ratings=sum(manifest.rows for manifest in manifests),
            rejected=sum(manifest.rejected_rows for manifest in manifests),
            repeats=sum(manifest.repeats for manifest in manifests),
            ratings_a_second=sum(lately) / RECENT_SECONDS,
            rejected_share=rejected_share(newest) if newest else None,
            drift=drift_of(newest, manifests, excluded) if newest else None,
        )


def rejected_share(batch: Manifest) -> float | None:
    """Of its rows, those rejected: 0 to 1; None for a batch without rows."""
    rows = batch.rows + batch.rejected_rows
    return batch.rejected_rows / rows if rows else None


def drift_of(
    batch: Manifest, manifests: Sequence[Manifest], excluded: Collection[int]
) -> float | None:
    """The `rating_drift` of a batch from the recent ones before it that are not excluded."""
    # Batches are numbered from 1 without gaps: the number tells the place in the list.
    before = [
        manifest for manifest in manifests[: batch.number - 1] if manifest.number not in excluded
    ]
    return rating_drift(batch, before[-RECENT_BATCHES:])


def rating_drift(batch: Manifest, before: Sequence[Manifest]) -> float | None:
    """Distance of a batch's ratings from those of the batches before it: 0 (the same) to 1.

    The Jensen-Shannon distance, the square root of the divergence in bits between the two shares of
    each rating (Lin, IEEE Trans. Inf. Theory 1991; a metric: Endres & Schindelin, ibid. 2003). For
    small shifts the population stability index (Siddiqi, Credit Risk Scorecards, 2006) is 8 ln 2
    times its square. None where either side has few ratings.
    """
    new = Counter(batch.histogram)
    old: Counter[float] = sum((Counter(manifest.histogram) for manifest in before), Counter())
    if min(new.total(), old.total()) < MIN_RATINGS:
        return None
    values = sorted(new.keys() | old.keys())
    # SciPy turns the counts into shares itself.
    return float(
        jensenshannon([new[value] for value in values], [old[value] for value in values], base=2)
    )
