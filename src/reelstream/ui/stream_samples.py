"""How the stream was in the last minutes, as far as somebody looked: the page keeps a fixed number
of samples, shared by all visitors.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from reelstream.contract import StatusAnswer

# A sample every two seconds for ten minutes.
MAX_SAMPLES = 300
_MIN_SECONDS_BETWEEN = 1.0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The stream's counts at one time."""

    at: float
    """Seconds since 1970, by this machine's clock."""
    end: int
    """Messages in the log."""
    batches: int
    serving: int | None


class StreamSamples:
    """The newest samples; `add` may be called from any thread."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """clock: seconds since 1970."""
        self._clock = clock
        self._samples: deque[Sample] = deque(maxlen=MAX_SAMPLES)
        self._lock = threading.Lock()

    def add(self, status: StatusAnswer) -> None:
        """Take a sample, unless another visitor's page has just taken one."""
        sample = Sample(
            at=self._clock(),
            end=status.log.end,
            batches=status.batches.count,
            serving=status.model_set.number if status.model_set else None,
        )
        # Every visitor's page asks every two seconds; one sample of them is enough.
        with self._lock:
            if not self._samples or sample.at - self._samples[-1].at >= _MIN_SECONDS_BETWEEN:
                self._samples.append(sample)

    def all(self) -> list[Sample]:
        """Oldest first."""
        with self._lock:
            return list(self._samples)


@st.cache_resource
def stream_samples() -> StreamSamples:
    """The samples of this page's server."""
    return StreamSamples()
