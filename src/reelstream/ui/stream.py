"""The strip at the top of the page: the state of the stream, redrawn every two seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass

import streamlit as st

from reelstream.client import ApiError, Client
from reelstream.contract import HealthAnswer, StatusAnswer
from reelstream.ui.wording import age, plain


@dataclass(frozen=True, kw_only=True)
class ApiState:
    """Whether the API answers, and what it says of itself and of the stream."""

    health: HealthAnswer | None = None
    status: StatusAnswer | None = None
    error: str | None = None
    """Why the API did not answer."""

    @property
    def model_set(self) -> int | None:
        """The number of the set in service; without one no query can be answered."""
        return self.health.model_set if self.health else None


def read_api_state(client: Client) -> ApiState:
    """Fetch health and status; an API that cannot be reached has a state too."""
    try:
        return ApiState(health=client.ready(), status=client.status())
    except ApiError as error:
        return ApiState(error=str(error))


@st.fragment(run_every=2.0)
def watch_stream(client: Client, drawn_for: ApiState) -> None:
    """Show the stream's counts and what is wrong; redraw the whole page when another model set is
    in service, or the API comes or goes.
    """
    state = read_api_state(client)
    if state.model_set != drawn_for.model_set:
        # The whole page, not this fragment alone: what is below it depends on the set in service.
        st.rerun()
    if state.status:
        _show_counts(state.status)
    for sentence in _sentences(state):
        st.info(sentence)


def _show_counts(status: StatusAnswer) -> None:
    log, service = status.log, status.model_set
    # The server looks at batches more often than at the log's end: for a short time they may hold
    # more than the end that it knows.
    waiting = max(log.end - log.batched, 0)
    with st.container(horizontal=True, key="stream"):
        st.metric("Messages in the log", f"{log.end:,}", border=True)
        st.metric("In closed batches", f"{log.batched:,}", border=True)
        st.metric("Waiting for a batch", f"{waiting:,}", border=True)
        st.metric("Batches", f"{status.batches.count:,}", border=True)
        st.metric("Rejected rows", f"{status.batches.rejected:,}", border=True)
        st.metric(
            "Model set in service", f"{service.number}" if service else "none yet", border=True
        )
        # By this machine's clock, which may differ from the server's: `age` shows nothing below 0.
        st.metric("Serving for", age(time.time() - service.since) if service else "–", border=True)


def _sentences(state: ApiState) -> list[str]:
    """What keeps the API from simply being ready, each reason as a sentence."""
    if state.error:
        return [f"{plain(state.error)} This page tries again every two seconds."]
    reasons = state.health.reasons if state.health else []
    if state.model_set is None:
        return [
            " ".join([*map(_sentence, reasons), "This page shows answers as soon as one serves."])
        ]
    return [_sentence(reason) for reason in reasons]


def _sentence(reason: str) -> str:
    return plain(f"{reason[:1].upper()}{reason[1:].rstrip('.')}.")
