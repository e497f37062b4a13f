"""How long a sweep will take, judging by runs of this store, in words; nothing where there are none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lrerank.errors import LrerankError
from lrerank.experiments.findings import SETTINGS, study_of
from lrerank.experiments.results import Run, Runs
from lrerank.experiments.spec import Experiment
from lrerank.experiments.sweep_plan import plan

_LOOKED_AT = 12
_LEAST_FRESH = 8
# What an arm that learns nothing takes of the time of one that learns.
_PLAIN = 0.1
_LEARNERS = ("learned", "pooled", "placebo")


def work(experiment: Experiment) -> float:
    """Searches that learners serve in an experiment, and what the other arms take beside it."""
    if experiment.sweep is None:
        return _courses(experiment.to_json()["arms"]) * _searches(experiment) * experiment.replicates
    each = [condition.experiment for condition in plan(experiment)]
    fresh = max(experiment.replicates, _LEAST_FRESH) * (1 + _PLAIN)
    return sum(work(one) + fresh * _searches(one) for one in each)


def seconds_per_search(runs: Runs) -> float | None:
    """Of the fastest of the last runs that came to their end; None where there are none.

    The fastest, because what else the machine does, and the time that a small run needs to begin, only add to it.
    """
    found: list[float] = []
    for row in runs.list():
        if row.status != "done" or not row.finished:
            continue
        seconds = (datetime.fromisoformat(row.finished) - datetime.fromisoformat(row.started)).total_seconds()
        try:
            done = work(runs.open(row.run_id).experiment)
        except LrerankError:  # of another version
            continue
        found.append(seconds / done)
        if len(found) == _LOOKED_AT:
            break
    return min(found, default=None)


def in_words(seconds: float) -> str:
    """`about 40 seconds`, as roughly as it is known."""
    if seconds < 15:
        return "about 10 seconds"
    if seconds < 55:
        return f"about {10 * round(seconds / 10)} seconds"
    if seconds < 90:
        return "about a minute"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes"
    return f"about {round(seconds / 3600)} hours"


def of_kind(runs: Runs, kind: str) -> Run | None:
    """The last sweep of a kind that came to its end."""
    for row in runs.list():
        if row.kind == "sweep" and row.status == "done":
            found = runs.open(row.run_id)
            if (study_of(found)["kind"] or SETTINGS) == kind:
                return found
    return None


def _courses(arms: Mapping[str, Any]) -> float:
    learners = sum(spec["kind"] in _LEARNERS for spec in arms.values())
    return learners + _PLAIN * (len(arms) - learners)


def _searches(experiment: Experiment) -> int:
    return (experiment.log.impressions + experiment.impressions) * experiment.world.worlds
