"""How many requests a second one caller may send.

flask-limiter counts inside of Flask, and predictions are answered without it too: so this uses the
library that it stands on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from reelstream.api.problems import ProblemError, make_problem
from reelstream.contract import ProblemType


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a caller may still send."""

    limit: int
    remaining: int
    reset: float
    """When all of it may be sent again, in seconds since 1970."""

    @property
    def headers(self) -> Mapping[str, str]:
        """As an answer tells it."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(math.ceil(self.reset)),
        }


class RateLimits:
    """Counts the requests of each caller, in this process."""

    def __init__(self, requests_a_second: int) -> None:
        self._item = RateLimitItemPerSecond(requests_a_second)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def count(self, caller: str) -> Quota:
        """Count one request. Raises ProblemError: 429 when it is one too many."""
        is_within = self._limiter.hit(self._item, caller)
        reset, remaining = self._limiter.get_window_stats(self._item, caller)
        quota = Quota(limit=self._item.amount, remaining=remaining, reset=reset)
        if not is_within:
            detail = f"more than {quota.limit} requests a second: wait, or send lists of queries"
            wait = {"Retry-After": str(max(1, math.ceil(reset - time.time())))}
            raise ProblemError(
                make_problem(ProblemType.TOO_MANY_REQUESTS, detail), {**quota.headers, **wait}
            )
        return quota
