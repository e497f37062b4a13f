"""What a model believes, as figures: features overall and by segment, and positions."""

from __future__ import annotations

from collections.abc import Sequence

from lrerank.charts.figures import LIFTS, NEUTRAL, Figure, layout
from lrerank.types import FloatArray


def feature_figure(features: Sequence[str], overall: FloatArray, most: int = 12) -> Figure:
    """Horizontal bars: mean absolute contribution, the strongest on top."""
    amounts = overall[:most].tolist()
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": amounts,
        "y": list(features[:most]),
        "marker": {"color": LIFTS, "cornerradius": 3},
        "text": [f"{amount:.3f}" for amount in amounts],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{x:.4f}<extra></extra>",
    }
    across = {"range": [0, 1.18 * max(amounts, default=1.0)]}
    down = {"autorange": "reversed", "ticksuffix": "  ", "zeroline": False}
    return {
        "traces": [trace],
        "layout": layout(xaxis=across, yaxis=down, showlegend=False, bargap=0.35, hovermode="closest", margin={"t": 4}),
    }


def segment_figure(features: Sequence[str], segments: Sequence[str], by_segment: FloatArray, most: int = 12) -> Figure:
    """A heat map: a row per segment, a column per feature; in each cell the number in thousandths."""
    cells = by_segment[:, :most]
    largest = float(cells.max(initial=0.0)) or 1.0
    trace = {
        "type": "heatmap",
        "x": list(features[:most]),
        "y": list(segments),
        "z": cells.tolist(),
        "zmin": 0.0,
        "zmax": largest,
        "colorscale": [[0, "rgba(59,130,196,0.03)"], [1, "rgba(59,130,196,0.6)"]],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "hovertemplate": "%{y}, %{x}: %{z:.4f}<extra></extra>",
    }
    # Annotations, not the trace's own text, whose colour would not follow the theme.
    written = [
        {"x": place, "y": segment, "text": f"{1000 * cell:.0f}", "showarrow": False}
        for segment, row in enumerate(cells.tolist())
        for place, cell in enumerate(row)
    ]
    # The grid would show through what is mostly transparent.
    across = {"side": "bottom", "tickangle": -35, "showgrid": False}
    down = {"autorange": "reversed", "ticksuffix": "  ", "showgrid": False, "zeroline": False}
    base = layout(xaxis=across, yaxis=down, hovermode="closest", margin={"t": 4}, annotations=written)
    return {"traces": [trace], "layout": base}


def position_figure(believed: FloatArray, true: FloatArray) -> Figure:
    """Two curves over slots, relative to the first."""
    slots = list(range(1, len(true) + 1))
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": slots,
            "y": curve.tolist(),
            "line": {"color": colour, "width": 2.5, "dash": dash},
            "marker": {"symbol": symbol, "size": 8},
            "hovertemplate": "%{y:.2f}",
        }
        for name, curve, colour, dash, symbol in (
            ("the model believes", believed, LIFTS, "solid", "circle"),
            ("the truth", true, NEUTRAL, "dot", "diamond"),
        )
    ]
    down = {"rangemode": "tozero"}
    return {"traces": traces, "layout": layout("slot", "relative to slot 1", xaxis={"dtick": 1}, yaxis=down)}
