"""Why one document stands where it stands: its features' contributions as bars, data first, then the figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrerank.attribution import Contributions
from lrerank.charts.figures import LIFTS, LOWERS, NEUTRAL, Figure, layout

SUM = "value minus mean"


@dataclass(frozen=True, slots=True)
class Bars:
    """A document's contributions relative to the other candidates, largest absolute one first.

    Attributes:
        names, amounts: of the features shown; the last may be all others together.
        total: the document's value minus the candidates' mean; the amounts sum to it.
    """

    names: Sequence[str]
    amounts: Sequence[float]
    total: float


def contribution_bars(contributions: Contributions, candidate: int, most: int = 8) -> Bars:
    """The bars of one candidate.

    Args:
        candidate: its place among the contributions' documents.
        most: how many features have a bar of their own; the others share one.
    """
    own = contributions.centred[candidate]
    order = np.argsort(-np.abs(own), kind="stable")
    shown = [place for place in order[:most] if own[place] != 0.0]
    names = [readable(contributions.features[place]) for place in shown]
    amounts = [float(own[place]) for place in shown]
    total = float(own.sum())
    if len(np.flatnonzero(own)) > len(shown):
        names.append("all others")
        amounts.append(total - sum(amounts))
    return Bars(names, amounts, total)


def contribution_figure(bars: Bars) -> Figure:
    """A waterfall from the candidates' mean, at 0, to this document's value: each bar begins where the last one ended."""
    starts = [sum(bars.amounts[:place]) for place in range(len(bars.amounts))]
    ends = [start + amount for start, amount in zip(starts, bars.amounts, strict=True)]
    amounts = [*bars.amounts, bars.total]
    trace = {
        "type": "bar",
        "orientation": "h",
        "base": [*starts, 0.0],
        "x": amounts,
        "y": [*bars.names, SUM],
        "marker": {
            "color": [*(LIFTS if amount >= 0 else LOWERS for amount in bars.amounts), NEUTRAL],
            "cornerradius": 3,
        },
        "text": [f"{amount:+.3f}".replace("-", "−") for amount in amounts],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{text}<extra></extra>",
    }
    low, high = min(0.0, bars.total, *ends), max(0.0, bars.total, *ends)
    span = high - low or 1.0
    # Room for the numbers outside of the bars.
    left = 0.2 * span if any(amount < 0 for amount in amounts) else 0.0
    across = {"range": [low - left, high + 0.2 * span], "zeroline": True}
    down = {"autorange": "reversed", "ticksuffix": "  ", "zeroline": False}
    return {
        "traces": [trace],
        "layout": layout(xaxis=across, yaxis=down, showlegend=False, bargap=0.35, hovermode="closest", margin={"t": 4}),
    }


def readable(feature: str) -> str:
    """`metadata.price` → `price`; `incoming.rank` → `incoming rank`: where the stage before had put it."""
    return (
        feature.replace(".", " ") if feature.startswith("incoming.") else feature.rsplit(".", 1)[-1].replace("_", " ")
    )
