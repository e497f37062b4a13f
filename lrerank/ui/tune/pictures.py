"""The charts of a panel of settings: which axes are drawn, in the page's words."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import Any

from lrerank.charts.figures import LIFTS, Figure, faint
from lrerank.charts.settings import Dose, Heat, dose, dose_figure, heat, numeric_axes, swept_axes
from lrerank.experiments.spec import Experiment
from lrerank.experiments.sweep_table import SettingRow
from lrerank.experiments.sweep_verdict import short_path
from lrerank.experiments.wording import unit
from lrerank.ui.tune.labels import RATE, axis_label, setting_label, value_label
from lrerank.ui.tune.outcome import Panel, sentence_case

_UNVARIED = "learned"


def dose_chart(panel: Panel, experiment: Experiment) -> Dose | None:
    """Differences from the baseline against the rate, or another number; None where none was varied."""
    rows = [_in_words(row) for row in panel.rows]
    axes = sorted(numeric_axes(rows), key=lambda path: short_path(path) != RATE)
    if not axes:
        return None
    found = dose(rows, axes[0], baseline=experiment.baseline)
    series = {}
    for points in found.series.values():
        others = {path: value for path, value in points[0].values.items() if path != axes[0]}
        series[sentence_case(setting_label(others)) if others else _UNVARIED] = points
    return replace(found, x=sentence_case(axis_label(axes[0])), axis=_axis(experiment), series=series)


def heat_chart(panel: Panel, experiment: Experiment) -> Heat | None:
    """Settings along two axes, the rate across; None where fewer than two were varied."""
    rows = [_in_words(row) for row in panel.rows]
    axes = sorted(swept_axes(rows), key=lambda path: short_path(path) != RATE)
    if len(axes) < 2:
        return None
    found = heat(rows, axes[0], axes[1], baseline=experiment.baseline)
    labels = []
    for cells in found.cells:
        values = next(point.values for point in cells if point is not None)
        labels.append(sentence_case(setting_label({path: value for path, value in values.items() if path != axes[0]})))
    # What stands along the side says by itself what it is.
    return replace(found, x=sentence_case(axis_label(axes[0])), y="", rows=tuple(labels), axis=_axis(experiment))


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


def _in_words(row: SettingRow) -> SettingRow:
    """Numbers stay numbers; lists of features and names of strategies become what people call them."""
    values = {
        path: value if isinstance(value, int | float) and not isinstance(value, bool) else value_label(path, value)
        for path, value in row.variant.values.items()
    }
    return replace(row, condition={}, variant=replace(row.variant, values=values))
