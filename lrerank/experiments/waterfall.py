"""The lift waterfall: what each step from the static ranking to the reference list adds, paired over replicates.

The step from the static ranking to the pooled learner is learned popularity. What the user side adds above the pooled
learner is personalization and what more columns alone change about learning; a placebo between them tells the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lrerank.errors import LrerankError
from lrerank.experiments.compare import check_level, paired
from lrerank.experiments.precision import BothIntervals, mean_over_worlds, ratio_over_worlds

REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the waterfall.

    Attributes:
        arm: its name.
        value: on its own.
        difference: to the step before, paired; None for the first. The differences add up to the whole.
        share: of the gap from the first step to the reference that is closed up to here, (arm - first) / (reference -
            first); None for the first step (0) and the reference (1), or without a reference. Only with an interval
            that excludes it is a share different from 0, and negative ones are real.
        note: which replicates were left out.
    """

    arm: str
    value: BothIntervals
    difference: BothIntervals | None
    share: BothIntervals | None
    note: str


def waterfall(
    figures: pd.DataFrame,
    steps: Sequence[str],
    measure: str = "expected_reward",
    *,
    reference: str | None = REFERENCE,
    start: int | None = None,
    end: int | None = None,
    by: str = "all",
    group: str = "",
    level: float = 0.95,
) -> tuple[Step, ...]:
    """The steps in order, then the reference list in its own user state, over the replicates that all of them share.

    Intervals hold one by one, not all together. Shares have Fieller intervals: where the gap can't be told from zero,
    a share has none.

    Args:
        figures, measure, start, end, by, group, level: as in `compare`.
        steps: arms, the static ranking first.
        reference: the arm that serves the reference list; None where it was not run.

    Raises:
        LrerankError: as `paired`, or fewer than two steps.
    """
    check_level(level)
    arms = (*steps, reference) if reference is not None else tuple(steps)
    if len(arms) < 2:
        raise LrerankError("a waterfall has at least two steps", path="steps", value=list(steps))
    pairs = paired(figures, arms, measure, start=start, end=end, by=by, group=group)
    values, worlds = pairs.values(), pairs.worlds
    scale = float(np.abs(values).max())
    rows = []
    for i, arm in enumerate(arms):
        before = mean_over_worlds(values[:, i] - values[:, i - 1], worlds, level, scale) if i else None
        share = None
        if reference is not None and 0 < i < len(steps):
            gap = values[:, -1] - values[:, 0]
            share = ratio_over_worlds(values[:, i] - values[:, 0], gap, worlds, level, scale)
        rows.append(Step(arm, mean_over_worlds(values[:, i], worlds, level), before, share, pairs.note))
    return tuple(rows)
