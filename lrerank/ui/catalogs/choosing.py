"""The box in which other pages choose a catalog."""

from __future__ import annotations

import streamlit as st

from lrerank.store import Store
from lrerank.ui.catalogs.listing import ready


def catalog_box(store: Store, asked: str = "") -> str:
    """Draws it; what is chosen stands in the address.

    Args:
        asked: a name in the session's state, under which another page may have left a catalog to choose.
    """
    labels = ready(store)
    wanted = st.session_state.pop(asked, None) if asked else None
    if wanted in labels:
        st.session_state["catalog"] = wanted
    return st.selectbox(
        "Catalog",
        list(labels),
        format_func=labels.__getitem__,
        key="catalog",
        bind="query-params",
        help="Your own come in on the page Data.",
    )
