"""The page "Data": its parts, and how one gets from one to the other."""

from __future__ import annotations

import streamlit as st

from lrerank.store import Store
from lrerank.ui.catalogs import adding, browsing, people
from lrerank.ui.catalogs.address import lead, note, recall
from lrerank.ui.catalogs.style import STYLE
from lrerank.ui.frame import heading

CATALOGS, ADD, USERS = SECTIONS = ("Catalogs", "Add a catalog", "Users")


def draw() -> None:
    """Draws the page."""
    heading("Data")
    st.html(STYLE)
    store = Store()
    key = recall("section", SECTIONS)
    st.segmented_control("Part of the page", SECTIONS, required=True, key=key, label_visibility="collapsed")
    section = note("section", SECTIONS)
    if section == ADD:
        adding.draw(store, _show)
    elif section == USERS:
        people.draw(store)
    else:
        browsing.draw(store, _add)


def _add() -> None:
    lead("section", ADD)


def _show(name: str) -> None:
    lead("section", CATALOGS)
    lead("catalog", name)
