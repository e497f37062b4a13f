"""Curves over time: each arm's paired difference from the baseline, its reward, and its regret.

They may be drawn while a run goes on. What is drawn solid comes from replicates that all arms have finished; a thin
dashed line says where it is heading with those under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from lrerank.charts.figures import Figure, array, colours, layout
from lrerank.charts.lines import PER, band, marks, tastes_change, texts, uid
from lrerank.charts.so_far import mean_curve, ratio, so_far
from lrerank.experiments.bands import Band, Kind, difference_band
from lrerank.experiments.compare import Paired
from lrerank.experiments.spec import REFERENCE, Experiment
from lrerank.experiments.wording import measured, unit
from lrerank.types import FloatArray, IntArray

RewardKind: TypeAlias = Literal["running", "bin"]
RegretKind: TypeAlias = Literal["cumulative", "bin"]

_MEASURE, _REGRET = "expected_reward", "regret"
# How far the axis of differences may reach beyond the curves, in their own range.
_ROOM = 2.0


@dataclass(frozen=True, eq=False)
class Curve:
    """One arm over time.

    Attributes:
        arm: its name.
        at: [t] searches: the end of each time bin.
        value: [t]
        low, high: [t] a band that contains the whole curve; None where there is none.
        ahead_at, ahead: [s] the same with the replicates under way; [0] where there are none.
    """

    arm: str
    at: IntArray
    value: FloatArray
    low: FloatArray | None
    high: FloatArray | None
    ahead_at: IntArray
    ahead: FloatArray


@dataclass(frozen=True, eq=False)
class Curves:
    """What a chart over time shows.

    Attributes:
        title: what is shown, in a line.
        axis: the unit of the values.
        arms: all arms of the experiment, which decide on colours.
        curves: one per arm; () before there are figures.
        replicates: finished ones.
        until: searches that are planned, so that the axis stays while curves grow.
        events: searches → what happens then.
        note: what the band is, or why there is none.
    """

    title: str
    axis: str
    arms: tuple[str, ...]
    curves: tuple[Curve, ...]
    replicates: int
    until: int
    events: dict[int, str]
    note: str


def difference_curves(
    figures: pd.DataFrame,
    experiment: Experiment,
    kind: RewardKind = "running",
    measure: str = _MEASURE,
    *,
    arms: Sequence[str] | None = None,
    baseline: str | None = None,
) -> Curves:
    """Every arm minus the baseline, per 1,000 searches, with simultaneous bands.

    Args:
        figures: all, or those of a snapshot so far (`snapshot.overall` is enough).
        kind: "running": over all searches up to then; "bin": within each time bin.
        measure: an additive one.
        arms, baseline: which ones, where they are not those of the experiment: arms of runs side by side.
    """
    against = baseline or experiment.baseline
    others = [arm for arm in arms or experiment.arms if arm != against]
    axis = f"{_named(experiment, measure)} per 1,000 searches"
    found = _empty(experiment, f"{axis} minus {against}{_when(kind)}", axis)
    if arms is not None:
        found = replace(found, arms=tuple(arms))
    present = _present(figures, [against, *others])
    if against not in present or len(present) < 2:
        return found
    blocks = so_far(figures, present, measure, experiment.edges())
    curves, notes = [], dict[str, None]()
    for place, arm in enumerate(present[1:], start=1):
        at, value, low, high = _nothing(), np.zeros(0), None, None
        if blocks.whole is not None:
            around = _band(blocks.whole, place, kind)
            at, value = around.end, PER * around.value
            if np.isfinite(around.low).any():
                low, high = PER * around.low, PER * around.high
                notes[_about(around)] = None
        ahead_at, ahead = _nothing(), np.zeros(0)
        if blocks.ahead is not None:
            ahead_at = blocks.ahead.end
            values = _values(blocks.ahead, kind)
            ahead = PER * mean_curve(values[:, place] - values[:, 0], blocks.ahead.worlds)
        curves.append(Curve(arm, at, value, low, high, ahead_at, ahead))
    note = "; ".join(notes) or "No band yet: it needs two finished replicates."
    return replace(found, curves=tuple(curves), replicates=_count(blocks.whole), note=note)


def learning_curves(figures: pd.DataFrame, experiment: Experiment, kind: RewardKind = "bin") -> Curves:
    """What every arm brings per 1,000 searches, the reference list included, on its own.

    There is no band: an arm's own interval is wide with luck that all arms share, and says nothing of their differences.
    """
    axis = f"{_named(experiment)} per 1,000 searches"
    found = _of_each(figures, experiment, _MEASURE, kind, _empty(experiment, f"{axis}{_when(kind)}", axis), PER)
    return replace(found, note="Each arm on its own; how sure differences are is told by the chart of differences.")


def regret(figures: pd.DataFrame, experiment: Experiment, kind: RegretKind = "cumulative") -> Curves:
    """What every arm's lists lack of the best possible ones: accumulated, or per 1,000 searches within each time bin."""
    of, summed = unit(experiment), kind == "cumulative"
    axis = f"{_named(experiment)} lost" + ("" if summed else " per 1,000 searches")
    title = f"Regret: {of} that the best possible lists would have brought on top{_when(kind)}"
    found = _of_each(figures, experiment, _REGRET, kind, _empty(experiment, title, axis), 1.0 if summed else PER)
    note = (
        "Mean of the replicates. The best possible list is that of highest expected reward in the arm's own user state."
    )
    return replace(found, curves=tuple(curve for curve in found.curves if curve.arm != REFERENCE), note=note)


def difference_figure(found: Curves) -> Figure:
    """Lines with bands around a line at zero."""
    figure = _figure(found, signed=True)
    figure["layout"]["yaxis"] |= {"zerolinewidth": 2}
    if (within := _within(found.curves)) is not None:
        figure["layout"]["yaxis"]["range"] = within
    return figure


def _within(curves: Sequence[Curve]) -> list[float] | None:
    """An axis on which the curves can be read, where the bands of two or three replicates are far wider than they."""
    values = np.concatenate([np.zeros(1), *(part for curve in curves for part in (curve.value, curve.ahead))])
    values = values[np.isfinite(values)]
    ends = [each[np.isfinite(each)] for curve in curves for each in (curve.low, curve.high) if each is not None]
    bands = np.concatenate([values, *ends])
    room = _ROOM * float(values.max() - values.min())
    low, high = float(values.min()) - room, float(values.max()) + room
    if not room or (bands.min() >= low and bands.max() <= high):
        return None
    return [max(low, float(bands.min())), min(high, float(bands.max()))]


def curves_figure(found: Curves) -> Figure:
    """Lines of arms on their own; the reference list is far above and waits in the legend."""
    return _figure(found, signed=False)


def _figure(found: Curves, *, signed: bool) -> Figure:
    colour = colours(found.arms)
    bands: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for curve in found.curves:
        own, name = colour[curve.arm], curve.arm
        shared = {"type": "scatter", "legendgroup": name, "mode": "lines"}
        if curve.arm == REFERENCE:
            shared["visible"] = "legendonly"
        if curve.low is not None and curve.high is not None:
            around = band(curve.at, curve.low, curve.high, own)
            bands.append({**shared, **around, "uid": uid(name, "band")})
        solid = len(curve.at) > 0
        if solid:
            line = {"color": own, "width": 2.5, "dash": "dot" if curve.arm == REFERENCE else "solid"}
            drawn = {"x": array(curve.at), "y": array(curve.value), "line": line, "name": name, "uid": uid(name)}
            lines.append(
                {
                    **shared,
                    **drawn,
                    "text": texts(curve.value, curve.low, curve.high, sign=signed),
                    "hovertemplate": "%{text}",
                }
            )
        if len(curve.ahead_at):
            line = {"color": own, "width": 1.5 if solid else 2.5, "dash": "dash"}
            drawn = {"x": array(curve.ahead_at), "y": array(curve.ahead), "line": line, "uid": uid(name, "ahead")}
            if len(curve.ahead_at) == 1:
                drawn |= {"mode": "lines+markers", "marker": {"color": own, "size": 7}}
            text = [f"{measured(value, None, None, sign=signed)[0]} so far" for value in curve.ahead.tolist()]
            hover = {"text": text, "hovertemplate": "%{text}"}
            lines.append({**shared, **drawn, **hover, "name": name, "showlegend": not solid})
    shown = layout("Searches", found.axis, xaxis={"tickformat": ",d", "range": [0, 1.01 * found.until]})
    shown["yaxis"] |= {"tickformat": ",~r", "showticklabels": bool(found.curves)}
    if found.events:
        shown |= marks(found.events)
    return {"traces": [*bands, *lines], "layout": shown}


def _of_each(
    figures: pd.DataFrame, experiment: Experiment, measure: str, kind: Kind, found: Curves, per: float
) -> Curves:
    arms = _present(figures, [*experiment.arms, REFERENCE])
    if not arms:
        return found
    blocks = so_far(figures, arms, measure, experiment.edges())
    whole, ahead = (
        None if block is None else per * mean_curve(_values(block, kind), block.worlds)
        for block in (blocks.whole, blocks.ahead)
    )
    curves = []
    for place, arm in enumerate(arms):
        at, value = (
            (_nothing(), np.zeros(0)) if blocks.whole is None or whole is None else (blocks.whole.end, whole[place])
        )
        coming = (
            (_nothing(), np.zeros(0)) if blocks.ahead is None or ahead is None else (blocks.ahead.end, ahead[place])
        )
        curves.append(Curve(arm, at, value, None, None, *coming))
    return replace(found, curves=tuple(curves), replicates=_count(blocks.whole))


def _values(block: Paired, kind: Kind) -> FloatArray:
    """[n, a, t] of each replicate."""
    if kind == "cumulative":
        return np.asarray(block.totals.cumsum(axis=2))
    if kind == "running":
        return ratio(block.totals.cumsum(axis=2), block.weights.cumsum(axis=2))
    return ratio(block.totals, block.weights)


def _band(block: Paired, place: int, kind: Kind) -> Band:
    """The band of an arm against the first one. Worked out once per content: it takes some 30 ms."""
    chosen = [place, 0]
    arrays = (block.worlds, block.replicates, block.start, block.end, block.totals[:, chosen], block.weights[:, chosen])
    return _band_of(kind, *(np.ascontiguousarray(each).tobytes() for each in arrays))


@lru_cache(maxsize=128)
def _band_of(
    kind: Kind, worlds: bytes, replicates: bytes, starts: bytes, ends: bytes, totals: bytes, weights: bytes
) -> Band:
    start, end, world, replicate = (np.frombuffer(each, np.int64) for each in (starts, ends, worlds, replicates))
    n, t = len(world), len(end)
    frame = pd.DataFrame(
        {
            "world": np.repeat(world, 2 * t),
            "replicate": np.repeat(replicate, 2 * t),
            "arm": np.tile(np.repeat(["arm", "baseline"], t), n),
            "start": np.tile(start, 2 * n),
            "end": np.tile(end, 2 * n),
            "measure": "measure",
            "by": "all",
            "group": "",
            "total": np.frombuffer(totals, np.float64),
            "weight": np.frombuffer(weights, np.float64),
        }
    )
    return difference_band(frame, "arm", "baseline", "measure", kind=kind)


def _about(found: Band) -> str:
    over = f"{found.replicates} replicates" + (f" of {found.worlds} worlds" if found.worlds > 1 else "")
    return f"The band holds the whole true curve in {100 * found.level:g} % of experiments: {over}, {found.source}."


def _when(kind: Kind) -> str:
    return {"running": ", over all searches so far", "cumulative": ", added up", "bin": ", over time"}[kind]


def _named(experiment: Experiment, measure: str = _MEASURE) -> str:
    of = unit(experiment) if measure in (_MEASURE, "reward") else measure.replace("_", " ")
    return f"{of[0].upper()}{of[1:]}"


def _present(figures: pd.DataFrame, arms: Sequence[str]) -> list[str]:
    there = set(figures["arm"].unique().tolist())
    return [arm for arm in arms if arm in there]


def _empty(experiment: Experiment, title: str, axis: str) -> Curves:
    return Curves(
        title,
        axis,
        (*experiment.arms, REFERENCE),
        (),
        0,
        experiment.impressions,
        tastes_change(experiment),
        "There are no figures yet.",
    )


def _count(whole: Paired | None) -> int:
    return 0 if whole is None else len(whole.replicates)


def _nothing() -> IntArray:
    return np.zeros(0, np.int64)
