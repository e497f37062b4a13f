"""The box in which other pages choose a catalog."""

from __future__ import annotations

import streamlit as st

from lrerank.store import Store
from lrerank.ui.catalogs.listing import ready
from lrerank.ui.words import plain


def catalog_box(store: Store, asked: str = "") -> str:
    """Draws it; what is chosen stands in the address.

    Args:
        asked: a name in the session's state, under which another page may have left a catalog to choose.
    """
    labels = ready(store)
    # A name, as the page Data and commands call it; Streamlit itself reads and writes the label.
    wanted = (st.session_state.pop(asked, None) if asked else None) or st.query_params.get("catalog")
    if wanted in labels:
        st.session_state["catalog"] = wanted
        st.query_params["catalog"] = labels[wanted]
    elif wanted and wanted not in labels.values():
        st.toast(f"There is no catalog {plain(wanted[:60])} here.", icon=":material/info:")
    return st.selectbox(
        "Catalog",
        list(labels),
        format_func=labels.__getitem__,
        key="catalog",
        bind="query-params",
        help="Your own come in on the page Data.",
    )
