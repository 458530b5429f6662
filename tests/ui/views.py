"""One view of the page, run by Streamlit's own test driver."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from reelstream.ui.charts.frame import table_key

_SCRIPT = """
import os

from reelstream.client import Client
from reelstream.ui import visitor
from reelstream.ui.app import App
from reelstream.ui.views import {view}

{view}.show(App(client=Client(os.environ["REELSTREAM_UI_API"]), words=visitor.words()))
"""


def view(name: str, **address: str) -> AppTest:
    """The view, not yet run. address: what stands in the address, such as user and film."""
    app = AppTest.from_string(_SCRIPT.format(view=name), default_timeout=30)
    for key, value in address.items():
        app.query_params[key] = value
    return app


def with_tables(app: AppTest, *titles: str) -> AppTest:
    """The view with the tables of these charts opened, run again."""
    for title in titles:
        app.session_state[table_key(title)] = True
    return app.run()


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def words(app: AppTest) -> str:
    """All that is written, line by line."""
    return "\n".join(
        element.value
        for kind in (app.title, app.header, app.subheader, app.markdown, app.caption)
        for element in kind
    )


def buttons(app: AppTest, where: str) -> list[str]:
    """The names of the films in one list."""
    return [button.label for button in app.button if str(button.key).startswith(f"film-{where}-")]
