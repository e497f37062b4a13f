"""The page frame: title and icon; the views stand below it."""

from __future__ import annotations

from importlib.resources import files

import streamlit as st


def main() -> None:
    """Draw the app once; Streamlit calls this again on every interaction."""
    # A local file, because Streamlit would fetch a named icon from another host.
    st.set_page_config(page_title="lrerank", page_icon=str(files("lrerank.ui") / "assets" / "icon.svg"), layout="wide")
    st.title("lrerank")
