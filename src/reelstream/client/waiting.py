"""Waiting for a server that was just started."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from reelstream.errors import ApiError

DEFAULT_START_SECONDS = 120.0
"""A first start compiles what answers, which takes about a minute."""

_SECONDS_BETWEEN = 0.1


def wait_until_answers(
    url: str,
    *,
    seconds: float = DEFAULT_START_SECONDS,
    is_running: Callable[[], bool] = lambda: True,
) -> None:
    """Return as soon as a GET of `url` succeeds.

    is_running: whether the server's process still lives. Raises ApiError when it does not, or when
    nothing has answered within so many seconds.
    """
    deadline = time.monotonic() + seconds
    with httpx.Client(trust_env=False) as http:
        while is_running():
            try:
                if http.get(url).is_success:
                    return
            except httpx.HTTPError:
                pass  # not listening yet, or not for requests
            if time.monotonic() > deadline:
                raise ApiError(f"{url} did not answer within {seconds:g} seconds.")
            time.sleep(_SECONDS_BETWEEN)
    raise ApiError(f"The server ended before {url} answered.")
