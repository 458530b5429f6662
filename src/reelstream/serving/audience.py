"""Who rates an item, and how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reelstream.models.segment.description import Segment
from reelstream.ratings.columns import EventColumns
from reelstream.serving.predictor import Serving

# Users whose segment is looked up at most: to know it takes a user's whole history.
MAX_SAMPLED = 1_000
# Spans of time that a film's ratings are averaged in.
PERIODS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentShare:
    """The users of one segment among those who rated an item."""

    segment: Segment
    users: int
    mean: float
    """Their mean rating."""
    liked: float
    """The share of their ratings that are likes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The ratings of an item in a span of time."""

    start: int
    """Its first second, since 1970, UTC."""
    end: int
    """The second after it."""
    ratings: int
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """The users who rated an item."""

    ratings: EventColumns
    """All that count."""
    sampled: int
    """Users whose segment was looked up, every so many of them."""
    segments: list[SegmentShare]
    """Of those, the most frequent segment first."""


def audience_of(serving: Serving, item_id: int) -> Audience:
    """Who has rated an item up to now."""
    ratings = serving.histories.of_item(item_id)
    # Evenly over all ids, and the same at each query.
    chosen = np.linspace(0, len(ratings) - 1, min(len(ratings), MAX_SAMPLED)).astype(np.int64)
    sample = ratings[chosen]
    if not len(sample):
        return Audience(ratings=ratings, sampled=0, segments=[])
    numbers, _ = serving.model_set.map_users(
        [serving.histories.of_user(user_id) for user_id in sample.user_id.tolist()]
    )
    threshold = serving.model_set.scale.like_threshold
    shares = []
    for segment in serving.model_set.segment.segments:
        own = sample.rating[numbers == segment.number]
        if len(own):
            shares.append(
                SegmentShare(
                    segment=segment,
                    users=len(own),
                    mean=float(own.mean()),
                    liked=float((own >= threshold).mean()),
                )
            )
    shares.sort(key=lambda share: -share.users)
    return Audience(ratings=ratings, sampled=len(sample), segments=shares)


def periods_of(ratings: EventColumns) -> list[Period]:
    """Ratings by time: PERIODS spans of one length from the oldest to the newest, but those
    without ratings.
    """
    if not len(ratings):
        return []
    first = int(ratings.timestamp.min())
    seconds = (int(ratings.timestamp.max()) - first) // PERIODS + 1
    places = (ratings.timestamp - first) // seconds
    counts = np.bincount(places, minlength=PERIODS)
    means = np.bincount(places, ratings.rating, PERIODS) / np.maximum(counts, 1)
    return [
        Period(
            start=first + place * seconds,
            end=first + (place + 1) * seconds,
            ratings=count,
            mean=mean,
        )
        for place, (count, mean) in enumerate(zip(counts.tolist(), means.tolist(), strict=True))
        if count
    ]
