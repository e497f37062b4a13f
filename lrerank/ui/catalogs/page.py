"""The page "Data": its parts, and how one gets from one to the other."""

from __future__ import annotations

import streamlit as st

from lrerank.store import Store
from lrerank.ui.catalogs import adding, browsing, people
from lrerank.ui.catalogs.style import STYLE
from lrerank.ui.frame import heading

CATALOGS, ADD, USERS = "Catalogs", "Add a catalog", "Users"

_LED = "section-led"


def draw() -> None:
    """Draws the page."""
    heading("Data")
    st.html(STYLE)
    store = Store()
    # A default beside a value that was just set would be logged as a mistake.
    is_led = st.session_state.pop(_LED, False)
    section = st.segmented_control(
        "Part of the page",
        [CATALOGS, ADD, USERS],
        default=None if is_led else CATALOGS,
        required=True,
        key="section",
        bind="query-params",
        label_visibility="collapsed",
    )
    if section == ADD:
        adding.draw(store, _show)
    elif section == USERS:
        people.draw(store)
    else:
        browsing.draw(store, _add)


def _add() -> None:
    _lead(ADD)


def _show(name: str) -> None:
    _lead(CATALOGS)
    st.session_state["catalog"] = name


def _lead(section: str) -> None:
    st.session_state["section"] = section
    st.session_state[_LED] = True
