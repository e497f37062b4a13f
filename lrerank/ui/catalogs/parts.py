"""What several parts of the page draw: the heading of a catalog, its figures, its fields and its first rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd
import streamlit as st

from lrerank.ui.catalogs.fields import FieldRow, figure
from lrerank.ui.catalogs.opened import Opened
from lrerank.ui.chart import chart
from lrerank.ui.frame import badge
from lrerank.ui.words import counted, plain

_ROW, _MOST_ROWS = 35, 12


def title(text: str, badges: Sequence[str]) -> None:
    """A heading with pills behind it."""
    pills = "".join(map(badge, filter(None, badges)))
    st.html(f'<div class="lr-data-title"><h2>{escape(text)}</h2>{pills}</div>')


def facts(found: Mapping[str, str]) -> None:
    """A few figures side by side."""
    cells = (
        f'<div class="lr-fact"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for name, value in found.items()
    )
    st.html(f'<div class="lr-facts-row">{"".join(cells)}</div>')


def card_table(rows: Mapping[str, str]) -> None:
    """Names and texts; empty ones are left out."""
    cells = (f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows.items() if text)
    st.html(f'<table class="lr-card-table">{"".join(cells)}</table>')


def fields(found: Opened, key: str) -> None:
    """The table of fields, and the distribution of the one that is chosen in it."""
    picked = st.dataframe(
        _table(found.rows),
        key=f"{key}-fields",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        height=_height(len(found.rows)),
        alt="The fields of this catalog",
        column_config={
            "field": st.column_config.TextColumn("Field", width=165),
            "kind": st.column_config.TextColumn("Kind", width=90),
            "uses": st.column_config.ListColumn("Used to", width=185, help="rank: features = auto may look at it."),
            "filled": st.column_config.ProgressColumn("Filled", min_value=0, max_value=100, format="%d %%", width=95),
            "missing": st.column_config.NumberColumn("Missing", format="localized", width=70),
            "distinct": st.column_config.NumberColumn("Distinct", format="localized", width=70),
            "spread": st.column_config.BarChartColumn("Distribution", y_min=0, width=130),
            "values": st.column_config.TextColumn("Values", width=300),
        },
    )
    chosen = picked.selection.rows
    first = next((place for place, row in enumerate(found.rows) if "segments" in row.uses), 0)
    if found.rows:
        _distribution(found.rows[chosen[0] if chosen and chosen[0] < len(found.rows) else first], found, key)


def first_rows(found: Opened) -> None:
    """The first documents as they were read."""
    st.dataframe(found.first, hide_index=True, height=_height(len(found.first)), alt="The first documents")
    if len(found.first) < len(found.catalog):
        st.caption(f"The first {len(found.first)} of {counted(len(found.catalog), 'document')}, as they were read.")


def _distribution(row: FieldRow, found: Opened, key: str) -> None:
    spread = row.distribution
    with st.container(border=True):
        st.html(
            f'<div class="lr-data-title"><h2 style="font-size:1.05rem">{escape(row.path)}</h2>{badge(row.kind)}</div>'
        )
        if not spread.labels:
            st.caption("No document has a value here.")
            return
        said = f"{counted(row.distinct, 'different value')}; {_missing(row, len(found.catalog))}."
        st.caption(plain(f"{said} {row.values}. Choose a row of the table to see another field."))
        height = 240 if spread.is_scale else 60 + 24 * (len(spread.labels) + bool(spread.others))
        label = f"How the values of {row.path} are spread over the documents"
        chart(figure(spread), key=f"{key}-distribution", label=label, height=height)


def _missing(row: FieldRow, documents: int) -> str:
    if not row.missing:
        return "every document has one"
    return f"{counted(row.missing, 'document')} of {documents:,} {'has' if row.missing == 1 else 'have'} none"


def _table(rows: Sequence[FieldRow]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "field": [row.path for row in rows],
            "kind": [row.kind for row in rows],
            "uses": [list(row.uses) for row in rows],
            # Rounded down: what is not quite full must not look full.
            "filled": [int(100 * row.filled) for row in rows],
            "missing": [row.missing for row in rows],
            "distinct": [row.distinct for row in rows],
            "spread": [row.distribution.counts.tolist() for row in rows],
            "values": [row.values for row in rows],
        }
    )


def _height(rows: int) -> int:
    return _ROW * (min(rows, _MOST_ROWS) + 1) + 3
