"""Figures of an experiment that nobody ran: made here, so that tests of charts and pages need no simulation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from lrerank.experiments.results import Kind, Run, Runs
from lrerank.experiments.spec import REFERENCE, Experiment
from lrerank.experiments.tables import COLUMNS, Task

EXPERIMENT = Experiment(
    name="made",
    question="Does learning pay?",
    world={"catalog": "marketplace", "parameters": {"shifts": [700]}},
    log={"impressions": 100},
    arms={
        "static": {"kind": "rerank"},
        "pooled": {"kind": "pooled"},
        "greedy": {"kind": "learned", "exploration_rate": 0.0},
        "learned": {"kind": "learned"},
    },
    baseline="static",
    impressions=1000,
    measure_from=400,
    bins=5,
    replicates=6,
    waterfall=["static", "pooled", "learned"],
)
_LIFTS = {"static": 0.0, "pooled": 0.04, "greedy": 0.07, "learned": 0.06, REFERENCE: 0.6}
_GROUPS = {
    "segment": ("Bargain <hunters>", "Tech"),
    "history": ("0", "1", "2", "5-9"),
    "position": tuple(str(place) for place in range(1, 11)),
}


def figures_of(
    replicate: int, experiment: Experiment = EXPERIMENT, lifts: dict[str, float] | None = None
) -> pd.DataFrame:
    """One replicate of all arms: an arm's lift grows over time, and luck is common to all arms."""
    rng = np.random.default_rng(1000 + replicate)
    edges = experiment.edges()
    luck = rng.normal(0, 0.05, len(edges))
    rows: list[tuple[object, ...]] = []
    for arm, lift in (lifts or _LIFTS).items():
        own = rng.normal(0, 0.01, len(edges))
        for place, (start, end) in enumerate(pairwise(edges)):
            pages = float(end - start)
            value = 0.8 + luck[place] + own[place] + lift * (place + 1) / len(edges)
            of_page = {
                "expected_reward": value,
                "reward": value + 0.01,
                "clicks": value + 0.01,
                "regret": 1.4 - value,
                "reference_reward": 1.4,
                "price": 0.02 if arm == "learned" else 0.0,
                "explored_pages": 0.65 if arm == "learned" else 0.0,
                "diversity": 0.3 + lift,
            }
            where = (0, replicate, arm, start, end)
            rows += [(*where, name, "all", "", number * pages, pages) for name, number in of_page.items()]
            for by, names in _GROUPS.items():
                share = pages / len(names)
                for i, group in enumerate(names):
                    rows.append((*where, "expected_reward", by, group, (value + 0.1 * i) * share, share))
                    rows.append((*where, "reward", by, group, (value + 0.1 * i) * share, share))
        rows.append((0, replicate, arm, edges[0], edges[-1], "coverage", "all", "", 0.5 + lift / 2, 1.0))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def figures(replicates: int = 4, experiment: Experiment = EXPERIMENT) -> pd.DataFrame:
    """Several replicates."""
    return pd.concat([figures_of(replicate, experiment) for replicate in range(replicates)], ignore_index=True)


def keep(
    runs: Runs, replicates: Sequence[int] = range(4), experiment: Experiment = EXPERIMENT, kind: Kind = "simulate"
) -> Run:
    """A run with these replicates, done."""
    made = runs.create(experiment, kind)
    with made.working():
        for replicate in replicates:
            made.append(Task(0, replicate), figures_of(replicate, experiment))
    return made
