"""Choices that stand in the address, so that they can be sent to somebody.

Streamlit's own binding would do, but it does not let a button lead to another page while something is bound.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st


def recall(name: str, options: Sequence[str]) -> str:
    """Gives a widget its value; to be called before it is drawn, and `note` after that.

    The address counts where it has changed since it was written: at first, and when somebody goes back.

    Args:
        name: in the address.
        options: what it can be; the first is the default, which the address leaves out.

    Returns:
        The widget's key.
    """
    key, given = _key(name), st.query_params.get(name)
    if st.session_state.get(_written(name), "") != given:
        st.session_state[key] = given
    if st.session_state.get(key) not in options:
        st.session_state[key] = options[0]
    return key


def note(name: str, options: Sequence[str]) -> str:
    """Writes the widget's value to the address.

    Returns:
        The value.
    """
    found = st.session_state.get(_key(name))
    value = str(found) if found in options else options[0]
    if value != options[0]:
        st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]
    st.session_state[_written(name)] = st.query_params.get(name)
    return value


def lead(name: str, value: str) -> None:
    """Chooses a value, before the widget is drawn again, whatever the address says."""
    st.session_state[_key(name)] = value
    st.session_state[_written(name)] = st.query_params.get(name)


def _key(name: str) -> str:
    # Other pages have boxes of the same names.
    return f"data-{name}"


def _written(name: str) -> str:
    return f"data-{name}-in-address"
