"""What curves are drawn with: bands, words for hovering, and marks at moments."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any
from zlib import crc32

import numpy as np

from lrerank.charts.figures import NEUTRAL, array, faint
from lrerank.experiments.spec import Experiment
from lrerank.experiments.wording import measured
from lrerank.types import FloatArray, IntArray

PER = 1000.0
"""Rewards are told per so many searches."""


def band(at: IntArray, low: FloatArray, high: FloatArray, colour: str) -> dict[str, Any]:
    """The area between two curves, without the places where there is none."""
    there = np.isfinite(low) & np.isfinite(high)
    at, low, high = at[there], low[there], high[there]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": array(np.concatenate([at, at[::-1]])),
        "y": array(np.concatenate([high, low[::-1]])),
        "fill": "toself",
        "fillcolor": faint(colour),
        "line": {"width": 0},
        "showlegend": False,
        "hoverinfo": "skip",
    }


def texts(value: FloatArray, low: FloatArray | None, high: FloatArray | None, *, sign: bool) -> list[str]:
    """For hovering: each value with its interval."""
    said = []
    for place, each in enumerate(value.tolist()):
        if np.isnan(each):
            said.append("nothing to measure")
            continue
        ends = [None if end is None or np.isnan(end[place]) else float(end[place]) for end in (low, high)]
        number, between = measured(each, *ends, sign=sign)
        said.append(f"{number} ({between})" if between else number)
    return said


def marks(events: Mapping[int, str]) -> dict[str, Any]:
    """Vertical lines with words, as parts of a layout."""
    line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "line": {"color": NEUTRAL, "width": 1.5, "dash": "dot"}}
    word = {"yref": "paper", "y": 1, "yanchor": "top", "xanchor": "left", "xshift": 4, "showarrow": False}
    return {
        "shapes": [{**line, "x0": at, "x1": at} for at in events],
        "annotations": [{**word, "x": at, "text": text} for at, text in events.items()],
    }


def tastes_change(experiment: Experiment) -> dict[int, str]:
    """Searches after the log → "tastes change", where the spec says so."""
    log = experiment.log.impressions
    shifts = [shift - log for shift in experiment.world.parameters.get("shifts", ())]
    return {shift: "tastes change" for shift in shifts if 0 <= shift < experiment.impressions}


def plain(text: str) -> str:
    """Words of users as they are: charts read some markup in words, links among it."""
    return escape(text, quote=False)


def uid(*names: str) -> str:
    """What a trace is known by when a chart is drawn again: charts make a selector of it, so it has letters only."""
    return f"t{crc32(repr(names).encode()):08x}"
