"""Two arms compared over the same replicates: read figures as pairs, then say what may be concluded.

Arms meet the same arrivals and the same luck in a replicate, so the difference within a replicate is what counts, and
only replicates that have all figures of all arms count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lrerank.errors import LrerankError
from lrerank.evaluation.intervals import Estimate
from lrerank.experiments.precision import BothIntervals, Source, mean_over_worlds, ratio_over_worlds
from lrerank.types import BoolArray, FloatArray, IntArray

_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Paired:
    """The figures of one measure for the replicates that several arms share: n replicates, a arms, t time bins.

    Attributes:
        arms: [a] in the order asked for.
        worlds, replicates: [n], in the order of world and replicate.
        start, end: [t] impressions start..end-1 of each bin; bins do not overlap.
        totals, weights: [n, a, t].
        note: what was left out and why; "" for nothing.
    """

    arms: tuple[str, ...]
    worlds: IntArray
    replicates: IntArray
    start: IntArray
    end: IntArray
    totals: FloatArray
    weights: FloatArray
    note: str

    def values(self) -> FloatArray:
        """[n, a] value of the measure over the whole window."""
        return np.asarray(self.totals.sum(axis=2) / self.weights.sum(axis=2))

    def keep(self, replicates: BoolArray | IntArray, note: str = "") -> Paired:
        """Only these replicates, in this order."""
        return Paired(
            self.arms,
            self.worlds[replicates],
            self.replicates[replicates],
            self.start,
            self.end,
            self.totals[replicates],
            self.weights[replicates],
            joined(self.note, note),
        )


@dataclass(frozen=True, eq=False)
class Comparison:
    """What the replicates say about one arm against another.

    Attributes:
        start, end: impressions start..end-1, as far as there are figures.
        difference: arm minus baseline, paired, per unit of weight (mostly: per page).
        arm_value, baseline_value: each on its own; their intervals are wider than that of the paired difference and say
            nothing about it.
        lift: difference divided by the baseline's value; no value where the baseline's is not positive.
        worlds, replicates: [n] which ones.
        values: [n, 2] of arm and baseline.
        note: what was left out and why; "" for nothing.
    """

    arm: str
    baseline: str
    measure: str
    start: int
    end: int
    by: str
    group: str
    level: float
    difference: BothIntervals
    arm_value: BothIntervals
    baseline_value: BothIntervals
    lift: BothIntervals
    worlds: IntArray
    replicates: IntArray
    values: FloatArray
    note: str

    @property
    def headline(self) -> Estimate:
        """The difference with the wider of both intervals."""
        return self.difference.headline

    @property
    def source(self) -> Source:
        """Which uncertainty the headline's interval is."""
        return self.difference.source

    @property
    def per_thousand(self) -> BothIntervals:
        """The difference per 1000 units of weight."""
        return self.difference.per(1000.0)

    @property
    def differences(self) -> FloatArray:
        """[n] of each replicate."""
        return np.asarray(self.values[:, 0] - self.values[:, 1])


def compare(
    figures: pd.DataFrame,
    arm: str,
    baseline: str,
    measure: str,
    *,
    start: int | None = None,
    end: int | None = None,
    by: str = "all",
    group: str = "",
    level: float = 0.95,
) -> Comparison:
    """Compare two arms over the replicates that both have finished.

    A replicate's value is its total over its weight, summed over the window; worlds count equally. With one replicate
    there is an estimate without an interval.

    Args:
        figures: columns world, replicate, arm, start, end, measure, by, group, total, weight.
        arm, baseline: names of arms.
        measure: name of a measure.
        start, end: the window, impressions start..end-1, at edges of bins; None for all there is.
        by, group: the breakdown, and the group within it.
        level: of all intervals.

    Raises:
        LrerankError: as `paired`; or the arms are one; or a level outside 0..1.
    """
    if arm == baseline:
        raise LrerankError("an arm can't be compared with itself", path="baseline", value=baseline)
    check_level(level)
    pairs = paired(figures, (arm, baseline), measure, start=start, end=end, by=by, group=group)
    values = pairs.values()
    scale = float(np.abs(values).max())
    difference = values[:, 0] - values[:, 1]
    of_arm, of_baseline = (mean_over_worlds(values[:, i], pairs.worlds, level) for i in (0, 1))
    lift = ratio_over_worlds(difference, values[:, 1], pairs.worlds, level, scale)
    if of_baseline.value <= 0:
        lift = _without_value(lift, "the baseline's value is not positive, so there is no relative lift")
    return Comparison(
        arm=arm,
        baseline=baseline,
        measure=measure,
        start=int(pairs.start[0]),
        end=int(pairs.end[-1]),
        by=by,
        group=group,
        level=level,
        difference=mean_over_worlds(difference, pairs.worlds, level, scale),
        arm_value=of_arm,
        baseline_value=of_baseline,
        lift=lift,
        worlds=pairs.worlds,
        replicates=pairs.replicates,
        values=values,
        note=pairs.note,
    )


def paired(
    figures: pd.DataFrame,
    arms: Sequence[str],
    measure: str,
    *,
    start: int | None = None,
    end: int | None = None,
    by: str = "all",
    group: str = "",
) -> Paired:
    """The figures of one measure as arrays, for the replicates that all arms have in full.

    A replicate is left out, and the note says so, where an arm lacks a bin of the window that others have, or where the
    group did not occur in the whole window.

    Raises:
        LrerankError: an unknown arm, measure or group; a window that cuts a bin or is empty; overlapping bins; a figure
            that is there twice or is not finite; no replicate that all arms share.
    """
    rows = _rows_of(figures, tuple(arms), measure, by)
    rows = _in_window(rows, start, end)
    bins = rows[["start", "end"]].drop_duplicates().sort_values(["start", "end"]).to_numpy(dtype=np.int64)
    first, last = bins[:, 0], bins[:, 1]
    if (last <= first).any() or (first[1:] < last[:-1]).any():
        raise LrerankError(
            "time bins overlap",
            path="figures",
            value=measure,
            remedy="Keep one figure per bin: this happens where snapshots of a running replicate are put together",
        )
    chosen = (rows["group"] == group).to_numpy()
    if not chosen.any():
        raise LrerankError("there is no such group", path="group", value=group, remedy=_known(rows["group"]))
    units = rows[["world", "replicate"]].drop_duplicates().sort_values(["world", "replicate"])
    unit = rows.groupby(["world", "replicate"], sort=True).ngroup().to_numpy()
    column = pd.Index(arms).get_indexer(pd.Index(rows["arm"]))
    where = np.searchsorted(first, rows["start"].to_numpy())
    shape = (len(units), len(arms), len(bins))
    cell = np.ravel_multi_index((unit, column, where), shape)
    there = np.zeros(shape, dtype=bool)
    there.ravel()[cell] = True
    totals, weights = np.zeros(shape), np.zeros(shape)
    cell = cell[chosen]
    if len(np.unique(cell)) != len(cell):
        raise LrerankError("a figure is there twice", path="figures", value=measure, remedy="Read every task once")
    totals.ravel()[cell] = rows["total"].to_numpy(dtype=np.float64)[chosen]
    weights.ravel()[cell] = rows["weight"].to_numpy(dtype=np.float64)[chosen]
    if not (np.isfinite(totals).all() and np.isfinite(weights).all() and (weights >= 0).all()):
        raise LrerankError("a figure is not a finite number with a weight of 0 or more", path="figures", value=measure)
    pairs = Paired(
        tuple(arms),
        units["world"].to_numpy(dtype=np.int64),
        units["replicate"].to_numpy(dtype=np.int64),
        first,
        last,
        totals,
        weights,
        _window_note(first, last, start, end),
    )
    pairs = _kept(pairs, np.asarray(there.all(axis=(1, 2))), "not all arms have all their figures")
    some = np.asarray((pairs.weights.sum(axis=2) > 0).all(axis=1))
    return _kept(pairs, some, "there is nothing to measure in the whole window")


def check_level(level: float) -> None:
    """Refuse a level that is not between 0 and 1."""
    if not 0 < level < 1:
        raise LrerankError("a level is between 0 and 1", path="level", value=level)


def joined(*notes: str) -> str:
    """Several notes as one."""
    return "; ".join(dict.fromkeys(note for note in notes if note))


def _rows_of(figures: pd.DataFrame, arms: tuple[str, ...], measure: str, by: str) -> pd.DataFrame:
    if len(set(arms)) != len(arms):
        raise LrerankError("an arm is named twice", path="arms", value=list(arms))
    rows = figures[(figures["measure"] == measure) & (figures["by"] == by)]
    if rows.empty:
        if not (figures["measure"] == measure).any():
            raise LrerankError(
                "there is no such measure", path="measure", value=measure, remedy=_known(figures["measure"])
            )
        known = _known(figures["by"][figures["measure"] == measure])
        raise LrerankError("the measure has no such breakdown", path="by", value=by, remedy=known)
    for arm in arms:
        if not (rows["arm"] == arm).any():
            raise LrerankError("there are no figures of this arm", path="arm", value=arm, remedy=_known(rows["arm"]))
    return rows[rows["arm"].isin(arms)]


def _in_window(rows: pd.DataFrame, start: int | None, end: int | None) -> pd.DataFrame:
    """The rows whose bins lie in the window; a bin that it cuts can't be divided."""
    for name, edge in (("start", start), ("end", end)):
        if edge is not None and ((rows["start"] < edge) & (rows["end"] > edge)).any():
            cut = rows[(rows["start"] < edge) & (rows["end"] > edge)].iloc[0]
            raise LrerankError(
                "the window cuts a time bin",
                path=name,
                value=edge,
                remedy=f"Choose {cut['start']} or {cut['end']}, or leave it out",
            )
    if start is not None:
        rows = rows[rows["start"] >= start]
    if end is not None:
        rows = rows[rows["end"] <= end]
    if rows.empty:
        raise LrerankError("there are no figures in the window", path="start", value=(start, end))
    return rows


def _kept(pairs: Paired, usable: BoolArray, reason: str) -> Paired:
    left, total = int((~usable).sum()), len(usable)
    if left == total:
        raise LrerankError(
            f"no replicate can be compared: {reason}",
            path="figures",
            value=list(pairs.arms),
            remedy="Run the arms first",
        )
    return pairs.keep(usable, f"{left} of {total} replicates are left out, where {reason}" if left else "")


def _window_note(first: IntArray, last: IntArray, start: int | None, end: int | None) -> str:
    notes = []
    if start is not None and first[0] > start:
        notes.append(f"figures begin at impression {first[0]}, not {start}")
    if end is not None and last[-1] < end:
        notes.append(f"figures end at impression {last[-1]}, not {end}")
    if (first[1:] > last[:-1]).any():
        gap = int(np.argmax(first[1:] > last[:-1]))
        notes.append(f"there are no figures from impression {last[gap]} to {first[gap + 1]}")
    return joined(*notes)


def _without_value(lift: BothIntervals, note: str) -> BothIntervals:
    bare = [
        Estimate(float("nan"), None, None, e.groups, e.n, e.method, e.level, note) for e in (lift.noise, lift.worlds)
    ]
    return BothIntervals(bare[0], bare[1], lift.source)


def _known(names: pd.Series) -> str:
    known = sorted(map(str, names.unique()))
    shown = ", ".join(repr(name) for name in known[:_SHOWN])
    return f"There are {shown}" + (f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else "")
