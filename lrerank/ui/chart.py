"""One component for all charts: unlike Streamlit's own it redraws in place, so that live charts keep zoom and legend."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import streamlit as st

from lrerank.charts.figures import Figure


def chart(
    figure: Figure,
    *,
    key: str,
    label: str,
    height: int = 320,
    toolbar: bool = False,
    on_pick: Callable[[], None] | None = None,
) -> Any:
    """Draws a figure of `lrerank.charts`.

    Args:
        key: unlike those of the page's other charts, and the same from run to run.
        label: what it shows, in a sentence, for those who can't see it.
        height: in pixels.
        toolbar: whether one may zoom.
        on_pick: is called when a point with `customdata` was clicked, before the page is drawn again.

    Returns:
        The `customdata` of the point that was clicked just now, else None.
    """
    data = {"figure": figure, "label": label, "height": height, "toolbar": toolbar}
    found = _component()(key=_allowed(key), data=data, height="content", on_picked_change=on_pick or _nothing)
    return found.picked


def expect_charts() -> None:
    """Has the charts' library fetched while people read a page that has none, for the next one; to be drawn last."""
    _component()(key="expected", data={"figure": None}, height="content", on_picked_change=_nothing)


@cache
def _component() -> Callable[..., Any]:
    component: Callable[..., Any] = st.components.v2.component(
        "lrerank.chart", js="chart.js", css="chart.css", isolate_styles=False
    )
    return component


def _allowed(key: str) -> str:
    """Streamlit refuses two underscores in a row, which names of users' catalogs and arms may hold."""
    return key.replace("_", "-_") if "__" in key else key


def _nothing() -> None:
    """Streamlit keeps only values that somebody waits for."""
