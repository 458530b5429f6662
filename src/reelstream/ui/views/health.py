"""*Health*: how far each stage is, what was rejected, and what fails."""

from __future__ import annotations

import streamlit as st

from reelstream.contract import ListStatus, PartitionStatus, StatusAnswer
from reelstream.ui.app import App
from reelstream.ui.charts.frame import show_table
from reelstream.ui.formatting import plain
from reelstream.ui.states import api_errors_shown, show_empty
from reelstream.ui.words import Words

_EVERY_SECONDS = 2.0
# Jensen-Shannon distance from which a change of the ratings is notable.
_NOTABLE_DRIFT = 0.2


def show(app: App) -> None:
    """Counts that should be small, looked at every two seconds."""
    st.title(app.words("health"), anchor=False)
    st.caption(app.words("health.about"))
    _show_health(app)


@st.fragment(run_every=_EVERY_SECONDS)
def _show_health(app: App) -> None:
    words = app.words
    with api_errors_shown(words):
        status = app.client.status()
        _show_counts(words, status)
        left, right = st.columns(2, gap="large")
        with left:
            st.header(words("lag"), anchor=False)
            st.caption(words("lag.about"))
            _show_lag(words, status.partitions)
        with right:
            st.header(words("failures"), anchor=False)
            if not status.failures:
                show_empty(words("failures.none"))
            for failure in status.failures:
                st.warning(
                    f"**{plain(failure.what)}** {plain(failure.message)}", icon=":material/error:"
                )


def _show_counts(words: Words, status: StatusAnswer) -> None:
    batches = status.batches
    share = "–" if batches.rejected_share is None else words.percent(batches.rejected_share)
    with st.container(horizontal=True, key="health"):
        _show_drift(words, batches.drift)
        for key, value in (
            ("count.rejected", words.number(batches.rejected)),
            ("rejected.share", share),
            ("repeats", words.number(batches.repeats)),
            ("excluded", words.number(len(batches.excluded))),
        ):
            st.metric(words(key), value, border=True, width="content")
        _show_hits(words, status.lists)


def _show_drift(words: Words, drift: float | None) -> None:
    st.metric(
        words("drift"),
        "–" if drift is None else words.decimal(drift),
        words("drift.notable") if (drift or 0) >= _NOTABLE_DRIFT else None,
        delta_color="off",
        delta_arrow="off",
        help=words("drift.help"),
        border=True,
        width="content",
    )


def _show_hits(words: Words, lists: ListStatus) -> None:
    """What became of the lists that users were shown."""
    st.metric(
        words("lists.hit"),
        words.percent(lists.listed / lists.ratings) if lists.ratings else "–",
        help=words(
            "lists.help",
            ratings=words.count("ratings", lists.ratings),
            shown=words.number(lists.shown),
        ),
        border=True,
        width="content",
    )


def _show_lag(words: Words, partitions: list[PartitionStatus]) -> None:
    show_table(
        {
            words("partition"): [str(each.partition) for each in partitions],
            words("lag.end"): [words.number(each.end) for each in partitions],
            words("lag.unbatched"): [words.number(each.unbatched) for each in partitions],
            words("lag.untrained"): [words.number(each.untrained) for each in partitions],
            words("lag.unread"): [words.number(each.unread) for each in partitions],
        }
    )
