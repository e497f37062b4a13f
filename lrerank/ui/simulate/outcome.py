"""What a run says, worked out when it is asked for and once."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import pandas as pd

from lrerank.charts.rows import Forest, GroupsChart, comparison_forest, groups
from lrerank.charts.values import values_of
from lrerank.errors import LrerankError
from lrerank.experiments.arm_specs import LearnedSpec
from lrerank.experiments.findings import comparisons, sentence_of
from lrerank.experiments.lifts import Exploration, explained, lifts
from lrerank.experiments.results import Run, Status
from lrerank.experiments.side_by_side import labels, side_by_side
from lrerank.experiments.spec import Experiment
from lrerank.experiments.twins import explores, twins
from lrerank.ui.runs.beside import cautions
from lrerank.ui.simulate.setup import ARMS, GREEDY, STEPS

MEASURED = (
    *("clicks", "ctr_at_1", "conversion", "abandonment", "ndcg", "regret", "price", "explored_pages"),
    *("diversity", "novelty", "candidate_coverage", "concentration", "calibration_error"),
)
"""What the table of all measures shows."""


def untold(experiment: Experiment) -> str:
    """Why nothing is said of what exploration brings, in a sentence; "" where something is."""
    if twins(experiment):
        return ""
    found = [name for name, spec in experiment.arms.items() if isinstance(spec, LearnedSpec) and explores(spec)]
    if not found:
        return "No learned reranker of this comparison explores, so exploration costs and brings nothing."
    return (
        f"What exploration of {found[0]} brings is told against the same learner that never explores, and with as many "
        f"members where it has a bag: none runs beside it. Add “{ARMS[GREEDY].label}” and simulate again."
    )


def no_steps(experiment: Experiment) -> str:
    """Why lifts can't be told step by step, in a sentence."""
    if not experiment.waterfall:
        first, *between, last = (ARMS[name].label for name in STEPS)
        return f"Lift by step goes from {first} over {' and '.join(between)} to {last}: two of them at least, with the first."
    start, end = experiment.window
    return f"Lift by step is told of searches {start:,} to {end:,}, and not all of its policies have got so far."


class Outcome:
    """The figures of a run as they are on the disk now.

    Attributes:
        run: the run.
        figures: all of its figures so far.
        status: how it ended.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.experiment = run, run.experiment
        self.status: Status = run.status
        self.figures: pd.DataFrame = run.figures()

    @property
    def provenance(self) -> str:
        return str(self.run.manifest["provenance"])

    @cached_property
    def sentence(self) -> str:
        """Who leads, by how much, how sure, from when on."""
        return sentence_of(self.run, self.figures)

    def exploration(self, traffic: float | None = None) -> str:
        """What exploration of an arm costs and brings; "" where no arm has a twin that never explores.

        Args:
            traffic: searches a day, to tell the break-even in days as well.
        """
        return " ".join(explained(each, self.experiment, traffic) for each in self._explored)

    @cached_property
    def _explored(self) -> tuple[Exploration, ...]:
        return lifts(self.figures, self.experiment).exploration

    def groups(self, by: str, *, difference: bool) -> GroupsChart | None:
        """Reward by segment, history or position; None where there is nothing to tell."""
        # What a position is expected to bring is not told apart from the list.
        measure = "reward" if by == "position" else "expected_reward"
        try:
            return groups(self.figures, self.experiment, by, measure, difference=difference)
        except LrerankError:
            return None

    @cached_property
    def measures(self) -> pd.DataFrame:
        """A row per arm, a column per measure that there are figures of, as numbers."""
        found = values_of(self.figures, self.experiment, MEASURED)
        rows = {each.arm: {name: each.values[name].value for name in MEASURED if name in each.values} for each in found}
        return pd.DataFrame.from_dict(rows, orient="index")

    def beside(self, other: Run) -> Forest:
        """The arms of both runs against this one's baseline, replicate by replicate.

        Raises:
            NotComparableError: other users came, or to another world.
        """
        figures = side_by_side([self.run, other])
        baseline = f"{labels([self.run, other])[0]}:{self.experiment.baseline}"
        found = comparisons(figures, baseline, "expected_reward", self.experiment.window)
        forest = comparison_forest(found, self.experiment)
        return replace(forest, note=" ".join([forest.note, *cautions([self.run, other])]))
