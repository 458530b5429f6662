"""What has just happened on the stream, the newest first."""

from __future__ import annotations

import streamlit as st

from reelstream.contract import StreamEvent
from reelstream.ui.app import App
from reelstream.ui.formatting import film_name, plain
from reelstream.ui.states import show_empty
from reelstream.ui.words import Words

# As many lines as there is place for; the API is asked for no more.
_LINES = 10


def show_ticker(app: App) -> None:
    """Titles passing by, with what was expected of each rating; batches and sets between them."""
    words = app.words
    st.markdown(f"**{words('ticker.title')}**  \n:gray[:small[{words('ticker.about')}]]")
    events = app.client.events(limit=_LINES).items
    if not events:
        show_empty(words("ticker.none"))
        return
    lines = [f"- {event_line(words, event)}" for event in reversed(events)]
    with st.container(height=330, border=True, key="ticker"):
        st.markdown("\n".join(lines))


def event_line(words: Words, event: StreamEvent) -> str:
    """One event in a line of Markdown."""
    at = f":gray[:small[{words.clock(event.at)}]]"
    if event.kind in ("rating", "deletion", "dismissal"):
        return f"{at} {_rating_line(words, event)}"
    text = words(
        f"event.{event.kind}",
        number=event.number if event.number is not None else "",
        ratings=words.number(event.ratings or 0),
        user=plain(str(event.user_id)),
        rmse=words.score(event.rmse),
        message=plain(event.message or ""),
    )
    return f"{at} **{text}**" if event.kind != "ratings" else f"{at} {text}"


def _rating_line(words: Words, event: StreamEvent) -> str:
    name = plain(film_name(_Film(event.item_id, event.title)))
    if event.rating is None:
        return words(f"event.{event.kind}", film=name, user=plain(str(event.user_id)))
    line = f"{name} **{words.rating(event.rating)} ★**"
    if event.predicted is None or event.sd is None:
        return line
    expected = f"{words.decimal(event.predicted, 1)} ± {words.decimal(event.sd, 1)}"
    return f"{line} :gray[{words('event.expected', expected=expected)}]"


class _Film:
    """The film of an event, as `film_name` takes it."""

    def __init__(self, item_id: object, title: str | None) -> None:
        self.item_id = str(item_id)
        self.title = title
