"""Values with intervals side by side: forest plots, and groups of requests under each arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import pandas as pd

from lrerank.charts.figures import LIFTS, LOWERS, NEUTRAL, Figure, colours, layout
from lrerank.charts.lines import PER, plain, uid
from lrerank.evaluation.intervals import Estimate
from lrerank.experiments.ablation import Ablation
from lrerank.experiments.compare import Comparison
from lrerank.experiments.groups_table import groups_table
from lrerank.experiments.measures_table import MEASURES
from lrerank.experiments.spec import REFERENCE, Experiment
from lrerank.experiments.wording import measured, unit

_REWARDS = ("expected_reward", "reward")


@dataclass(frozen=True, slots=True)
class Row:
    """A value with its interval.

    Attributes:
        low, high: None where there is no interval.
    """

    label: str
    value: float
    low: float | None
    high: float | None

    @property
    def said(self) -> str:
        """For people."""
        number, between = measured(self.value, self.low, self.high)
        return f"{number} ({between})" if between else number


@dataclass(frozen=True, slots=True)
class Forest:
    """Differences one below the other.

    Attributes:
        title: what is shown, in a line.
        axis: the unit of the values.
        rows: from top to bottom.
        note: what the intervals are; "" for nothing.
    """

    title: str
    axis: str
    rows: tuple[Row, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Group:
    """A group of requests under an arm.

    Attributes:
        low, high: None where there is no interval.
        share: of the arm's weight (mostly: pages).
    """

    group: str
    arm: str
    value: float
    low: float | None
    high: float | None
    share: float


@dataclass(frozen=True, slots=True)
class GroupsChart:
    """A breakdown.

    Attributes:
        title: what is shown, in a line.
        axis: the unit of the values.
        by: what the groups are, for an axis.
        arms: all arms of the experiment, which decide on colours.
        cells: group by group.
        is_difference: whether values are differences from the baseline.
        note: what was left out, and what must not be read out of it; "" for nothing.
    """

    title: str
    axis: str
    by: str
    arms: tuple[str, ...]
    cells: tuple[Group, ...]
    is_difference: bool
    note: str


_GROUPS = {
    "segment": "Segment of the simulated users",
    "inferred": "Segment, inferred from behaviour",
    "history": "Past interactions",
    "position": "Position",
}


def forest(found: Ablation, of: str = "reward") -> Forest:
    """What each group of features adds to an arm, the largest effect first.

    Args:
        of: what a reward is, `wording.unit`.
    """
    names = group_names([each.group for each in found.effects])
    rows = tuple(Row(name, each.value, each.low, each.high) for name, each in zip(names, found.effects, strict=True))
    note = (
        f"{100 * found.level:g} % intervals for all groups at once, {found.replicates} replicates, {found.source}. "
        f"{found.note}"
    )
    title = f"What each group of features adds to {found.arm}: with it minus without it"
    return Forest(title, f"{of[0].upper()}{of[1:]} per 1,000 searches", rows, note.strip())


def group_names(groups: Sequence[str]) -> list[str]:
    """`metadata.free_shipping` → `free shipping`; the whole path where fields of two groups end alike."""
    short = [group.rpartition(".")[2].replace("_", " ") for group in groups]
    return [name if short.count(name) == 1 else group for name, group in zip(short, groups, strict=True)]


def comparison_forest(found: Sequence[Comparison], experiment: Experiment) -> Forest:
    """Every arm's difference from the baseline over the measured window, the largest first, without the reference list,
    beside which all else would look alike.

    Args:
        found: of one measure.
    """
    found = [each for each in found if each.arm.rpartition(":")[2] != REFERENCE]
    if not found:
        return Forest("", "", (), "")
    one = found[0]
    per, axis = _scale(one.measure, experiment)
    rows = sorted(
        (Row(each.arm, *_ends(each.difference.per(per).headline)) for each in found), key=lambda row: -row.value
    )
    over = f"{len(one.replicates)} replicates, {one.source}"
    title = f"{axis} minus {one.baseline}, searches {one.start:,} to {one.end:,}"
    note = f"{100 * one.level:g} % intervals one by one, paired over {over}."
    return Forest(title, axis, tuple(rows), note)


def groups(
    figures: pd.DataFrame,
    experiment: Experiment,
    by: str,
    measure: str = "expected_reward",
    *,
    difference: bool | None = None,
) -> GroupsChart:
    """A breakdown by segment, inferred, history or position.

    Args:
        figures: of finished tasks.
        difference: whether to show differences from the baseline; by default where they are fair, by segment and by
            position. Other groups hold different requests under different arms.

    Raises:
        SpecError: there are no figures by this.
    """
    found = groups_table(figures, experiment, by, measure)
    fair = any(cell.difference is not None for cell in found.cells)
    shown = fair if difference is None else difference and fair
    per, axis = _scale(measure, experiment)
    cells = []
    for cell in found.cells:
        estimate = cell.difference if shown else cell.value
        if estimate is None or not isfinite(estimate.value) or (shown and cell.arm == REFERENCE):
            continue
        cells.append(Group(cell.group, cell.arm, *_ends(_scaled(estimate, per)), cell.share))
    start, end = experiment.window
    title = f"{axis}{f' minus {experiment.baseline}' if shown else ''} by {_GROUPS[by].lower()}"
    note = f"Searches {start:,} to {end:,}; 95 % intervals one by one. {_sentence(found.note)}"
    return GroupsChart(
        title, axis, _GROUPS[by], (*experiment.arms, REFERENCE), tuple(cells), is_difference=shown, note=note.strip()
    )


def forest_figure(found: Forest) -> Figure:
    """A dot with whiskers per row around a line at zero: blue where shown to be above, orange below, else grey."""
    colour = [_verdict_colour(row) for row in found.rows]
    names = [plain(row.label) for row in found.rows]
    traces: list[dict[str, Any]] = []
    for shade in dict.fromkeys(colour):
        own = [row for row, each in zip(found.rows, colour, strict=True) if each == shade]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [row.value for row in own],
                "y": [plain(row.label) for row in own],
                "marker": {"size": 10, "color": shade},
                "error_x": _whiskers(own, shade),
                "text": [row.said for row in own],
                "hovertemplate": "%{y}: %{text}<extra></extra>",
                "uid": uid(shade),
            }
        )
    # The words are in a column of their own, outside of the plot.
    words = [
        {
            "xref": "paper",
            "x": 1,
            "xanchor": "left",
            "xshift": 8,
            "y": plain(row.label),
            "text": row.said,
            "showarrow": False,
        }
        for row in found.rows
    ]
    longest = max((len(row.said) for row in found.rows), default=0)
    return {
        "traces": traces,
        "layout": layout(
            found.axis,
            "",
            xaxis={"zeroline": True, "zerolinewidth": 2, "tickformat": ",~r", "rangemode": "tozero"},
            yaxis={
                "categoryorder": "array",
                "categoryarray": names,
                "range": [len(names) - 0.5, -0.5],
                "ticksuffix": "  ",
                "zeroline": False,
            },
            annotations=words,
            showlegend=False,
            hovermode="closest",
            margin={"t": 8, "r": 18 + round(7.5 * longest)},
        ),
    }


def whiskers(
    value: Sequence[float], low: Sequence[float | None], high: Sequence[float | None], colour: str
) -> dict[str, Any]:
    """Intervals of the points of a trace; nothing where there is none."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [0.0 if end is None else end - middle for end, middle in zip(high, value, strict=True)],
        "arrayminus": [0.0 if end is None else middle - end for end, middle in zip(low, value, strict=True)],
        "thickness": 1.8,
        "width": 4,
        "color": colour,
    }


def groups_figure(found: GroupsChart) -> Figure:
    """Dots with whiskers, arms beside each other in every group."""
    colour = colours(found.arms)
    weighed = "slots shown" if found.by == _GROUPS["position"] else "requests"
    names = list(dict.fromkeys(cell.group for cell in found.cells))
    arms = [arm for arm in found.arms if any(cell.arm == arm for cell in found.cells)]
    traces = []
    for place, arm in enumerate(arms):
        own = [cell for cell in found.cells if cell.arm == arm]
        # Numbers instead of names, so that arms stand beside each other and not upon each other.
        beside = 0.0 if len(arms) == 1 else 0.56 * (place / (len(arms) - 1) - 0.5)
        rows = [Row(cell.group, cell.value, cell.low, cell.high) for cell in own]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": arm,
                "x": [names.index(cell.group) + beside for cell in own],
                "y": [cell.value for cell in own],
                "marker": {"size": 8, "color": colour[arm]},
                "error_y": _whiskers(rows, colour[arm]),
                "text": [
                    f"{plain(cell.group)}, {arm}: {_said(row, sign=found.is_difference)}; {cell.share:.1%} of its {weighed}"
                    for cell, row in zip(own, rows, strict=True)
                ],
                "hovertemplate": "%{text}<extra></extra>",
                "visible": "legendonly" if arm == REFERENCE else True,
                "uid": uid(arm),
            }
        )
    return {
        "traces": traces,
        "layout": layout(
            found.by,
            found.axis,
            xaxis={
                "tickvals": list(range(len(names))),
                "ticktext": [plain(name) for name in names],
                "range": [-0.5, len(names) - 0.5],
                "showgrid": False,
            },
            yaxis={"zeroline": found.is_difference, "zerolinewidth": 2, "tickformat": ",~r"},
            hovermode="closest",
        ),
    }


def _whiskers(rows: Sequence[Row], colour: str) -> dict[str, Any]:
    return whiskers([row.value for row in rows], [row.low for row in rows], [row.high for row in rows], colour)


def _verdict_colour(row: Row) -> str:
    if row.low is not None and row.low > 0:
        return LIFTS
    return LOWERS if row.high is not None and row.high < 0 else NEUTRAL


def _said(row: Row, *, sign: bool) -> str:
    number, between = measured(row.value, row.low, row.high, sign=sign)
    return f"{number} ({between})" if between else number


def _scale(measure: str, experiment: Experiment) -> tuple[float, str]:
    """Factor and axis: rewards and what is counted per page are told per 1,000 searches, shares as they are."""
    known = MEASURES[measure]
    if measure in _REWARDS:
        of = unit(experiment)
        return PER, f"{of[0].upper()}{of[1:]} per 1,000 searches"
    if known.unit.endswith(" per page") and not known.unit.startswith("ms"):
        return PER, f"{known.label} per 1,000 searches"
    return 1.0, f"{known.label} ({known.unit})"


def _ends(found: Estimate) -> tuple[float, float | None, float | None]:
    return found.value, found.low, found.high


def _scaled(found: Estimate, per: float) -> Estimate:
    low, high = (None if end is None else per * end for end in (found.low, found.high))
    return replace(found, value=per * found.value, low=low, high=high)


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}." if note else ""
