"""What a run says, worked out when it is asked for and once."""

from __future__ import annotations

from functools import cached_property

import pandas as pd

from lrerank.errors import LrerankError
from lrerank.experiments.findings import sentence_of
from lrerank.experiments.groups_table import Groups, groups_table
from lrerank.experiments.lifts import Lifts, lifts
from lrerank.experiments.results import Run, Status
from lrerank.experiments.verdict import Row, verdict


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

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Every arm with its values and differences, best first; () while no replicate is finished."""
        return verdict(self.figures, self.experiment).rows

    @cached_property
    def lifts(self) -> Lifts:
        """The waterfall, and what exploration brings."""
        return lifts(self.figures, self.experiment)

    def groups(self, by: str, measure: str = "expected_reward") -> Groups | None:
        """A measure by segment, history or position; None where there is nothing to tell."""
        try:
            return groups_table(self.figures, self.experiment, by, measure)
        except LrerankError:
            return None
