"""How many replicates of a run are finished, which tasks don't say: a replicate of many arms is computed in several."""

from __future__ import annotations

import pandas as pd

from lrerank.experiments.spec import REFERENCE, Experiment


def replicates(figures: pd.DataFrame, experiment: Experiment) -> tuple[int, int]:
    """How many replicates, of all worlds, all arms have behind them, and how many there are to be.

    Args:
        figures: of finished tasks and of those under way, `Snapshot.overall`.
    """
    total = experiment.replicates * experiment.world.worlds
    if figures.empty:
        return 0, total
    at_end = figures.loc[figures["end"] == experiment.impressions, ["world", "replicate", "arm"]].drop_duplicates()
    whole = at_end[at_end["arm"].isin([*experiment.arms, REFERENCE])].groupby(["world", "replicate"]).size()
    return int((whole == len(experiment.arms) + 1).sum()), total
