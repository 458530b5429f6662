"""Rating films on the page: stars in a row, what was rated, and taking it back."""

from __future__ import annotations

import streamlit as st

from reelstream.contract import ScaleStatus
from reelstream.ui import visitor
from reelstream.ui.app import App
from reelstream.ui.formatting import Titled, film_name, plain
from reelstream.ui.parts.changes import change

# Beyond this many values a row of buttons is too long, and a slider takes its place.
_MAX_BUTTONS = 11


def rate(app: App, user: str, film: Titled, rating: float | None) -> None:
    """Write a rating, or delete it with None."""
    key = "toast.undone" if rating is None else "toast.rated"
    value = "" if rating is None else app.words.rating(rating)
    change(
        lambda: visitor.wrote(app.client.rate(user, film.item_id, rating).token),
        done=app.words(key, film=plain(film_name(film)), rating=value),
    )


def show_rating_stars(app: App, user: str, film: Titled, *, where: str, scale: ScaleStatus) -> None:
    """Stars to click, in a row of films; `where` keeps apart two rows of one film."""
    key = f"rate-{where}-{user}-{film.item_id}"
    ratings = star_ratings(scale)

    def rated() -> None:
        # None when a click takes the stars away again: the list of ratings undoes them.
        stars = st.session_state.get(key)
        if stars is not None:
            rate(app, user, film, ratings[stars])

    st.feedback("stars", key=key, on_change=rated)


def show_rating_scale(app: App, user: str, film: Titled, scale: ScaleStatus) -> None:
    """Every value of the scale, for one film."""
    steps = round((scale.highest - scale.lowest) / scale.step)
    # Rounded, since three times 0.1 is not 0.3 and would be no value of the scale.
    values = [round(scale.lowest + step * scale.step, 6) for step in range(steps + 1)]
    key = f"scale-{user}-{film.item_id}"

    def rated() -> None:
        if (chosen := st.session_state.get(key)) is not None:
            rate(app, user, film, chosen)

    label = app.words("rate.as", user=user)
    if len(values) <= _MAX_BUTTONS:
        st.segmented_control(
            label, values, format_func=app.words.rating, key=key, on_change=rated, wrap=True
        )
    else:
        st.select_slider(label, values, format_func=app.words.rating, key=key, on_change=rated)


def star_ratings(scale: ScaleStatus) -> list[float]:
    """The ratings that one to five stars stand for, all on the scale.

    >>> star_ratings(ScaleStatus(lowest=0.5, highest=5, step=0.5, like_threshold=4))
    [1.0, 2.0, 3.0, 4.0, 5.0]
    """
    return [
        scale.lowest + round((scale.highest * stars / 5 - scale.lowest) / scale.step) * scale.step
        for stars in range(1, 6)
    ]
