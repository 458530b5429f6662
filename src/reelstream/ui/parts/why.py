"""Why a film's rating is expected of a user."""

from __future__ import annotations

from reelstream.contract import Id
from reelstream.ui.app import App
from reelstream.ui.charts.because import show_because
from reelstream.ui.states import api_errors_shown

# Ratings with a bar of their own; the others are added up.
_RATINGS = 6


def show_why(app: App, user: str, item_id: Id) -> None:
    """The user's ratings and the film itself, as bars that add up to the prediction."""
    with api_errors_shown(app.words):
        answer = app.read(lambda client: client.because(user, item_id, limit=_RATINGS))
        show_because(app.words, answer)
