"""*Models*: the model sets by number, how good they are, and what the gate made of them."""

from __future__ import annotations

import streamlit as st

from reelstream.contract import ModelSetAnswer
from reelstream.ui.app import App
from reelstream.ui.charts.coverage import show_coverage
from reelstream.ui.charts.frame import show_table
from reelstream.ui.charts.ranking import show_ranking
from reelstream.ui.formatting import plain
from reelstream.ui.parts.changes import change, show_outcome
from reelstream.ui.parts.compare_sets import show_comparison
from reelstream.ui.states import api_errors_shown, show_empty
from reelstream.ui.words import Words

_EVERY_SECONDS = 5.0
_SCORES = ("rmse", "mae", "auc", "log_loss", "ece", "ndcg_10")
_VERDICT_COLORS = {"accepted": "green", "first": "blue", "refused": "red"}


def show(app: App) -> None:
    """A table of all sets, and one of them closely."""
    st.title(app.words("models"), anchor=False)
    st.caption(app.words("models.about"))
    _show_sets(app)
    # Outside of the fragment, which is drawn again every few seconds.
    numbers = st.session_state.get("set_numbers", [])
    if len(numbers) > 1:
        show_comparison(app, numbers)


@st.fragment(run_every=_EVERY_SECONDS)
def _show_sets(app: App) -> None:
    words = app.words
    with api_errors_shown(words):
        sets = app.client.model_sets().model_sets
        if not sets:
            show_empty(words("models.none"))
            return
        _show_table(words, sets)
        left, right = st.columns([6, 5], gap="large")
        with left:
            show_coverage(words, sets)
            show_ranking(words, sets)
        with right:
            numbers = [each.number for each in sets]
            chosen = st.selectbox(words("models.choose"), numbers, key="model_set")
            st.session_state.set_numbers = numbers
            show_outcome(app)
            for each in sets:
                if each.number == chosen:
                    _show_set(app, each)


def _show_table(words: Words, sets: list[ModelSetAnswer]) -> None:
    show_table(
        {
            words("models.set"): [
                f"{each.number} :green-badge[{words('in_service')}]"
                if each.in_service
                else str(each.number)
                for each in sets
            ],
            words("models.batches"): [batch_range(words, each.batches) for each in sets],
            **{
                words(f"score.{score}"): [words.score(getattr(each.scores, score)) for each in sets]
                for score in _SCORES
            },
            words("models.gate"): [_verdict(words, each.gate.verdict) for each in sets],
            words("models.made"): [words.day_and_time(each.created_at) for each in sets],
        }
    )


def _show_set(app: App, each: ModelSetAnswer) -> None:
    words = app.words
    with st.container(border=True):
        st.header(words("models.one", number=each.number), anchor=False)
        st.markdown(f"{_verdict(words, each.gate.verdict)} {plain(each.gate.reason)}")
        st.caption(
            words(
                "models.lineage",
                engine=each.engine,
                batches=batch_range(words, each.batches),
                n=words.number(each.scores.n),
            )
        )
        _show_choice(app, each)


def _show_choice(app: App, each: ModelSetAnswer) -> None:
    """Put a set into service for good, or let the newest serve again."""
    words = app.words
    with st.container(horizontal=True):
        st.button(
            words("models.activate", number=each.number),
            icon=":material/push_pin:",
            disabled=each.in_service and each.current,
            on_click=_activate,
            args=(app, each.number),
        )
        st.button(
            words("models.latest"),
            icon=":material/update:",
            on_click=_activate,
            args=(app, None),
        )
    st.caption(words("models.activate.about"))


def _activate(app: App, number: int | None) -> None:
    change(lambda: app.client.activate(number), done=app.words("models.activated"))


def batch_range(words: Words, numbers: list[int]) -> str:
    """`1–3` for an unbroken run, else how many and up to which: a long run with gaps would fill the
    table.
    """
    if not numbers:
        return words("none")
    first, last = numbers[0], numbers[-1]
    if len(numbers) == 1:
        return str(first)
    if last - first + 1 == len(numbers):
        return f"{first}–{last}"
    return words("models.some_of", n=len(numbers), first=first, last=last)


def _verdict(words: Words, verdict: str) -> str:
    name = words.texts.get(f"verdict.{verdict}", verdict)
    return f":{_VERDICT_COLORS.get(verdict, 'gray')}-badge[{plain(name)}]"
