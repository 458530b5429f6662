"""How recommendations may be ranked, and how many there may be: for models and HTTP alike."""

from __future__ import annotations

from typing import Literal

Strategy = Literal["best", "rating", "cautious", "explore"]
"""See `RecommendationQuery.strategy`."""

GroupRule = Literal["mean", "least_misery"]
"""Whether films for a group are ranked by the mean of its members, or by who likes them least."""

# Users of a group at most.
MAX_GROUP = 20

# A list and all its pages hold at most so many films.
MAX_RECOMMENDATIONS = 1_000
