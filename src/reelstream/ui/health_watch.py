"""The line under the navigation: whether the API answers and which set serves, looked at every two
seconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import streamlit as st

from reelstream.client import ApiError, Client
from reelstream.contract import HealthAnswer
from reelstream.ui.app import App
from reelstream.ui.formatting import sentence

_EVERY_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class ApiState:
    """Whether the API answers, and what it says of itself."""

    health: HealthAnswer | None = None
    error: ApiError | None = None
    """Why it did not answer."""
    read_at: float = field(default_factory=time.monotonic)

    @property
    def model_set(self) -> int | None:
        """The number of the set in service; without one no query can be answered."""
        return self.health.model_set if self.health else None


def read_api_state(client: Client) -> ApiState:
    """Ask for the health; an API that cannot be reached has a state too."""
    try:
        return ApiState(health=client.ready())
    except ApiError as error:
        return ApiState(error=error)


@st.fragment(run_every=_EVERY_SECONDS)
def watch_health(app: App, drawn_for: ApiState) -> None:
    """One badge, and what is wrong; draw the whole page again when another set serves, or the API
    comes or goes.
    """
    # The first run is part of drawing the page, which has just asked.
    is_first_run = time.monotonic() - drawn_for.read_at < _EVERY_SECONDS / 2
    state = drawn_for if is_first_run else read_api_state(app.client)
    changed = (state.model_set, state.error is None) != (
        drawn_for.model_set,
        drawn_for.error is None,
    )
    if changed:
        # The whole page, not this fragment alone: what is below depends on the set in service.
        st.rerun()
    st.markdown(_badge(app, state))
    if state.model_set is not None and state.health:
        for reason in state.health.reasons:
            st.info(sentence(reason), icon=":material/info:")


def _badge(app: App, state: ApiState) -> str:
    words = app.words
    if state.error:
        return f":red-badge[:material/cloud_off: {words('health.away')}]"
    if state.model_set is None:
        return f":orange-badge[:material/hourglass_top: {words('health.waiting')}]"
    return f":green-badge[:material/sensors: {words('health.serving', number=state.model_set)}]"
