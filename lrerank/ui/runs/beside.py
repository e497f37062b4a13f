"""Several runs side by side: their arms against each other, replicate by replicate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lrerank.charts.curves import difference_curves, difference_figure
from lrerank.charts.rows import comparison_forest, forest_figure
from lrerank.charts.run_view import TOO_NARROW, Panel
from lrerank.charts.tables import Table, differences_table
from lrerank.experiments.findings import comparisons
from lrerank.experiments.results import Run
from lrerank.experiments.side_by_side import differences, labels, learning, program, side_by_side
from lrerank.experiments.spec import Experiment

_MEASURE = "expected_reward"


@dataclass(frozen=True)
class Beside:
    """What runs with the same users and the same luck say together.

    Attributes:
        names: what the runs are called, in the order given.
        arms: `run:arm` of all of them, reference lists left out.
        experiment: the first run's, whose window and bins all share.
        provenance: whose world it is.
        notes: what may make them less comparable than they look.
    """

    names: tuple[str, ...]
    arms: tuple[str, ...]
    experiment: Experiment
    provenance: str
    notes: tuple[str, ...]
    figures: pd.DataFrame

    @property
    def baseline(self) -> str:
        """The first run's."""
        return f"{self.names[0]}:{self.experiment.baseline}"

    def panels(self, baseline: str) -> tuple[Panel, ...]:
        """Differences from one of the arms: over the measured window, and over time."""
        window = self.experiment.window
        found = comparison_forest(comparisons(self.figures, baseline, _MEASURE, window), self.experiment)
        curves = difference_curves(self.figures, self.experiment, arms=self.arms, baseline=baseline)
        height = 90 + 30 * len(found.rows)
        return (
            Panel("beside-forest", found.title, forest_figure(found), found.note, height, "Side by side"),
            Panel("beside-curves", curves.title, difference_figure(curves), curves.note, 380, "Side by side"),
        )

    def table(self, baseline: str) -> Table:
        """The same in numbers, for more measures."""
        return differences_table(self.figures, self.experiment, baseline)


def cautions(runs: Sequence[Run]) -> tuple[str, ...]:
    """What must be known of runs that stand beside each other, in sentences."""
    stopped = [run.run_id for run in runs if run.status == "stopped"]
    early = f"Ended when its answer was clear: {', '.join(stopped)}. {TOO_NARROW}"
    return (*differences(runs), *([early] if stopped else []))


def beside(runs: Sequence[Run]) -> Beside:
    """The runs together; an arm that the same program computed in several is there once, since its figures are the same.

    Raises:
        NotComparableError: they differ in more than their arms, or share no finished replicate.
        LrerankError: one can't be read.
    """
    figures = side_by_side(runs)
    first, names = runs[0], labels(runs)
    there = set(figures["arm"].unique().tolist())
    arms: list[str] = []
    before: list[tuple[object, ...]] = []
    for run, label in zip(runs, names, strict=True):
        for name, spec in run.experiment.arms.items():
            arm = (name, spec, *learning(run.experiment), *program(run))
            if arm not in before and f"{label}:{name}" in there:
                arms.append(f"{label}:{name}")
                before.append(arm)
    kept = figures[figures["arm"].isin(arms)]
    return Beside(tuple(names), tuple(arms), first.experiment, str(first.manifest["provenance"]), cautions(runs), kept)
