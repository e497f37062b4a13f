"""What the model brings beside its fallback, by the past interactions of the user."""

from __future__ import annotations

from dataclasses import dataclass

from lrerank.charts.figures import NEUTRAL, Figure, colours, layout
from lrerank.charts.lines import uid
from lrerank.charts.rows import whiskers
from lrerank.charts.settings import reward_axis
from lrerank.experiments.cold_start import ColdStart
from lrerank.experiments.wording import measured


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
        title=f"{reward_axis(of)}: {found.arm} minus its fallback on the same searches",
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
        axis=reward_axis(of),
        note=note.strip(),
    )


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
                "error_y": whiskers(value, low, high, colour),
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
