"""The page frame: title, icon and navigation; the views stand below it."""

from __future__ import annotations

import gc
import logging
from importlib.resources import files
from pathlib import Path

import streamlit as st

from lrerank.errors import LrerankError
from lrerank.ui.words import told

_LOG = logging.getLogger(__name__)
_PAGES = (
    ("start", "Start"),
    ("playground", "Playground"),
    ("simulate", "Simulate"),
    ("tune", "Tune"),
    ("data", "Data"),
    ("runs", "Runs"),
)


def main() -> None:
    """Draw the app once; Streamlit calls this again on every interaction."""
    # A local file, because Streamlit would fetch a named icon from another host.
    icon = str(files("lrerank.ui") / "assets" / "icon.svg")
    st.set_page_config(page_title="lrerank", page_icon=icon, layout="wide")
    st.logo(str(files("lrerank.ui") / "assets" / "logo.svg"))
    views = Path(str(files("lrerank.ui"))) / "views"
    pages = [
        st.Page(views / f"{name}.py", title=title, default=not place) for place, (name, title) in enumerate(_PAGES)
    ]
    page = st.navigation(pages, position="top")
    try:
        page.run()
        _settle(page.title)
    except LrerankError as error:
        st.error(told(error))
    except Exception:  # noqa: BLE001  (no traceback reaches a page)
        _LOG.exception("the page failed")
        st.error("This page failed unexpectedly. Reload it; the terminal of the server says more.")


@st.cache_resource(show_spinner=False)
def _settle(page: str) -> None:  # noqa: ARG001  (once for each)
    """Takes what a page has loaded out of the search for garbage, which Streamlit begins after every rerun."""
    gc.collect()
    gc.freeze()
