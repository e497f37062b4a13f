"""The table of a sweep: what every setting is worth, and which ones can't be told from the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lrerank.evaluation.intervals import Estimate
from lrerank.experiments.bands import indistinguishable
from lrerank.experiments.compare import compare, joined, paired
from lrerank.experiments.precision import BothIntervals, mean_over_worlds
from lrerank.experiments.spec import Experiment
from lrerank.experiments.sweep_plan import Condition, Variant

MEASURE = "expected_reward"
"""Exact expectation of the spec's reward: the same estimand as `reward`, without the luck of single clicks."""

LEVEL = 0.95
PER = 1000.0
_PRICE, _EXPLORED = "price", "explored_pages"


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting; rewards are per 1,000 impressions of the window.

    Attributes:
        condition: what is not an arm's.
        variant: the arm and its values.
        value: on its own.
        against_baseline: paired difference to the baseline.
        to_best: paired difference to the best setting of the condition, by these figures; None for that one. Its
            interval holds on its own; `kept` allows for the choice.
        explored_pages: share of pages.
        price: of exploration.
        kept: whether it may be the truly best one of its condition.
    """

    condition: Mapping[str, Any]
    variant: Variant
    value: BothIntervals
    against_baseline: BothIntervals
    to_best: BothIntervals | None
    explored_pages: float
    price: float
    kept: bool

    @property
    def best(self) -> bool:
        """Whether it has the highest figure of its condition."""
        return self.to_best is None

    def to_json(self) -> dict[str, Any]:
        """One flat record; where there is no interval, its ends are None."""
        found: dict[str, Any] = {**self.condition, "arm": self.variant.arm, **self.variant.values}
        found["simulated_as"] = self.variant.name
        zero = Estimate(0.0, None, None, 0, 0, "", LEVEL)
        to_best = zero if self.to_best is None else self.to_best.headline
        for name, estimate in (
            ("reward", self.value.headline),
            ("difference", self.against_baseline.headline),
            ("to_best", to_best),
        ):
            found |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        found |= {"explored_pages": self.explored_pages, "price": self.price}
        return found | {"best": self.best, "may_be_best": self.kept}


def rows_of(condition: Condition, figures: pd.DataFrame) -> tuple[tuple[SettingRow, ...], str]:
    """The settings of a condition, best first, and a note on what was left out ("" for nothing).

    Only replicates that all of them have finished count.

    Raises:
        LrerankError: no replicate is finished.
    """
    experiment = condition.experiment
    start, end = experiment.window
    names = [variant.name for variant in condition.variants]
    wanted = figures["measure"].isin([MEASURE, _PRICE, _EXPLORED]) & (figures["by"] == "all")
    found = figures[wanted & figures["arm"].isin([*names, experiment.baseline])]
    everybody = paired(found, (*names, experiment.baseline), MEASURE, start=start, end=end)
    shared = pd.MultiIndex.from_arrays([everybody.worlds, everybody.replicates])
    found = found[pd.MultiIndex.from_frame(found[["world", "replicate"]]).isin(shared)]
    kept, to_best, note = {names[0]}, dict[str, BothIntervals | None](), ""
    if len(names) > 1:
        contenders = indistinguishable(found, names, MEASURE, start=start, end=end, level=LEVEL)
        kept, note = set(contenders.kept), contenders.note
        names = [row.arm for row in contenders.rows]
        to_best = {row.arm: row.difference for row in contenders.rows}
    variants = {variant.name: variant for variant in condition.variants}
    rows = []
    for name in names:
        difference = to_best.get(name)
        against = compare(found, name, experiment.baseline, MEASURE, start=start, end=end, level=LEVEL)
        price, explored = (_mean(found, name, measure, experiment) for measure in (_PRICE, _EXPLORED))
        rows.append(
            SettingRow(
                condition=condition.values,
                variant=variants[name],
                value=against.arm_value.per(PER),
                against_baseline=against.per_thousand,
                to_best=None if difference is None else difference.per(PER),
                explored_pages=explored,
                price=price * PER,
                kept=name in kept,
            )
        )
    return tuple(rows), joined(everybody.note, note)


def _mean(figures: pd.DataFrame, arm: str, measure: str, experiment: Experiment) -> float:
    start, end = experiment.window
    found = paired(figures, (arm,), measure, start=start, end=end)
    return mean_over_worlds(found.values()[:, 0], found.worlds, LEVEL).value
