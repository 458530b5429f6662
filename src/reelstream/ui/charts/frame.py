"""The frame of every chart: its title, what its axes count, and the same numbers as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import streamlit as st

from reelstream.ui.words import Words

Table = Mapping[str, Sequence[object]]


@dataclass(frozen=True, kw_only=True)
class Clicks:
    """What a click on a chart with a selection parameter does."""

    key: str
    """Of the chart in the session, which holds the selection."""
    selected: Callable[[], None]


def show_chart(
    words: Words,
    chart: alt.TopLevelMixin,
    *,
    title: str,
    units: str,
    table: Table,
    alt_text: str,
    clicks: Clicks | None = None,
) -> None:
    """A chart with its title and units above it, and a table of what it shows beneath.

    alt_text: what it shows, for those who do not see it.
    """
    st.markdown(f"**{title}**  \n:gray[:small[{units}]]")
    # Vega writes numbers as the language does.
    locale = alt.Locale(
        number=alt.NumberLocale(
            decimal=words.texts["decimal"],
            thousands="." if words.texts["decimal"] == "," else ",",
            grouping=[3],
            currency=["", ""],
        )
    )
    localized = chart.configure(locale=locale)
    if clicks is None:
        st.altair_chart(localized, alt=alt_text)
    else:
        st.altair_chart(localized, alt=alt_text, key=clicks.key, on_select=clicks.selected)
    # Drawn when it is opened: every cell costs the browser time, and few look.
    folded = st.expander(
        words("chart.table"), type="compact", key=table_key(title), on_change="rerun"
    )
    if folded.open:
        with folded:
            show_table(table)


def table_key(title: str) -> str:
    """The key, in the session, of whether the table of a chart is open."""
    return f"table-{title}"


def bottom_legend(values: Sequence[str] | None = None) -> alt.Legend:
    """A legend below a chart, in one column where the chart is narrow. values: which it has; all
    when absent.
    """
    shown = alt.Undefined if values is None else list(values)
    columns = alt.ExprRef("width < 360 ? 1 : width < 700 ? 2 : 4")
    return alt.Legend(orient="bottom", columns=columns, labelLimit=400, values=shown)


def show_table(table: Table) -> None:
    """Columns of text or numbers as a plain table."""
    st.table(dict(table), border="horizontal", hide_index=True)
