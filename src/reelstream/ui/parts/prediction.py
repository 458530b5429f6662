"""What a user will make of a film: the rating with its distribution, and how sure that is."""

from __future__ import annotations

import streamlit as st

from reelstream.contract import FullAnswer, Regression, ScaleStatus
from reelstream.ui.charts.prediction import show_prediction_chart
from reelstream.ui.parts.stamp import show_stamp
from reelstream.ui.words import Words

# Standard deviation over the width of the scale, below which an answer counts as ... .
_SURE, _FAIRLY_SURE = 0.15, 0.2


def show_prediction(words: Words, answer: FullAnswer, scale: ScaleStatus) -> None:
    """The three answers for one user and one film, and what they rest on."""
    rating, like = answer.regression, answer.classification
    low, high = rating.interval
    with st.container(horizontal=True):
        st.metric(words("predicted"), f"{words.decimal(rating.prediction)} ★", width="content")
        st.metric(
            words("interval"),
            f"{words.decimal(low, 1)} – {words.decimal(high, 1)}",
            width="content",
        )
        st.metric(
            words("like"),
            words.percent(like.probability),
            help=words("like.help", threshold=words.rating(like.threshold)),
            width="content",
        )
    st.markdown(how_sure(words, rating, scale))
    show_prediction_chart(words, rating)
    show_stamp(words, answer.basis, answer.model_set)


def how_sure(words: Words, rating: Regression, scale: ScaleStatus) -> str:
    """The distribution in a sentence."""
    relative = rating.sd / (scale.highest - scale.lowest)
    key = "sure" if relative < _SURE else "fairly" if relative < _FAIRLY_SURE else "guess"
    distribution = rating.distribution or {}
    likeliest = max(distribution, key=lambda stars: distribution[stars])
    return words(
        f"sure.{key}",
        likeliest=words.rating(float(likeliest)),
        share=words.percent(distribution[likeliest]),
        sd=words.decimal(rating.sd),
    )
