"""What all arms have in common while a run goes on: replicates that are finished, and those under way.

Arms are compared over the same replicates and the same impressions only, so curves of a running experiment end where
the slowest arm is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lrerank.experiments.compare import Paired
from lrerank.types import BoolArray, FloatArray, IntArray

_MANY = 1 << 32


@dataclass(frozen=True, eq=False)
class SoFar:
    """Figures of one measure, as far as they can be compared.

    Attributes:
        whole: of the replicates that all arms have in full; None before the first.
        ahead: of the first time bins, with the replicates under way that have them; None where there are none.
    """

    whole: Paired | None
    ahead: Paired | None


def so_far(figures: pd.DataFrame, arms: Sequence[str], measure: str, edges: Sequence[int]) -> SoFar:
    """The figures of everybody (`by` is "all") as arrays.

    Args:
        figures: of finished tasks and of those under way.
        arms: all of them have to have a figure before it counts.
        edges: of the time bins, `Experiment.edges()`.
    """
    rows = figures[(figures["measure"] == measure) & (figures["by"] == "all")]
    column = pd.Index(arms).get_indexer(pd.Index(rows["arm"]))
    ends = np.asarray(edges[1:], np.int64)
    bins = np.searchsorted(ends, rows["end"].to_numpy(np.int64))
    known = (column >= 0) & (bins < len(ends))
    place = rows["world"].to_numpy(np.int64) * _MANY + rows["replicate"].to_numpy(np.int64)
    places, unit = np.unique(place[known], return_inverse=True)
    shape = (len(places), len(arms), len(ends))
    cells = (unit, column[known], bins[known])
    there = np.zeros(shape, bool)
    there[cells] = True
    totals, weights = np.zeros(shape), np.zeros(shape)
    totals[cells] = rows["total"].to_numpy(np.float64)[known]
    weights[cells] = rows["weight"].to_numpy(np.float64)[known]
    # [replicates] how many bins all arms have, from the first on.
    reached = np.logical_and.accumulate(there.all(axis=1), axis=1).sum(axis=1)

    def part(kept: BoolArray, count: int) -> Paired:
        found = places[kept]
        starts = np.asarray(edges[:-1], np.int64)[:count]
        of_arms = totals[kept][:, :, :count], weights[kept][:, :, :count]
        return Paired(tuple(arms), found // _MANY, found % _MANY, starts, ends[:count], *of_arms, "")

    is_whole = np.asarray(reached == len(ends))
    under_way = reached[(reached > 0) & ~is_whole]
    ahead = None
    if len(under_way):
        count = _most_figures(under_way)
        ahead = part(np.asarray(reached >= count), count)
    return SoFar(part(is_whole, len(ends)) if is_whole.any() else None, ahead)


def mean_curve(values: FloatArray, worlds: IntArray) -> FloatArray:
    """[t] mean of [n, t] replicates' values, worlds counting equally."""
    means: FloatArray = np.stack([values[worlds == world].mean(axis=0) for world in np.unique(worlds)]).mean(axis=0)
    return means


def ratio(totals: FloatArray, weights: FloatArray) -> FloatArray:
    """Values; NaN where there is nothing to measure."""
    return np.divide(totals, weights, out=np.full_like(totals, np.nan), where=weights > 0)


def _most_figures(reached: IntArray) -> int:
    """How many bins to take, so that replicates times bins are most."""
    counts = np.unique(reached)
    return int(max(counts, key=lambda count: (int((reached >= count).sum()) * int(count), int(count))))
