"""The strip at the top of the page: where the stream stands, redrawn every two seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass

import streamlit as st

from reelstream.client import ApiError, Client
from reelstream.contract import HealthAnswer, StatusAnswer
from reelstream.ui.wording import age, plain


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Whether the API answers, and what it says of itself and of the stream."""

    health: HealthAnswer | None = None
    status: StatusAnswer | None = None
    error: str | None = None
    """Why the API did not answer."""

    @property
    def model_set(self) -> int | None:
        """The number of the set in service; without one no query can be answered."""
        return self.health.model_set if self.health else None


def read_standing(client: Client) -> Standing:
    """Fetch health and status; that the API cannot be reached is a standing too."""
    try:
        return Standing(health=client.ready(), status=client.status())
    except ApiError as error:
        return Standing(error=str(error))


@st.fragment(run_every=2.0)
def watch_stream(client: Client, drawn_for: Standing) -> None:
    """Show how the stream stands; draw the whole page anew when another set answers, or the API
    comes or goes.
    """
    standing = read_standing(client)
    if standing.model_set != drawn_for.model_set:
        st.rerun()
    if standing.status:
        _show_counts(standing.status)
    for sentence in _sentences(standing):
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
        st.metric(
            "Model set in service", f"{service.number}" if service else "none yet", border=True
        )
        st.metric("Serving for", age(time.time() - service.since) if service else "–", border=True)


def _sentences(standing: Standing) -> list[str]:
    """What keeps the API from simply being ready, each reason as a sentence."""
    if standing.error:
        return [f"{plain(standing.error)} This page tries again every two seconds."]
    reasons = standing.health.reasons if standing.health else []
    if standing.model_set is None:
        return [
            " ".join([*map(_sentence, reasons), "This page shows answers as soon as one serves."])
        ]
    return [_sentence(reason) for reason in reasons]


def _sentence(reason: str) -> str:
    return plain(f"{reason[:1].upper()}{reason[1:].rstrip('.')}.")
