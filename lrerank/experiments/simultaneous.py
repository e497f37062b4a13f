"""Several paired differences at once: intervals that hold all together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lrerank.experiments.bands import critical_value
from lrerank.experiments.precision import Source, moments
from lrerank.types import FloatArray, IntArray

_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Simultaneous:
    """k means over replicates, worlds weighted equally.

    Attributes:
        value: [k].
        low, high: [k] intervals that contain all k true means at once with probability `level`; NaN where the
            replicates show no spread or are too few.
        critical: half width in standard errors.
        source: which uncertainty the intervals are, the wider of both.
        note: "" or why there are none.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    critical: float
    source: Source
    level: float
    note: str

    def row(self, place: int) -> tuple[float, float | None, float | None]:
        """Value and interval of one; None where it has none."""
        value, low, high = float(self.value[place]), float(self.low[place]), float(self.high[place])
        return (value, None, None) if np.isnan(low) else (value, low, high)


def simultaneous(values: FloatArray, worlds: IntArray, level: float, scale: float) -> Simultaneous:
    """Intervals of `critical_value` standard errors: simulation noise, or world uncertainty where that is wider.

    Args:
        values: [n, k] of the replicates, finite.
        worlds: [n] world of each.
        level: of all intervals together.
        scale: size of the numbers that the values are differences of: spread within their rounding is none.
    """
    strata, means = np.unique(worlds, return_inverse=True)[1], _world_means(values, worlds)
    options: list[tuple[Source, FloatArray, IntArray]] = []
    if np.bincount(strata).min() > 1:
        options.append(("simulation noise", values, strata))
    if len(means) > 1:
        options.append(("world uncertainty", means, np.zeros(len(means), dtype=np.int64)))
    half, critical = np.full(values.shape[1], np.nan), float("nan")
    source: Source = "simulation noise"
    for name, units, groups in options:
        error = np.sqrt(moments(units, groups).variance)
        varies = error > _ROUNDING * scale
        if not varies.any():
            continue
        factor = critical_value(units[:, varies], groups, level)
        width = np.where(varies, factor * error, np.nan)
        if not np.isfinite(half).any() or np.nanmean(width) > np.nanmean(half):
            half, critical, source = width, factor, name
    value: FloatArray = means.mean(axis=0)
    note = "" if np.isfinite(half).any() else "no intervals: one replicate, or no spread between replicates"
    return Simultaneous(value, value - half, value + half, critical, source, level, note)


def mean_of_worlds(values: FloatArray, worlds: IntArray) -> FloatArray:
    """[k] of [n, k] replicates, worlds weighted equally."""
    found: FloatArray = _world_means(values, worlds).mean(axis=0)
    return found


def _world_means(values: FloatArray, worlds: IntArray) -> FloatArray:
    return np.stack([values[worlds == world].mean(axis=0) for world in np.unique(worlds)])
