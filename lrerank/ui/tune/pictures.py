"""The charts of a panel of settings: which axes are drawn, in the page's words."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import Any

from lrerank.charts.dose import Dose, dose, dose_figure
from lrerank.charts.figures import LIFTS, Figure, faint
from lrerank.charts.heat import Heat, heat
from lrerank.charts.settings import Point, numeric_axes, swept_axes
from lrerank.experiments.spec import Experiment
from lrerank.experiments.sweep_table import SettingRow
from lrerank.experiments.wording import unit
from lrerank.ui.tune.labels import axis_label, rate_first
from lrerank.ui.tune.outcome import Panel, sentence_case

_UNVARIED = "learned"


def dose_chart(panel: Panel, experiment: Experiment) -> Dose | None:
    """Differences from the baseline against the rate, or another number; None where none was varied."""
    rows = _in_words(panel)
    axes = rate_first(numeric_axes(rows))
    if not axes:
        return None
    found = dose(rows, axes[0], baseline=experiment.baseline)
    series = {_beside(panel, points[0], axes[0]): points for points in found.series.values()}
    if len(series) == 1:
        series = dict(zip([_UNVARIED], series.values(), strict=True))
    return replace(found, x=sentence_case(axis_label(axes[0])), axis=_axis(experiment), series=series)


def heat_chart(panel: Panel, experiment: Experiment) -> Heat | None:
    """Settings along two axes, the rate across; None where fewer than two were varied together."""
    rows = _in_words(panel)
    axes = rate_first(swept_axes(rows))
    if len(axes) < 2:
        return None
    found = heat(rows, axes[0], axes[1], baseline=experiment.baseline)
    if not found.cells:
        return None
    firsts = [next(point for point in cells if point is not None) for cells in found.cells]
    labels = tuple(_beside(panel, point, axes[0]) for point in firsts)
    # What stands along the side says by itself what it is.
    return replace(found, x=sentence_case(axis_label(axes[0])), y="", rows=labels, axis=_axis(experiment))


def dose_picture(found: Dose) -> Figure:
    """The figure, with a band over the settings that can't be told apart, where they stand in one line."""
    figure = dose_figure(found)
    if len(found.series) == 1:
        [points] = found.series.values()
        # Whether settings can be told apart is said by their paired differences, not by where their intervals overlap;
        # one that is shown to be worse may stand between two that can't be.
        stretches = [[point.at for point in some] for kept, some in groupby(points, lambda point: point.kept) if kept]
        figure["layout"]["shapes"] = [_band(some[0], some[-1]) for some in stretches if len(some) > 1]
        figure["layout"]["showlegend"] = False
        figure["layout"]["margin"] = {**figure["layout"]["margin"], "t": 12}
    else:
        figure["layout"]["shapes"] = []
    figure["layout"]["hovermode"] = "closest"
    figure["layout"]["yaxis"] = {**figure["layout"]["yaxis"], "tickformat": ",~r"}
    return figure


def _band(low: float, high: float) -> dict[str, Any]:
    shape = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "x0": low, "x1": high}
    return {**shape, "fillcolor": faint(LIFTS, 0.12), "line": {"width": 0}, "layer": "below"}


def _axis(experiment: Experiment) -> str:
    return f"{sentence_case(unit(experiment))} per 1,000 searches minus {experiment.baseline}"


def _beside(panel: Panel, point: Point, axis: str) -> str:
    """What is set beside the axis."""
    row = panel.row(point.simulated_as)
    return "" if row is None else sentence_case(panel.words.setting(row.variant, without=axis))


def _in_words(panel: Panel) -> list[SettingRow]:
    """Numbers stay numbers; lists of features and names of strategies become what people call them."""
    words, found = panel.words, []
    for row in panel.rows:
        values = {
            path: value if isinstance(value, int | float) and not isinstance(value, bool) else words.value(path, value)
            for path, value in row.variant.values.items()
        }
        found.append(replace(row, condition={}, variant=replace(row.variant, values=values)))
    return found
