"""Measures of every arm with intervals, for tables: what was shown besides what it brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from lrerank.errors import LrerankError
from lrerank.evaluation.intervals import Estimate
from lrerank.experiments.compare import paired
from lrerank.experiments.measures_table import MEASURES
from lrerank.experiments.precision import mean_over_worlds
from lrerank.experiments.spec import REFERENCE, Experiment

VARIETY = ("diversity", "categories", "novelty", "coverage", "candidate_coverage", "concentration")
"""How different what is shown is, within a list and over all lists."""

REWARDS = ("clicks", "expected_reward", "ctr_at_1", "ndcg", "regret", "explored_pages", "price")
"""What lists brought, and what exploration cost."""

_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Values:
    """One arm: measure → value with its own interval, which says nothing of differences between arms."""

    arm: str
    values: Mapping[str, Estimate]


def of_whole_run(experiment: Experiment, measures: Sequence[str]) -> str:
    """Which of the measures are not of the measured window, as a sentence; "" where there is no difference."""
    labels = [MEASURES[measure].label for measure in measures if not MEASURES[measure].additive]
    if not labels or experiment.window == (0, experiment.impressions):
        return ""
    return f"Over all {experiment.impressions:,} searches after the log: {', '.join(labels)}."


def values_of(figures: pd.DataFrame, experiment: Experiment, measures: Sequence[str] = REWARDS) -> tuple[Values, ...]:
    """Every arm over the measured window, the reference last; measures that an arm has no figures of are left out.

    What is not additive is over the whole run, see `of_whole_run`.

    Only replicates that all arms with the measure have finished count.

    Args:
        figures: of finished tasks.
    """
    rows = figures[(figures["by"] == "all") & figures["measure"].isin(list(measures))]
    there = set(zip(rows["arm"], rows["measure"], strict=True))
    found: dict[str, dict[str, Estimate]] = {arm: {} for arm in (*experiment.arms, REFERENCE)}
    for measure in measures:
        arms = [arm for arm in found if (arm, measure) in there]
        start, end = experiment.window if MEASURES[measure].additive else (None, None)
        if not arms:
            continue
        try:
            pairs = paired(rows, arms, measure, start=start, end=end)
        except LrerankError:  # nothing to measure in the window
            continue
        for arm, values in zip(arms, pairs.values().T, strict=True):
            found[arm][measure] = mean_over_worlds(values, pairs.worlds, _LEVEL).headline
    return tuple(Values(arm, own) for arm, own in found.items() if own)
