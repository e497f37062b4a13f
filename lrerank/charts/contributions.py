"""Why one document stands where it stands: its features' contributions as bars, data first, then the figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrerank.attribution import Contributions
from lrerank.charts.figures import LIFTS, LOWERS, Figure, layout


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
    names = [_readable(contributions.features[place]) for place in shown]
    amounts = [float(own[place]) for place in shown]
    total = float(own.sum())
    if len(np.flatnonzero(own)) > len(shown):
        names.append("all others")
        amounts.append(total - sum(amounts))
    return Bars(names, amounts, total)


def contribution_figure(bars: Bars) -> Figure:
    """Horizontal bars, the strongest on top."""
    widest = max((abs(amount) for amount in bars.amounts), default=0.0) or 1.0
    low, high = min(0.0, *bars.amounts, 0.0), max(0.0, *bars.amounts, 0.0)
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": list(bars.amounts),
        "y": list(bars.names),
        "marker": {"color": [LIFTS if amount >= 0 else LOWERS for amount in bars.amounts], "cornerradius": 3},
        "text": [f"{amount:+.3f}".replace("-", "−") for amount in bars.amounts],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{x:+.4f}<extra></extra>",
    }
    # Room for the numbers outside of the bars.
    across = {"range": [low - 0.28 * widest * (low < 0), high + 0.28 * widest]}
    down = {"autorange": "reversed", "ticksuffix": "  ", "zeroline": False}
    return {
        "traces": [trace],
        "layout": layout(xaxis=across, yaxis=down, showlegend=False, bargap=0.35, hovermode="closest", margin={"t": 4}),
    }


def _readable(feature: str) -> str:
    """`metadata.price` → `price`; `incoming.rank` → `incoming rank`: where the stage before had put it."""
    return (
        feature.replace(".", " ") if feature.startswith("incoming.") else feature.rsplit(".", 1)[-1].replace("_", " ")
    )
