"""Reward against a number that was varied, mostly the exploration rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from lrerank.charts.figures import NEUTRAL, Figure, faint, layout
from lrerank.charts.lines import plain, uid
from lrerank.charts.rows import whiskers
from lrerank.charts.settings import Point, axes_of, is_number, point_of, reward_axis, told, values_of
from lrerank.experiments.sweep_table import SettingRow
from lrerank.experiments.sweep_verdict import named_values, short_path

_SERIES = ("#3b82c4", "#d9822b", "#00996f", "#a34d7f", "#8a7400", "#5b5ea6", "#7a6a58", "#4fb0d8")


@dataclass(frozen=True, slots=True)
class Dose:
    """Reward against one axis.

    Attributes:
        title: what is shown, in a line.
        x, axis: names of the axes.
        series: what else is set → points from low to high.
        note: what the marks and intervals are.
    """

    title: str
    x: str
    axis: str
    series: Mapping[str, tuple[Point, ...]]
    note: str


def dose(
    settings: Sequence[SettingRow], path: str, *, baseline: str = "", difference: bool = True, of: str = "reward"
) -> Dose:
    """Reward against the values of one axis, a line for each combination of the others.

    Args:
        settings: of a sweep; what is not compared with each other gets lines of its own.
        path: a numeric axis of the settings, `arms.learned.exploration_rate`.
        baseline: what differences are from, for the titles.
        difference: whether to show the paired difference from the baseline, which is surer than the reward itself.
        of: what a reward is, `wording.unit`.
    """
    series: dict[str, list[Point]] = {}
    for row in settings:
        own = values_of(row)
        if path in own and is_number(own[path]):
            others = {name: value for name, value in own.items() if name != path and name in axes_of(settings)}
            name = named_values(others) or row.variant.arm
            series.setdefault(name, []).append(point_of(row, float(own[path]), difference=difference))
    ordered = {name: tuple(sorted(points, key=lambda each: each.at)) for name, points in series.items()}
    minus = f" minus {baseline or 'the baseline'}" if difference else ""
    x = short_path(path)
    note = (
        "The star is the best setting, grey its interval; filled dots can't be told from it, open ones are shown to be "
        "worse. Whiskers: 95 % intervals one by one."
    )
    axis = reward_axis(of)
    return Dose(f"{axis}{minus} against {x}", x, axis, ordered, note)


def dose_figure(found: Dose) -> Figure:
    """Lines with whiskers; settings that may be the best are filled, the best is a star. A click gives `simulated_as`."""
    traces: list[dict[str, Any]] = []
    for colour, (name, points) in zip(cycle(_SERIES), found.series.items(), strict=False):
        marker = {
            "size": [16 if point.best else 10 for point in points],
            "symbol": ["star" if point.best else "circle" if point.kept else "circle-open" for point in points],
            "color": colour,
            "line": {"color": colour, "width": 2},
        }
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": plain(name),
                "x": [point.at for point in points],
                "y": [point.value for point in points],
                "line": {"color": colour, "width": 2},
                "marker": marker,
                "error_y": whiskers(
                    [point.value for point in points],
                    [point.low for point in points],
                    [point.high for point in points],
                    colour,
                ),
                "text": [told(point) for point in points],
                "customdata": [point.simulated_as for point in points],
                "hovertemplate": "%{text}",
                "uid": uid(name),
            }
        )
    everything = [point for points in found.series.values() for point in points]
    best = next((point for point in everything if point.best), None)
    shapes = []
    if best is not None and best.low is not None:
        band = {"type": "rect", "xref": "paper", "x0": 0, "x1": 1, "y0": best.low, "y1": best.high}
        shapes.append({**band, "fillcolor": faint(NEUTRAL, 0.1), "line": {"width": 0}, "layer": "below"})
    places = sorted({point.at for point in everything})
    ticks = {"tickvals": places, "ticktext": [f"{place:g}" for place in places]} if len(places) <= 12 else {}
    shown = layout(found.x, found.axis, xaxis=ticks, yaxis={"tickformat": ",~r"}, shapes=shapes)
    return {"traces": traces, "layout": shown}
