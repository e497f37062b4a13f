"""The box in which other pages choose a catalog."""

from __future__ import annotations

import streamlit as st

from lrerank.store import Store
from lrerank.ui.catalogs.address import lead, note, recall
from lrerank.ui.catalogs.listing import ready
from lrerank.ui.words import plain


def catalog_box(store: Store, asked: str = "") -> str:
    """Draws it; what is chosen stands in the address by its name, as the page Data and commands call it.

    Args:
        asked: a name in the session's state, under which another page may have left a catalog to choose.
    """
    labels = ready(store)
    names = list(labels)
    handed = st.session_state.pop(asked, None) if asked else None
    wanted = handed or st.query_params.get("catalog")
    if wanted and wanted not in labels:
        st.toast(f"There is no catalog {plain(wanted[:60])} here.", icon=":material/info:")
    elif handed:
        lead("catalog", handed)
    st.selectbox(
        "Catalog",
        names,
        format_func=lambda name: labels.get(name, name),
        key=recall("catalog", names),
        help="Your own come in on the page Data.",
    )
    return note("catalog", names)
