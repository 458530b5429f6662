"""The frame of every chart: its title, what its axes count, and the same numbers as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import streamlit as st

from reelstream.ui.words import Words

Table = Mapping[str, Sequence[object]]


def show_chart(
    words: Words, chart: alt.TopLevelMixin, *, title: str, units: str, table: Table, alt_text: str
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
    st.altair_chart(chart.configure(locale=locale), alt=alt_text)
    show_table_behind(words, table)


def bottom_legend(values: Sequence[str] | None = None) -> alt.Legend:
    """A legend below a chart, in one column where the chart is narrow. values: which it has; all
    when absent.
    """
    shown = alt.Undefined if values is None else list(values)
    columns = alt.ExprRef("width < 360 ? 1 : width < 700 ? 2 : 4")
    return alt.Legend(orient="bottom", columns=columns, labelLimit=400, values=shown)


def show_table_behind(words: Words, table: Table) -> None:
    """The numbers of a chart, folded away."""
    with st.expander(words("chart.table"), type="compact"):
        show_table(table)


def show_table(table: Table) -> None:
    """Columns of text or numbers as a plain table."""
    st.table(dict(table), border="horizontal", hide_index=True)
