"""How far a sweep is, and what can be said of settings that no replicate has finished yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lrerank.charts.rows import Forest, Row, group_names
from lrerank.charts.so_far import mean_curve, ratio, so_far
from lrerank.experiments.findings import ABLATION
from lrerank.experiments.results import Run, Runs
from lrerank.experiments.run import Snapshot
from lrerank.experiments.spec import Experiment
from lrerank.experiments.sweep_table import MEASURE, PER
from lrerank.experiments.wording import unit
from lrerank.ui.progress import replicates
from lrerank.ui.simulate.live import time_left
from lrerank.ui.tune.labels import Words, condition_label
from lrerank.ui.tune.outcome import Conditions


@dataclass
class Progress:
    """The share of a job that is done; it never goes back, however estimates change.

    Attributes:
        began: seconds on a clock that only goes on.
        share: 0 to 1.
    """

    began: float
    share: float = 0.0

    def at(self, snapshot: Snapshot | None, now: float, part: tuple[str, Experiment]) -> tuple[float, str]:
        """The share, and a sentence.

        Args:
            part: what is under way, `under_way`.
        """
        if snapshot is None:
            return self.share, "Setting up the world"
        share = snapshot.done_tasks / max(snapshot.tasks, 1)
        left = snapshot.seconds_left
        if left is not None:
            elapsed = now - self.began
            share = elapsed / max(elapsed + left, 1e-9)
        self.share = min(max(self.share, share), 1.0)
        label, experiment = part
        done, total = replicates(snapshot.overall, experiment)
        said = f"{label}{': ' if label else ''}{done} of {total} replicates"
        if left is None:
            said += ", setting up the world"
        elif snapshot.provisional:
            said += f", {time_left(left)}"
        return self.share, said


def under_way(run: Run, conditions: Conditions) -> tuple[str, Experiment]:
    """The part of a sweep that is computed now: what it is called ("" where it is all there is), and what is run.

    Raises:
        LrerankError: a run beside it is gone.
    """
    again = (run.noted("beside") or {"fresh": {}})["fresh"].values()
    for fresh in map(Runs(run.folder.parent).open, again):
        if fresh.status == "running":
            return "The best again, on fresh users", fresh.experiment
    labels = condition_label([condition.values for condition, _ in conditions])
    for (condition, part), label in zip(conditions, labels, strict=True):
        if part.status == "running":
            return label, condition.experiment
    return "", run.experiment


def early(
    experiment: Experiment, study: Mapping[str, Any], conditions: Conditions, snapshot: Snapshot
) -> Forest | None:
    """Differences over the searches that all settings have behind them, where no replicate is finished.

    None where there are no figures, or those are of the winner on fresh users.

    Args:
        study: what kind of sweep it is, `findings.study_of`.
        conditions: of a sweep of settings.
    """
    names, label = dict[str, str](), ""
    of_groups = study["kind"] == ABLATION
    if of_groups:
        groups: Mapping[str, str] = study["groups"]
        names = dict(zip(groups, group_names(list(groups.values())), strict=True))
    labels = condition_label([condition.values for condition, _ in conditions])
    for (condition, part), each in zip(conditions, labels, strict=True):
        if part.status in ("running", "interrupted"):
            experiment, label = condition.experiment, each
            words = Words(condition.variants)
            names = {variant.name: words.setting(variant) for variant in condition.variants}
            break
    return _differences(snapshot, experiment, names, label, reverse=of_groups) if names else None


def _differences(
    snapshot: Snapshot, experiment: Experiment, names: dict[str, str], label: str, *, reverse: bool
) -> Forest | None:
    figures, arms = snapshot.overall, [experiment.baseline, *names]
    if figures.empty or not set(figures["arm"].unique()).issuperset(arms):
        return None
    blocks = so_far(figures, arms, MEASURE, experiment.edges())
    block = blocks.whole or blocks.ahead
    if block is None:
        return None
    values = PER * ratio(block.totals.sum(axis=2), block.weights.sum(axis=2))
    differences = mean_curve(values[:, 1:] - values[:, :1], block.worlds) * (-1.0 if reverse else 1.0)
    order = np.argsort(-differences, kind="stable") if reverse else range(len(names))
    said = list(names.values())
    rows = tuple(Row(said[place], float(differences[place]), None, None) for place in order)
    of = unit(experiment)
    axis = f"{of[0].upper()}{of[1:]} per 1,000 searches"
    where = f"{label}: " if label else ""
    what = "with it minus without it" if reverse else f"minus {experiment.baseline}"
    title = f"{where}searches 1 to {int(block.end[-1]):,} of {experiment.impressions:,}, {what}"
    count = len(block.replicates)
    note = (
        f"{count} replicate{'s' * (count > 1)} under way, without intervals; the second half is what counts in the end."
    )
    return Forest(f"{title[0].upper()}{title[1:]}", axis, rows, note)
