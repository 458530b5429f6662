"""The question that every peer is asked, and who is asked."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reelstream.catalog import Catalog
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.scale import RatingScale


@dataclass(frozen=True)
class Question:
    """Ratings that may be learned, and ratings to be predicted from them."""

    known: EventColumns
    asked: EventColumns
    """Its ratings are for those peers only that may learn each once it was predicted: see
    `in_time`.
    """
    catalog: Catalog
    scale: RatingScale
    in_time: bool
    """Whether `asked` is in order of time and later than `known`: then a peer that can may learn
    each rating of it before it answers for the next.
    """


@dataclass(frozen=True)
class Answer:
    """What a peer says."""

    predicted: NDArray[np.float64]
    """(n,): a rating for each that is asked."""
    fit_seconds: float
    """Of one fit in its best setting, without search for that setting."""


class Peer(Protocol):
    """A library in one way of using it. One object answers the questions of one split, in their
    order.
    """

    def answer(self, question: Question) -> Answer:
        """Fit on what is known, predict what is asked."""


@dataclass(frozen=True)
class Missing:
    """A peer that cannot take part here."""

    reason: str


@dataclass(frozen=True)
class _Entry:
    name: str
    module: str
    make: str
    uses_times: bool = False
    is_quick: bool = False


_ENTRIES = (
    _Entry("Global mean", "peers.baselines", "mean", is_quick=True),
    _Entry("Biases", "peers.baselines", "biases", is_quick=True),
    _Entry("Surprise BaselineOnly", "peers.surprise_library", "baseline_only", is_quick=True),
    _Entry("Surprise SVD", "peers.surprise_library", "svd", is_quick=True),
    _Entry("Surprise SVD++", "peers.surprise_library", "svd_pp"),
    _Entry("Surprise KNNBaseline", "peers.surprise_library", "knn_baseline"),
    _Entry("Spark ALS, as in tutorials", "peers.spark_als", "tutorial"),
    _Entry("Spark ALS, tuned", "peers.spark_als", "tuned"),
    _Entry("myFM", "peers.factorization_machine", "plain"),
    _Entry(
        "myFM with genres, year and time",
        "peers.factorization_machine",
        "with_features",
        uses_times=True,
    ),
    _Entry(
        "LightGBM on counts, means and genres",
        "peers.boosted_trees",
        "without_times",
        is_quick=True,
    ),
    _Entry(
        "LightGBM with times too",
        "peers.boosted_trees",
        "with_times",
        uses_times=True,
        is_quick=True,
    ),
)


@dataclass(frozen=True)
class Contestant:
    """A peer by name."""

    name: str
    uses_times: bool
    make: Callable[[], Peer] | Missing


def contestants(*, quick: bool) -> list[Contestant]:
    """All peers, or the fast ones; what is not installed is among them, with its reason."""
    return [
        Contestant(entry.name, entry.uses_times, _maker(entry))
        for entry in _ENTRIES
        if entry.is_quick or not quick
    ]


def _maker(entry: _Entry) -> Callable[[], Peer] | Missing:
    try:
        made: Callable[[], Peer] = getattr(importlib.import_module(entry.module), entry.make)
    except (ImportError, OSError) as error:
        return Missing(f"{type(error).__name__}: {error}")
    return made
