"""The strip at the top of the page: where the stream stands, redrawn every two seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass

import streamlit as st

from reelstream.errors import ApiError
from reelstream.ui.answers import Health, Status
from reelstream.ui.client import ApiClient
from reelstream.ui.wording import age, plain


@dataclass(frozen=True)
class Standing:
    """Whether the API answers, and what it says of itself and of the stream."""

    health: Health | None
    status: Status | None
    trouble: str | None
    """Why the API could not be asked."""

    @property
    def model_set(self) -> int | None:
        """The set that answers questions; without one there is nothing to ask."""
        return self.health.model_set if self.health else None


def read_standing(client: ApiClient) -> Standing:
    """Ask the API how it is; one that cannot be reached is a standing too."""
    try:
        return Standing(client.health(), client.status(), None)
    except ApiError as error:
        return Standing(None, None, str(error))


@st.fragment(run_every=2.0)
def watch_stream(client: ApiClient, drawn_for: Standing) -> None:
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


def _show_counts(status: Status) -> None:
    log, service = status.log, status.model_set
    # The server looks at batches more often than at the log's end, which may lie behind the newest
    # for a moment.
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
    """What a person should know of troubles, each as a sentence."""
    if standing.trouble:
        return [f"{plain(standing.trouble)} This page tries again every two seconds."]
    reasons = standing.health.reasons if standing.health else ()
    if standing.model_set is None:
        return [
            " ".join([*map(_sentence, reasons), "This page shows answers as soon as one serves."])
        ]
    return [_sentence(reason) for reason in reasons]


def _sentence(reason: str) -> str:
    return plain(f"{reason[:1].upper()}{reason[1:].rstrip('.')}.")
