"""From how many past interactions on the model should rank: learned minus fallback on the same requests.

The arm ranks for everybody, strangers too, and at each request its fallback's list is valued as well, for the same
user in the same state at the same moment of the model: by exact expected reward, so no luck of clicks is in the
difference. Only one list can be shown, and it is the model's at every number of interactions: so no number is favoured
by who served the users below it. What is compared is one page; what its clicks teach is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lrerank.errors import LrerankError
from lrerank.experiments.ablation import learner_of
from lrerank.experiments.measures import HISTORY
from lrerank.experiments.precision import Source
from lrerank.experiments.simultaneous import Simultaneous, mean_of_worlds, simultaneous
from lrerank.experiments.spec import Experiment
from lrerank.experiments.sweep_table import LEVEL, PER
from lrerank.types import BoolArray, FloatArray, IntArray

_SERVED, _FALLBACK, _PRICE = "expected_reward", "fallback_reward", "price"


@dataclass(frozen=True, slots=True)
class Interactions:
    """Users with as many past interactions; rewards per 1,000 impressions.

    Attributes:
        group: "0", …, "5-9", …
        least: the smallest number in it.
        share: of the impressions of the window.
        learned, fallback: reward of the list shown, exploration included, and of the fallback's.
        difference, low, high: learned minus fallback; the intervals of all groups hold at once, None where there are
            none.
        greedy, greedy_low, greedy_high: the same for the list that the model would show without exploration.
    """

    group: str
    least: int
    share: float
    learned: float
    fallback: float
    difference: float
    low: float | None
    high: float | None
    greedy: float
    greedy_low: float | None
    greedy_high: float | None


@dataclass(frozen=True, slots=True)
class ColdStart:
    """What the past is good for.

    Attributes:
        threshold: the smallest number of interactions from which on the lower end of the difference stays at 0 or more,
            that is, what `cold_start_after` should be; None where there is none.
        greedy_threshold: the same for lists without exploration.
        source: which uncertainty the intervals are.
        note: "" or what was left out.
    """

    arm: str
    rows: tuple[Interactions, ...]
    threshold: int | None
    greedy_threshold: int | None
    source: Source
    level: float
    replicates: int
    note: str

    def to_json(self) -> list[dict[str, Any]]:
        """One flat record per group."""
        return [{name: getattr(row, name) for name in Interactions.__slots__} for row in self.rows]

    @property
    def sentence(self) -> str:
        """What follows for `cold_start_after`."""
        how = f"{100 * self.level:g} % intervals for all numbers at once, {self.source}, {self.replicates} replicates"
        if self.threshold is None:
            found = f"There is no number of past interactions from which on {self.arm} is shown to match its fallback"
        elif self.threshold == 0:
            found = f"{self.arm} matches its fallback or does better for strangers too: cold_start_after = 0"
        else:
            found = (
                f"From {self.threshold} past interactions on {self.arm} matches its fallback or does better: "
                f"cold_start_after = {self.threshold}"
            )
        if self.threshold != 0:
            worse = [row.group for row in self.rows if row.high is not None and row.high < 0]
            found += (
                f"; it is shown to be worse with {', '.join(worse)}" if worse else "; nowhere is it shown to be worse"
            )
        if self.greedy_threshold != self.threshold:
            without = "no number either" if self.greedy_threshold is None else f"{self.greedy_threshold}"
            found += f"; without exploration {without}"
        return f"{found} ({how})."


def cold_started(experiment: Experiment, arm: str) -> Experiment:
    """The arm alone, ranking for everybody.

    Raises:
        SpecError: no such arm, or one without a fallback.
    """
    learner_of(experiment, arm)
    given = experiment.without_sweep().to_json()
    spec = given["arms"][arm]
    spec["cold_start"]["threshold"] = 0
    return Experiment.parse({**given, "arms": {arm: spec}, "baseline": arm, "waterfall": []})


def cold_start_table(figures: pd.DataFrame, experiment: Experiment) -> ColdStart:
    """Learned minus fallback by number of past interactions, of a run of `cold_started`.

    Numbers that not all replicates have users with are left out.

    Raises:
        LrerankError: no replicate is finished.
    """
    arm, notes = experiment.baseline, []
    worlds, totals, weights = _sums(figures, arm, experiment.window)
    seen: BoolArray = np.asarray((weights > 0).all(axis=0))
    places = np.flatnonzero(seen).tolist()
    if not places:
        raise LrerankError("no number of interactions is met in all replicates", path="impressions")
    if len(places) < len(HISTORY):
        left_out = ", ".join(group for place, group in enumerate(HISTORY) if place not in places)
        notes.append(f"left out, since not every replicate has such users: {left_out} interactions")
    values = {name: PER * total[:, places] / weights[:, places] for name, total in totals.items()}
    served = values[_SERVED] - values[_FALLBACK]
    scale = float(np.abs(values[_SERVED]).max())
    found = simultaneous(served, worlds, LEVEL, scale)
    greedy = simultaneous(served + values[_PRICE], worlds, LEVEL, scale)
    learned, fallback = (mean_of_worlds(values[name], worlds) for name in (_SERVED, _FALLBACK))
    shares = weights.sum(axis=0) / weights.sum()
    rows = tuple(
        Interactions(
            HISTORY[place],
            _least(HISTORY[place]),
            float(shares[place]),
            float(learned[i]),
            float(fallback[i]),
            *found.row(i),
            *greedy.row(i),
        )
        for i, place in enumerate(places)
    )
    if found.note:
        notes.append(found.note)
    return ColdStart(
        arm=arm,
        rows=rows,
        threshold=_threshold(found, places),
        greedy_threshold=_threshold(greedy, places),
        source=found.source,
        level=LEVEL,
        replicates=len(worlds),
        note="; ".join(notes),
    )


def _sums(
    figures: pd.DataFrame, arm: str, window: tuple[int, int]
) -> tuple[IntArray, dict[str, FloatArray], FloatArray]:
    """[n] worlds; measure → [n, groups] totals over the window; [n, groups] impressions."""
    start, end = window
    wanted = (figures["arm"] == arm) & (figures["by"] == "history")
    wanted &= (figures["start"] >= start) & (figures["end"] <= end)
    found = figures[wanted & figures["measure"].isin([_SERVED, _FALLBACK, _PRICE])]
    if found.empty:
        raise LrerankError("no replicate is finished", path="figures", remedy="Run the arm first")
    cells = found.pivot_table(
        index=["world", "replicate"],
        columns=["measure", "group"],
        values=["total", "weight"],
        aggfunc="sum",
        fill_value=0.0,
    )

    def table(column: str, measure: str) -> FloatArray:
        names = [(column, measure, group) for group in HISTORY]
        return cells.reindex(columns=pd.MultiIndex.from_tuples(names), fill_value=0.0).to_numpy(np.float64)

    weights = table("weight", _SERVED)
    if not np.array_equal(weights, table("weight", _FALLBACK)):
        raise LrerankError("the fallback was not valued on every page", path="arm", value=arm)
    totals = {name: table("total", name) for name in (_SERVED, _FALLBACK, _PRICE)}
    return cells.index.get_level_values("world").to_numpy(np.int64), totals, weights


def _threshold(found: Simultaneous, places: list[int]) -> int | None:
    """The start of the first group from which on no difference may be negative.

    Args:
        places: which of `HISTORY` the differences are of. A gap between them is not known to be fine; numbers that
            nobody has reached yet are not asked for.
    """
    low = np.full(places[-1] + 1, -np.inf)
    for i, place in enumerate(places):
        value, end, _ = found.row(i)
        if end is not None:
            low[place] = end
        elif value == 0:
            low[place] = 0.0  # the same list in all replicates
    below = np.flatnonzero(low < 0)
    first = int(below[-1]) + 1 if len(below) else 0
    return None if first == len(low) else _least(HISTORY[first])


def _least(group: str) -> int:
    return int(group.rstrip("+").partition("-")[0])
