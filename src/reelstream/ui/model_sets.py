"""The bottom of the page: how good the model sets are, batch after batch, and the gate's verdict on
each.
"""

from __future__ import annotations

import streamlit as st

from reelstream.client import Client
from reelstream.contract import GateReport, ModelSetAnswer
from reelstream.ui.api_errors import api_errors_shown
from reelstream.ui.charts import record_chart, window_chart
from reelstream.ui.wording import date_and_time, plain

# What a person reads, and the API's name for it.
_SCORES = {"RMSE": "rmse", "AUC": "auc", "Log loss": "log_loss"}

_WAYS_ALONG = ("by batch", "moving window")

_VERDICT_COLORS = {"accepted": "green", "refused": "red"}


@st.fragment(run_every=5.0)
def show_model_sets(client: Client) -> None:
    """The prequential record as lines, and a table of the releases."""
    with api_errors_shown():
        model_sets = client.model_sets().model_sets
        picture, table = st.columns([6, 7], gap="large")
        with picture:
            _show_record(model_sets)
        with table:
            _show_table(model_sets)


def _show_record(model_sets: list[ModelSetAnswer]) -> None:
    st.markdown("**Every batch, predicted before it was learned**")
    with st.container(horizontal=True, vertical_alignment="center"):
        shown = st.segmented_control(
            "Score",
            list(_SCORES),
            default="RMSE",
            required=True,
            label_visibility="collapsed",
            key="score",
        )
        by = st.segmented_control(
            "By",
            _WAYS_ALONG,
            default=_WAYS_ALONG[0],
            required=True,
            label_visibility="collapsed",
            key="along",
        )
        st.caption("Higher is better." if shown == "AUC" else "Lower is better.")
    # The sets come newest first, and each has only the batches since the set before it.
    record = sorted((line for it in model_sets for line in it.record), key=lambda line: line.batch)
    chart = window_chart if by == _WAYS_ALONG[1] else record_chart
    # `required` excludes None, but Streamlit's types do not say so.
    st.altair_chart(chart(record, _SCORES[shown or "RMSE"]), alt=f"{shown}, {by}")


def _show_table(model_sets: list[ModelSetAnswer]) -> None:
    st.markdown("**Model sets, newest first**")
    st.table(
        {
            "Set": [
                f"{it.number} :green-badge[in service]" if it.in_service else str(it.number)
                for it in model_sets
            ],
            "Batches": [_batches(it.batches) for it in model_sets],
            **{
                name: [_score(getattr(it.scores, field)) for it in model_sets]
                for name, field in _SCORES.items()
            },
            "Gate": [_gate(it.gate) for it in model_sets],
            "Made": [date_and_time(it.created_at) for it in model_sets],
        },
        border="horizontal",
        hide_index=True,
    )
    for it in model_sets:
        if it.gate.verdict == "refused":
            st.caption(f"Set {it.number}: {plain(it.gate.reason)}")


def _batches(numbers: list[int]) -> str:
    """`1–3` for an unbroken run, else how many and up to which: a long run with gaps would fill the
    table.
    """
    if not numbers:
        return "none"
    first, last = numbers[0], numbers[-1]
    if len(numbers) == 1:
        return str(first)
    return (
        f"{first}–{last}"
        if last - first + 1 == len(numbers)
        else f"{len(numbers)} of {first}–{last}"
    )


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _gate(gate: GateReport) -> str:
    return f":{_VERDICT_COLORS.get(gate.verdict, 'gray')}-badge[{plain(gate.verdict)}]"
