"""What all charts share: a figure as plain tables, the colours of policies, and the layout.

A figure is what Plotly reads: `{"traces": [...], "layout": {...}}`. Plain tables instead of Plotly's classes, since those
take ten times as long to build, and live charts are built twice a second.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

Figure: TypeAlias = dict[str, Any]

LIFTS, LOWERS = "#3b82c4", "#d9822b"
"""Blue and orange: told apart by colour-blind eyes, and readable on light and on dark."""
NEUTRAL = "#8a94a3"

_OF_ARMS: Mapping[str, str] = {
    "learned": "#3b82c4",
    "static": "#8a94a3",
    "rerank": "#8a94a3",
    "pooled": "#00996f",
    "placebo": "#7845e6",
    "context": "#8a7400",
    "popularity": "#d9822b",
    "segment_popularity": "#b35900",
    "ltr": "#a34d7f",
    "nightly": "#a34d7f",
    "mmr": "#5b5ea6",
    "retrieval": "#7a6a58",
    "uniform": "#b0655b",
    "greedy": "#4fb0d8",
    "reference": "#6b7280",
}
_OTHERS = ("#5b5ea6", "#b35900", "#a34d7f", "#4fb0d8", "#7a6a58", "#8a7400", "#b0655b", "#00996f")


def colours(arms: Sequence[str]) -> dict[str, str]:
    """Arm → colour: the same on all pages for names that are usual, one of the others, in order, for the rest."""
    found: dict[str, str] = {}
    free = [colour for colour in _OTHERS if colour not in {_OF_ARMS.get(arm) for arm in arms}] or list(_OTHERS)
    others = 0
    for arm in arms:
        known = _OF_ARMS.get(arm)
        if known is None:
            known = free[others % len(free)]
            others += 1
        found[arm] = known
    return found


def array(values: ArrayLike) -> dict[str, str]:
    """Numbers as Plotly's browser side reads them fastest, in single precision: for drawing only."""
    content = np.ascontiguousarray(np.asarray(values, np.float64), "<f4")
    return {"dtype": "f4", "bdata": base64.b64encode(content.tobytes()).decode()}


def faint(colour: str, share: float = 0.16) -> str:
    """The same colour, mostly transparent: for bands."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"


def round_step(span: float, wanted: int) -> float:
    """A round number that goes into a span as often as is wanted, or less often."""
    rough = span / wanted
    size = 10.0 ** floor(log10(rough))
    return next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough)


def layout(x: str = "", y: str = "", **more: Any) -> dict[str, Any]:
    """The layout of all charts: titles of the axes, the legend on top, at the left."""
    base: dict[str, Any] = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 12, "t": 34, "b": 8},
        "hovermode": "x unified",
        "uirevision": "keep",
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "xanchor": "left",
            "yanchor": "bottom",
            "title": {"text": ""},
        },
        "xaxis": {"title": {"text": x}, "automargin": True, "zeroline": False, "gridcolor": "rgba(128,128,128,.2)"},
        "yaxis": {"title": {"text": y}, "automargin": True, "zeroline": True, "gridcolor": "rgba(128,128,128,.2)"},
    }
    for name, value in more.items():
        base[name] = {**base[name], **value} if isinstance(base.get(name), dict) and isinstance(value, dict) else value
    return base
