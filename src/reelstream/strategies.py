"""How recommendations may be ranked, and how many there may be: for models and HTTP alike."""

from __future__ import annotations

from typing import Literal

Strategy = Literal["best", "rating", "cautious", "explore"]
"""See `RecommendationQuery.strategy`."""

# A list and all its pages hold at most so many films.
MAX_RECOMMENDATIONS = 1_000
