"""One measure broken down: by true or inferred segment, by past interactions, by position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from lrerank.errors import LrerankError
from lrerank.evaluation.intervals import Estimate
from lrerank.experiments.compare import compare, joined, paired
from lrerank.experiments.measures_table import MEASURES
from lrerank.experiments.precision import mean_over_worlds
from lrerank.experiments.spec import REFERENCE, Experiment, SpecError
from lrerank.experiments.spec_text import nearest

_LEVEL = 0.95
_SAME_PAGES = ("segment", "position")
"""Breakdowns that put the same requests into the same group under every arm. Who has how many past interactions, and
which segment is inferred, is an arm's own doing: its difference from another arm's group is not one of ranking."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A group under an arm.

    Attributes:
        share: of the weight (mostly: pages) of all groups of the arm.
        value: of the measure, with the wider interval.
        difference: to the baseline in the same group, paired; None for the baseline, and where groups of different
            arms hold different requests.
    """

    group: str
    arm: str
    share: float
    value: Estimate
    difference: Estimate | None


@dataclass(frozen=True, slots=True)
class Groups:
    """A breakdown of a measure over the measured window, group by group.

    Attributes:
        note: what was left out, and what must not be read out of it; "" for nothing.
    """

    measure: str
    by: str
    baseline: str
    cells: tuple[Cell, ...]
    note: str

    def to_json(self) -> dict[str, Any]:
        """Names and flat records."""
        cells = [
            {
                "group": cell.group,
                "arm": cell.arm,
                "share": cell.share,
                **_interval("", cell.value),
                **_interval("difference", cell.difference),
            }
            for cell in self.cells
        ]
        return {"measure": self.measure, "by": self.by, "baseline": self.baseline, "cells": cells, "note": self.note}


def groups_table(figures: pd.DataFrame, experiment: Experiment, by: str, measure: str) -> Groups:
    """The breakdown, over the replicates in which a group occurs under an arm. Intervals hold one by one.

    Raises:
        SpecError: there are no figures by this.
    """
    rows = figures[(figures["by"] == by) & (figures["measure"] == measure)]
    start, end = experiment.window if MEASURES[measure].additive else (None, None)
    if start is not None and end is not None:
        rows = rows[(rows["start"] >= start) & (rows["end"] <= end)]
    weights = rows.groupby(["group", "arm"], sort=False)["weight"].sum()
    weights = weights[weights > 0]
    if weights.empty:
        known = [each for each in MEASURES[measure].by if each != "all"]
        raise SpecError(f"there are no figures of {measure} by this", path="--by", value=by, remedy=nearest(by, known))
    of_arm = weights.groupby("arm").sum()
    arms = [name for name in (*experiment.arms, REFERENCE) if name in of_arm.index]
    replicates = len(rows[["world", "replicate"]].drop_duplicates())
    cells, rare, notes = [], dict[str, None](), []
    for group in dict.fromkeys(weights.index.get_level_values("group")):
        for arm in [name for name in arms if (group, name) in weights.index]:
            own = paired(rows, (arm,), measure, by=by, group=group)
            value = mean_over_worlds(own.values()[:, 0], own.worlds, _LEVEL).headline
            share = float(weights[group, arm] / of_arm[arm])
            cells.append(Cell(str(group), arm, share, value, _difference(rows, experiment, by, measure, group, arm)))
            if len(own.replicates) < replicates:
                rare[str(group)] = None
    if rare:
        notes.append(f"not every replicate has these: {', '.join(rare)}")
    if by not in _SAME_PAGES:
        notes.append(
            f"under different arms a group ({by}) holds different requests, so no differences are shown; for a fair "
            "one by past interactions see lrerank sweep --cold-start ARM"
        )
    return Groups(measure, by, experiment.baseline, tuple(cells), joined(*notes))


def _difference(
    rows: pd.DataFrame, experiment: Experiment, by: str, measure: str, group: str, arm: str
) -> Estimate | None:
    if by not in _SAME_PAGES or arm == experiment.baseline:
        return None
    try:
        return compare(rows, arm, experiment.baseline, measure, by=by, group=group, level=_LEVEL).headline
    except LrerankError:  # no replicate has the group under both arms
        return None


def _interval(name: str, found: Estimate | None) -> dict[str, float | None]:
    names = (name or "value", *(f"{name}_{end}".removeprefix("_") for end in ("low", "high")))
    if found is None:
        return dict.fromkeys(names)
    return dict(zip(names, (found.value, found.low, found.high), strict=True))
