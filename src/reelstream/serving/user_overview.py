"""What the server knows of one user: taste, and what came as a surprise."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelstream.models.replay import predict_events
from reelstream.models.segment.description import Segment
from reelstream.models.taste import Leaning
from reelstream.ratings.columns import EventColumns
from reelstream.serving.predictor import Serving

# Of a rating that is hardly in doubt, for want of a smaller one.
MIN_SD = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One user under one set, now."""

    segment: Segment
    generosity: Leaning
    taste: dict[str, Leaning]
    """By genre, what the user likes best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surprises:
    """k ratings of a user, the most surprising first."""

    ratings: EventColumns
    expected: NDArray[np.float64]
    """(k,): the mean of each before it was learned of the user."""
    sd: NDArray[np.float64]
    """(k,): its standard deviation."""
    surprises: NDArray[np.float64]
    """(k,): how far each is from that, in standard deviations."""


def overview_of(serving: Serving, user_id: int) -> Overview:
    """What is known of a user."""
    segment, _ = serving.segment(user_id)
    tastes = serving.tastes
    with serving.states.of_user(user_id) as user:
        now = int(time.time())
        generosity, leanings = tastes.generosity(user.state, now), tastes.of(user.state, now)
    pairs = [
        (genre, leaning)
        for genre, leaning, n in zip(tastes.genres, leanings, tastes.ratings, strict=True)
        if n > 0
    ]
    pairs.sort(key=lambda pair: -pair[1].stars)
    return Overview(segment=segment, generosity=generosity, taste=dict(pairs))


def surprises_of(serving: Serving, user_id: int, limit: int) -> Surprises:
    """The user's ratings that are furthest from what his or her earlier ratings had led to expect,
    by films as the set was fitted.
    """
    history = serving.histories.of_user(user_id)
    every = np.ones(len(history), bool)
    if len(history):
        predicted = predict_events(serving.model_set, history, every, every)
        expected, sd = predicted.mean, predicted.sd
    else:
        expected = sd = np.empty(0)
    surprises = (history.rating - expected) / np.maximum(sd, MIN_SD)
    order = np.argsort(-np.abs(surprises), kind="stable")[:limit]
    return Surprises(
        ratings=history[order],
        expected=expected[order],
        sd=sd[order],
        surprises=surprises[order],
    )
