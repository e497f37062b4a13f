"""What sweeps found: reward against a dose, settings as a heat map, and cold start by past interactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lrerank.charts.figures import LIFTS, LOWERS, NEUTRAL, Figure, colours, faint, layout
from lrerank.charts.lines import plain, uid
from lrerank.experiments.cold_start import ColdStart
from lrerank.experiments.sweep_table import SettingRow
from lrerank.experiments.sweep_verdict import named_values, short_path
from lrerank.experiments.wording import measured

_SERIES = ("#3b82c4", "#d9822b", "#00996f", "#a34d7f", "#8a7400", "#5b5ea6", "#7a6a58", "#4fb0d8")


@dataclass(frozen=True, slots=True)
class Point:
    """A setting; rewards per 1,000 searches.

    Attributes:
        at: its value on the axis.
        value, low, high: reward, or its paired difference from the baseline; ends are None without an interval.
        kept: whether it may be the best one of its condition.
        best: whether it has the highest figure of its condition.
        explored_pages: share of pages.
        price: of exploration.
        simulated_as: the arm's name in the figures.
        values: dotted path → value.
    """

    at: float
    value: float
    low: float | None
    high: float | None
    kept: bool
    best: bool
    explored_pages: float
    price: float
    simulated_as: str
    values: Mapping[str, Any]


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


@dataclass(frozen=True, slots=True)
class ColdStartChart:
    """Learned minus fallback by past interactions, per 1,000 searches.

    Attributes:
        title: what is shown, in a line.
        arm: which one.
        groups: numbers of past interactions.
        value, low, high: of the lists shown, exploration included; ends are None without an interval.
        greedy, greedy_low, greedy_high: of the lists that the model would show without exploration.
        threshold, greedy_threshold: place in `groups` from which on the model may rank; None where there is none.
        axis: unit of the values.
        note: what the intervals are.
    """

    title: str
    arm: str
    groups: tuple[str, ...]
    value: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    greedy: tuple[float, ...]
    greedy_low: tuple[float | None, ...]
    greedy_high: tuple[float | None, ...]
    threshold: int | None
    greedy_threshold: int | None
    axis: str
    note: str


def numeric_axes(settings: Sequence[SettingRow]) -> list[str]:
    """Paths with more than one value, all of them numbers: what a dose may be drawn against."""
    return [path for path, values in _axes(settings).items() if all(map(_is_number, values))]


def swept_axes(settings: Sequence[SettingRow]) -> list[str]:
    """Paths with more than one value, in order."""
    return list(_axes(settings))


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
        own = _values(row)
        if path in own and _is_number(own[path]):
            others = {name: value for name, value in own.items() if name != path and name in _axes(settings)}
            name = named_values(others) or row.variant.arm
            series.setdefault(name, []).append(_point(row, float(own[path]), difference=difference))
    ordered = {name: tuple(sorted(points, key=lambda each: each.at)) for name, points in series.items()}
    minus = f" minus {baseline or 'the baseline'}" if difference else ""
    x = short_path(path)
    note = (
        "The star is the best setting, grey its interval; filled dots can't be told from it, open ones are shown to be "
        "worse. Whiskers: 95 % intervals one by one."
    )
    axis = _axis(of)
    return Dose(f"{axis}{minus} against {x}", x, axis, ordered, note)


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
    axes = _axes(settings)
    columns: dict[Any, str] = {}
    rows: dict[tuple[Any, ...], str] = {}
    cells: dict[tuple[tuple[Any, ...], Any], Point] = {}
    others = [path for path in axes if path not in (x, y)]
    for row in settings:
        own = _values(row)
        if x not in own or y not in own:
            continue
        column, place = _key(own[x]), (_key(own[y]), *(_key(own.get(path)) for path in others))
        columns[column] = _said(own[x])
        rest = named_values({path: own[path] for path in others if path in own})
        rows[place] = _said(own[y]) + (f", {rest}" if rest else "")
        cells[place, column] = _point(row, 0.0, difference=difference)
    across = (
        sorted(columns)
        if all(map(_is_number, columns))
        else [each for each in map(_key, axes.get(x, ())) if each in columns]
    )
    down = sorted(rows, key=lambda place: tuple(map(_rank, place)))
    minus = f" minus {baseline or 'the baseline'}" if difference else ""
    return Heat(
        title=f"{_axis(of)}{minus}",
        x=short_path(x),
        y=short_path(y),
        columns=tuple(columns[each] for each in across),
        rows=tuple(rows[each] for each in down),
        cells=tuple(tuple(cells.get((place, column)) for column in across) for place in down),
        axis=_axis(of),
    )


def cold_start(found: ColdStart, of: str = "reward") -> ColdStartChart:
    """Learned minus fallback, with the number of past interactions from which on the model may rank.

    Args:
        of: what a reward is, `wording.unit`.
    """
    rows, least = found.rows, [row.least for row in found.rows]

    def place(threshold: int | None) -> int | None:
        return least.index(threshold) if threshold in least else None

    note = (
        f"{100 * found.level:g} % intervals for all numbers at once, {found.replicates} replicates, {found.source}. "
        f"{found.note}"
    )
    return ColdStartChart(
        title=f"{_axis(of)}: {found.arm} minus its fallback on the same requests",
        arm=found.arm,
        groups=tuple(row.group for row in rows),
        value=tuple(row.difference for row in rows),
        low=tuple(row.low for row in rows),
        high=tuple(row.high for row in rows),
        greedy=tuple(row.greedy for row in rows),
        greedy_low=tuple(row.greedy_low for row in rows),
        greedy_high=tuple(row.greedy_high for row in rows),
        threshold=place(found.threshold),
        greedy_threshold=place(found.greedy_threshold),
        axis=_axis(of),
        note=note.strip(),
    )


def dose_figure(found: Dose) -> Figure:
    """Lines with whiskers; settings that may be the best are filled, the best is a star. A click gives `simulated_as`."""
    traces: list[dict[str, Any]] = []
    for colour, (name, points) in zip(_shades(len(found.series)), found.series.items(), strict=True):
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
                "error_y": _whiskers(points, colour),
                "text": [_told(point) for point in points],
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
        "hovertext": [_told(point) for _, _, point in places],
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


def cold_start_figure(found: ColdStartChart) -> Figure:
    """Dots with whiskers for both lists around zero, the threshold as a vertical line."""
    own = colours([found.arm])[found.arm]
    traces = []
    for name, colour, symbol, beside, (value, low, high) in (
        (found.arm, own, "circle", -0.1, (found.value, found.low, found.high)),
        ("without exploration", NEUTRAL, "diamond", 0.1, (found.greedy, found.greedy_low, found.greedy_high)),
    ):
        said = [measured(*each) for each in zip(value, low, high, strict=True)]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [place + beside for place in range(len(value))],
                "y": list(value),
                "marker": {"size": 9, "color": colour, "symbol": symbol},
                "error_y": _ends(value, low, high, colour),
                "text": [
                    f"{group} interactions: {number}{f' ({between})' if between else ''}"
                    for group, (number, between) in zip(found.groups, said, strict=True)
                ],
                "hovertemplate": "%{text}",
                "uid": uid(name),
            }
        )
    marked = [
        (place, text)
        for place, text in ((found.threshold, "the model may rank"), (found.greedy_threshold, "without exploration"))
        if place is not None
    ]
    line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "line": {"color": NEUTRAL, "width": 1.5, "dash": "dash"}}
    word = {"yref": "paper", "yanchor": "top", "showarrow": False}
    middle = len(found.groups) / 2
    return {
        "traces": traces,
        "layout": layout(
            "Clicks and purchases of the user so far",
            found.axis,
            xaxis={
                "tickvals": list(range(len(found.groups))),
                "ticktext": list(found.groups),
                "range": [-0.6, len(found.groups) - 0.4],
                "showgrid": False,
            },
            yaxis={"zerolinewidth": 2, "tickformat": ",~r"},
            hovermode="closest",
            shapes=[{**line, "x0": place - 0.5, "x1": place - 0.5} for place, _ in marked],
            annotations=[
                {
                    **word,
                    "x": place - 0.5,
                    "y": 1 - 0.09 * row,
                    "xanchor": "left" if place < middle else "right",
                    "xshift": 5 if place < middle else -5,
                    "text": f"{text} from {found.groups[place]} on",
                }
                for row, (place, text) in enumerate(marked)
            ],
        ),
    }


def _point(row: SettingRow, at: float, *, difference: bool) -> Point:
    shown = (row.against_baseline if difference else row.value).headline
    name, values = row.variant.name, _values(row)
    return Point(
        at, shown.value, shown.low, shown.high, row.kept, row.best, row.explored_pages, row.price, name, values
    )


def _told(point: Point) -> str:
    number, between = measured(point.value, point.low, point.high)
    state = "best" if point.best else "can't be told from the best" if point.kept else "shown to be worse than the best"
    return (
        f"{plain(named_values(point.values))}<br>{number}{f' ({between})' if between else ''}, {state}<br>"
        f"{point.explored_pages:.0%} of pages explored, price {point.price:.1f} per 1,000"
    )


def _whiskers(points: Sequence[Point], colour: str) -> dict[str, Any]:
    value, low, high = ([getattr(point, name) for point in points] for name in ("value", "low", "high"))
    return _ends(value, low, high, colour)


def _ends(
    value: Sequence[float], low: Sequence[float | None], high: Sequence[float | None], colour: str
) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [0.0 if end is None else end - middle for end, middle in zip(high, value, strict=True)],
        "arrayminus": [0.0 if end is None else middle - end for end, middle in zip(low, value, strict=True)],
        "thickness": 1.6,
        "width": 4,
        "color": colour,
    }


def _shades(count: int) -> list[str]:
    return [_SERIES[place % len(_SERIES)] for place in range(count)]


def _values(row: SettingRow) -> dict[str, Any]:
    return {**row.condition, **row.variant.values}


def _axes(settings: Sequence[SettingRow]) -> dict[str, list[Any]]:
    """Path → values that occur, where they are more than one."""
    found: dict[str, list[Any]] = {}
    for row in settings:
        for path, value in _values(row).items():
            seen = found.setdefault(path, [])
            if value not in seen:
                seen.append(value)
    return {path: values for path, values in found.items() if len(values) > 1}


def _rank(value: Any) -> tuple[float, str]:
    """Numbers by size, all else by name: rows of settings come best first."""
    return (float(value), "") if _is_number(value) else (0.0, str(value))


def _key(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _said(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _axis(of: str) -> str:
    return f"{of[0].upper()}{of[1:]} per 1,000 searches"
