"""Settings in two directions, as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lrerank.charts.figures import LIFTS, LOWERS, NEUTRAL, Figure, faint, layout
from lrerank.charts.lines import plain
from lrerank.charts.settings import Point, axes_of, is_number, point_of, reward_axis, told, values_of
from lrerank.experiments.sweep_table import SettingRow
from lrerank.experiments.sweep_verdict import named_values, short_path
from lrerank.experiments.wording import measured


@dataclass(frozen=True, slots=True)
class Heat:
    """Settings in two directions.

    Attributes:
        title: what is shown, in a line.
        x, y: names of the axes.
        columns, rows: values along them, for people.
        cells: row by row; None where there is no such setting.
        axis: unit of the values.
    """

    title: str
    x: str
    y: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: tuple[tuple[Point | None, ...], ...]
    axis: str


def heat(
    settings: Sequence[SettingRow],
    x: str,
    y: str,
    *,
    baseline: str = "",
    difference: bool = True,
    of: str = "reward",
) -> Heat:
    """Settings along two axes; where there are more axes, those of `y` and all others are told together.

    Args:
        x, y: dotted paths.
        baseline, difference, of: as in `dose`.
    """
    axes = axes_of(settings)
    columns: dict[Any, str] = {}
    rows: dict[tuple[Any, ...], str] = {}
    cells: dict[tuple[tuple[Any, ...], Any], Point] = {}
    others = [path for path in axes if path not in (x, y)]
    for row in settings:
        own = values_of(row)
        if x not in own or y not in own:
            continue
        column, place = _key(own[x]), (_key(own[y]), *(_key(own.get(path)) for path in others))
        columns[column] = _said(own[x])
        rest = named_values({path: own[path] for path in others if path in own})
        rows[place] = _said(own[y]) + (f", {rest}" if rest else "")
        cells[place, column] = point_of(row, 0.0, difference=difference)
    across = (
        sorted(columns)
        if all(map(is_number, columns))
        else [each for each in map(_key, axes.get(x, ())) if each in columns]
    )
    down = sorted(rows, key=lambda place: tuple(map(_rank, place)))
    minus = f" minus {baseline or 'the baseline'}" if difference else ""
    return Heat(
        title=f"{reward_axis(of)}{minus}",
        x=short_path(x),
        y=short_path(y),
        columns=tuple(columns[each] for each in across),
        rows=tuple(rows[each] for each in down),
        cells=tuple(tuple(cells.get((place, column)) for column in across) for place in down),
        axis=reward_axis(of),
    )


def heat_figure(found: Heat) -> Figure:
    """A cell per setting with its value; those that may be the best are framed. A click gives `simulated_as`."""
    cells = [point for row in found.cells for point in row if point is not None]
    values = [[None if point is None else point.value for point in row] for row in found.cells]
    low = min((point.value for point in cells), default=0.0)
    high = max((point.value for point in cells), default=1.0)
    # Light enough for words upon them, in both themes.
    blue, orange = faint(LIFTS, 0.75), faint(LOWERS, 0.75)
    scale: dict[str, Any] = {"zmin": low, "zmax": high, "colorscale": [[0, faint(LIFTS, 0.06)], [1, blue]]}
    if low < 0:
        most = max(-low, high)
        scale = {"zmin": -most, "zmax": most}
        scale["colorscale"] = [[0, orange], [0.5, faint(NEUTRAL, 0.06)], [1, blue]]
    places = [
        (column, row, point)
        for row, line in enumerate(found.cells)
        for column, point in enumerate(line)
        if point is not None
    ]
    tiles = {
        "type": "heatmap",
        "z": values,
        "x": list(range(len(found.columns))),
        "y": list(range(len(found.rows))),
        "xgap": 3,
        "ygap": 3,
        "hoverinfo": "skip",
        "colorbar": {"title": {"text": ""}, "thickness": 10, "outlinewidth": 0, "tickformat": ",~r"},
        **scale,
    }
    words = {
        "type": "scatter",
        "mode": "markers+text",
        "x": [column for column, _, _ in places],
        "y": [row for _, row, _ in places],
        "text": [("★ " if point.best else "") + measured(point.value, None, None)[0] for _, _, point in places],
        "textposition": "middle center",
        # What is clicked: heat maps themselves give no point.
        "marker": {"symbol": "square", "size": 44, "opacity": 0, "color": NEUTRAL},
        "customdata": [point.simulated_as for _, _, point in places],
        "hovertext": [told(point) for _, _, point in places],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "showlegend": False,
    }
    frames = [
        {
            "type": "rect",
            "x0": column - 0.46,
            "x1": column + 0.46,
            "y0": row - 0.44,
            "y1": row + 0.44,
            "line": {"color": LIFTS, "width": 2},
        }
        for column, row, point in places
        if point.kept
    ]
    return {
        "traces": [tiles, words],
        "layout": layout(
            found.x,
            found.y,
            xaxis={
                "tickvals": list(range(len(found.columns))),
                "ticktext": [plain(each) for each in found.columns],
                "showgrid": False,
            },
            yaxis={
                "tickvals": list(range(len(found.rows))),
                "ticktext": [plain(each) for each in found.rows],
                "showgrid": False,
                "zeroline": False,
                "range": [len(found.rows) - 0.5, -0.5],
                "ticksuffix": "  ",
            },
            shapes=frames,
            hovermode="closest",
            margin={"t": 8},
        ),
    }


def _rank(value: Any) -> tuple[float, str]:
    """Numbers by size, all else by name: rows of settings come best first."""
    return (float(value), "") if is_number(value) else (0.0, str(value))


def _key(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _said(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
