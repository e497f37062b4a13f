"""Lifts as charts: the waterfall from static to the last step, and what exploration costs and brings over time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lrerank.charts.figures import LOWERS, NEUTRAL, Figure, array, colours, faint, layout, round_step
from lrerank.charts.lines import PER, band, marks, tastes_change, texts
from lrerank.charts.so_far import mean_curve, so_far
from lrerank.experiments.bands import net_return as returns_of
from lrerank.experiments.lifts import lifts, personal
from lrerank.experiments.spec import REFERENCE, Experiment
from lrerank.experiments.twins import twins
from lrerank.experiments.waterfall import Step
from lrerank.experiments.wording import measured, rounded, unit
from lrerank.types import FloatArray, IntArray

_MEASURE, _PRICE = "expected_reward", "price"
_PROVISIONAL = "Provisional: no replicate is finished. What counts in the end is the whole window, with intervals."


@dataclass(frozen=True, slots=True)
class Bar:
    """A step of the waterfall; numbers per 1,000 searches.

    Attributes:
        arm: its name.
        before, after: what the arm of the step before and this one bring above the first.
        low, high: interval of the difference to the step before, as ends of `after`; None where there is none.
        value: of the arm on its own.
        said: what it adds, for people; "" for the first.
        between: its interval, for people; "" for none.
        share: of the gap to the reference that is closed up to here, for people; "" for none.
    """

    arm: str
    before: float
    after: float
    low: float | None
    high: float | None
    value: float
    said: str
    between: str
    share: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Lift step by step.

    Attributes:
        title: what is shown, in a line.
        axis: what the values are.
        unit: what is counted, such as clicks.
        arms: all arms of the experiment, which decide on colours.
        bars: the first step, then what each one adds; () where there are no figures of all of them.
        reference: what the best possible list brings, per 1,000 searches; None without bars.
        note: what the intervals are, and what was left out.
        provisional: whether no replicate is finished, so that bars are of a part of the window and without intervals.
    """

    title: str
    axis: str
    unit: str
    arms: tuple[str, ...]
    bars: tuple[Bar, ...]
    reference: float | None
    note: str
    provisional: bool = False


@dataclass(frozen=True, eq=False)
class NetReturnCurve:
    """What exploration of an arm costs and brings, added up over searches.

    Attributes:
        arm, twin: it, and the same without exploration.
        title: what is shown, in a line.
        axis: the unit of the values.
        arms: all arms of the experiment, which decide on colours.
        at: [t] searches.
        value: [t] net return: the arm's reward minus its twin's.
        low, high: [t] a band that contains the whole curve; None where there is none.
        price: [t] of exploration.
        break_even: searches after which the mean net return stays at 0 or more; None where it never does.
        cautious: the same for the lower end of the band.
        provisional: whether no replicate is finished, so that the curve may be short and break-even is not told.
        until: searches that are planned.
        events: searches → what happens then.
    """

    arm: str
    twin: str
    title: str
    axis: str
    arms: tuple[str, ...]
    at: IntArray
    value: FloatArray
    low: FloatArray | None
    high: FloatArray | None
    price: FloatArray
    break_even: int | None
    cautious: int | None
    provisional: bool
    until: int
    events: dict[int, str]


def waterfall(figures: pd.DataFrame, experiment: Experiment) -> Waterfall:
    """The steps that the spec names, over the replicates that all of them have finished."""
    found = lifts(figures, experiment)
    start, end = experiment.window
    of = unit(experiment)
    axis = f"Expected {of} per 1,000 searches above {experiment.waterfall[0]}" if found.steps else ""
    title = f"Lift step by step, searches {start:,} to {end:,}"
    arms = (*experiment.arms, REFERENCE)
    if not found.steps:
        return Waterfall(title, axis, of, arms, (), None, found.note)
    *steps, last = found.steps
    bars, above = [], 0.0
    for step in steps:
        bars.append(_bar(step, above))
        above = bars[-1].after
    ends = figures["end"][(figures["measure"] == _MEASURE) & figures["arm"].isin([step.arm for step in found.steps])]
    if ends.max() < end:
        title = f"Lift step by step so far, searches {start:,} to {ends.max():,} of {end:,}"
        plain = tuple(replace(bar, low=None, high=None, between="", share="") for bar in bars)
        return Waterfall(title, axis, of, arms, plain, PER * last.value.value, _PROVISIONAL, provisional=True)
    difference = steps[-1].difference
    sources = "" if difference is None else f", {difference.source}"
    reference = PER * last.value.value
    note = f"Whiskers: 95 % interval of what a step adds, paired over {steps[0].value.noise.n} replicates{sources}."
    levels = f"{steps[0].arm} brings {bars[0].value:,.0f} per 1,000 searches, the best possible lists {reference:,.0f}."
    left_out = [f"{each}." for each in (*(step.note for step in steps), found.note) if each]
    notes = dict.fromkeys(each for each in (note, levels, personal(experiment), *left_out) if each)
    return Waterfall(title, axis, of, arms, tuple(bars), reference, " ".join(notes))


def net_return(figures: pd.DataFrame, experiment: Experiment) -> tuple[NetReturnCurve, ...]:
    """One for every arm that explores and has a twin without exploration in the spec; () where none has figures yet."""
    there = set(figures["arm"].unique().tolist())
    pairs = [(arm, twin) for arm, twin in twins(experiment).items() if there.issuperset((arm, twin))]
    found = (_returned(figures, experiment, arm, twin) for arm, twin in pairs)
    return tuple(each for each in found if each is not None)


def waterfall_figure(found: Waterfall) -> Figure:
    """Bars from top to bottom, each where the one before it ends, with what it adds in words beside it."""
    colour = colours(found.arms)
    # The first step is the line that the others are measured from.
    drawn = found.bars[1:]
    ends = [0.0, *(value for bar in drawn for value in (bar.before, bar.after, bar.low, bar.high) if value is not None)]
    lowest, highest = min(ends), max(ends)
    room = (highest - lowest) or 1.0
    names = [bar.arm for bar in drawn]
    shades = [colour[bar.arm] for bar in drawn]
    look: dict[str, Any] = {"color": shades, "cornerradius": 3}
    if found.provisional:
        look |= {"color": [faint(shade, 0.3) for shade in shades], "pattern": {"shape": "/", "fgcolor": shades}}
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": names,
        "x": [bar.after - bar.before for bar in drawn],
        "base": [bar.before for bar in drawn],
        "marker": look,
        "hoverinfo": "skip",
        "width": 0.6,
    }
    sure = [bar for bar in drawn if bar.low is not None]
    whiskers = {
        "type": "scatter",
        "mode": "markers",
        "x": [bar.after for bar in sure],
        "y": [bar.arm for bar in sure],
        "marker": {"size": 1, "color": NEUTRAL},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [(bar.high or 0.0) - bar.after for bar in sure],
            "arrayminus": [bar.after - (bar.low or 0.0) for bar in sure],
            "thickness": 1.6,
            "width": 5,
            "color": NEUTRAL,
        },
        "hoverinfo": "skip",
    }
    words = {
        "type": "scatter",
        "mode": "text",
        "x": [highest + 0.03 * room] * len(drawn),
        "y": names,
        "text": [_beside(bar) for bar in drawn],
        "textposition": "middle right",
        "hoverinfo": "skip",
        "cliponaxis": False,
    }
    axis = {"range": [lowest - 0.05 * room, highest + 0.75 * room], "zeroline": True, "zerolinewidth": 2}
    connected = [
        {
            "type": "line",
            "x0": bar.after,
            "x1": bar.after,
            "y0": place,
            "y1": place + 1,
            "line": {"color": NEUTRAL, "width": 1, "dash": "dot"},
        }
        for place, bar in enumerate(drawn[:-1])
    ]
    return {
        "traces": [bars, whiskers, words],
        "layout": layout(
            found.axis,
            "",
            xaxis={**axis, "tickformat": ",~r"},
            yaxis={"autorange": "reversed", "ticksuffix": "  ", "showgrid": False, "zeroline": False},
            showlegend=False,
            hovermode=False,
            margin={"t": 8},
            shapes=connected,
        ),
    }


def net_return_figure(found: NetReturnCurve, traffic: float | None = None) -> Figure:
    """The net return with its band, the price beside it, break-even as a vertical line.

    Args:
        traffic: searches a day, to tell days below the searches.
    """
    own = colours(found.arms)[found.arm]
    traces: list[dict[str, Any]] = []
    if found.low is not None and found.high is not None:
        traces.append({**band(found.at, found.low, found.high, own), "uid": "band"})
    dash = "dash" if found.provisional else "solid"
    line = {"type": "scatter", "mode": "lines", "x": array(found.at), "hovertemplate": "%{text}"}
    net = {
        "y": array(found.value),
        "line": {"color": own, "width": 2.5, "dash": dash},
        "text": texts(found.value, found.low, found.high, sign=True),
    }
    price = {"y": array(found.price), "line": {"color": LOWERS, "width": 1.8, "dash": "dot"}}
    price["text"] = texts(found.price, None, None, sign=False)
    traces.append({**line, **net, "name": "net return", "uid": "net"})
    traces.append({**line, **price, "name": "price of exploration", "uid": "price"})
    events = dict(found.events)
    if found.break_even is not None:
        events[found.break_even] = f"break-even {found.break_even:,}" + _days(found.break_even, traffic)
    shown = layout("Searches", found.axis, xaxis={"tickformat": ",d", "range": [0, 1.01 * found.until]})
    shown["yaxis"] |= {"zerolinewidth": 2, "tickformat": ",~r"}
    if traffic is not None:
        shown["xaxis"] |= {"title": {"text": f"Searches, and days at {traffic:,.0f} searches a day"}}
        shown["xaxis"] |= _ticks(found.until, traffic)
    return {"traces": traces, "layout": shown | (marks(events) if events else {})}


def _bar(step: Step, above: float) -> Bar:
    value = PER * step.value.value
    if step.difference is None:
        return Bar(step.arm, 0.0, 0.0, None, None, value, "", "", "")
    added = step.difference.per(PER).headline
    after = above + added.value
    said, between = measured(added.value, added.low, added.high)
    ends = [None if end is None else above + end for end in (added.low, added.high)]
    share = "" if step.share is None else f"{rounded(100.0 * step.share.value, 1)} %"
    return Bar(step.arm, above, after, ends[0], ends[1], value, said, between, share)


def _beside(bar: Bar) -> str:
    share = f"<br>{bar.share} of the way to the best lists" if bar.share else ""
    return f"<b>{bar.said}</b>{f' ({bar.between})' if bar.between else ''}{share}"


def _returned(figures: pd.DataFrame, experiment: Experiment, arm: str, twin: str) -> NetReturnCurve | None:
    blocks = so_far(figures, (arm, twin), _MEASURE, experiment.edges())
    block = blocks.whole if blocks.whole is not None else blocks.ahead
    if block is None:
        return None
    sums = block.totals.cumsum(axis=2)
    value = mean_curve(sums[:, 0] - sums[:, 1], block.worlds)
    low = high = None
    break_even = cautious = None
    if blocks.whole is not None:
        kept = figures[(figures["measure"] == _MEASURE) & (figures["by"] == "all") & figures["arm"].isin((arm, twin))]
        returns = returns_of(kept, arm, twin, _MEASURE)
        value, break_even, cautious = returns.band.value, returns.break_even, returns.cautious
        if np.isfinite(returns.band.low).any():
            low, high = returns.band.low, returns.band.high
    of = unit(experiment)
    return NetReturnCurve(
        arm=arm,
        twin=twin,
        title=f"What exploration of {arm} brings: {of} minus those of {twin}, the same without exploration, added up",
        axis=f"{of[0].upper()}{of[1:]}, added up",
        arms=(*experiment.arms, REFERENCE),
        at=block.end,
        value=value,
        low=low,
        high=high,
        price=_price(figures, experiment, arm, len(block.end)),
        break_even=break_even,
        cautious=cautious,
        provisional=blocks.whole is None,
        until=experiment.impressions,
        events=tastes_change(experiment),
    )


def _price(figures: pd.DataFrame, experiment: Experiment, arm: str, count: int) -> FloatArray:
    """[count] accumulated, mean of the replicates."""
    blocks = so_far(figures, (arm,), _PRICE, experiment.edges())
    block = blocks.whole if blocks.whole is not None else blocks.ahead
    if block is None or len(block.end) < count:
        return np.full(count, np.nan)
    return mean_curve(block.totals[:, 0].cumsum(axis=1), block.worlds)[:count]


def _ticks(last: int, traffic: float, wanted: int = 6) -> dict[str, Any]:
    """Round numbers of searches with days below them."""
    step = round_step(last, wanted)
    places = np.arange(0, last + step / 2, step)
    return {"tickvals": places.tolist(), "ticktext": [f"{at:,.0f}<br>{at / traffic:,.3g} d" for at in places.tolist()]}


def _days(searches: int, traffic: float | None) -> str:
    return "" if traffic is None else f" ({searches / traffic:,.3g} days)"
