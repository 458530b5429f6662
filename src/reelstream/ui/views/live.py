"""*Live*: the stream as it happens, and how the answers become better while it flows."""

from __future__ import annotations

import time

import streamlit as st

from reelstream.client import Client
from reelstream.contract import ModelSetAnswer, StatusAnswer
from reelstream.ui.app import App
from reelstream.ui.charts.record import show_record
from reelstream.ui.charts.timeline import show_timeline
from reelstream.ui.parts.ticker import show_ticker
from reelstream.ui.states import api_errors_shown, show_empty
from reelstream.ui.stream_samples import stream_samples

_EVERY_SECONDS = 2.0


def show(app: App) -> None:
    """Counts, the time line, and the learning curve."""
    st.title(app.words("live.title"), anchor=False)
    st.caption(app.words("live.about"))
    _show_stream(app)


@st.fragment(run_every=_EVERY_SECONDS)
def _show_stream(app: App) -> None:
    with api_errors_shown(app.words):
        status = app.client.status()
        stream_samples().add(status)
        _show_counts(app, status)
        newest = status.newest_set.number if status.newest_set else None
        sets = [] if newest is None else _sets(app.client, newest)
        left, right = st.columns([6, 5], gap="large")
        with left:
            show_timeline(app.words, stream_samples().all(), sets)
        with right, api_errors_shown(app.words):
            show_ticker(app)
        # The sets come newest first, and each has only the batches since the set before it.
        record = sorted(
            (line for each in sets for line in each.record), key=lambda line: line.batch
        )
        if record:
            show_record(app.words, record)
        else:
            show_empty(app.words("live.no_record"))


def _show_counts(app: App, status: StatusAnswer) -> None:
    words, log, service = app.words, status.log, status.model_set
    # The server looks at batches more often than at the log's end: for a short time they may hold
    # more than the end that it knows.
    waiting = max(log.end - log.batched, 0)
    with st.container(horizontal=True, key="stream"):
        for key, value in (
            ("count.log", words.number(log.end)),
            ("count.waiting", words.number(waiting)),
            ("count.batches", words.number(status.batches.count)),
            ("count.rejected", words.number(status.batches.rejected)),
            ("count.users", words.number(status.histories.users)),
        ):
            st.metric(words(key), value, border=True, height="stretch")
        # By this machine's clock, which may differ from the server's.
        since = words("count.since", age=words.age(time.time() - service.since)) if service else ""
        st.metric(
            words("count.set"),
            str(service.number) if service else words("none_yet"),
            since or None,
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )


# Asked again when there is another set: `_client` is no part of the key, `newest` is.
@st.cache_data(max_entries=4, show_spinner=False)
def _sets(_client: Client, newest: int) -> list[ModelSetAnswer]:
    del newest
    return _client.model_sets().model_sets
