"""Statements that hold all at once: bands over a whole curve, break-even, and which settings can't be told apart.

An interval per time bin would exclude the truth somewhere on a curve of 40 bins in most experiments. A simultaneous
band contains the whole true curve in 95 % of experiments, so one may read off when something begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lrerank.errors import LrerankError
from lrerank.experiments.compare import Paired, check_level, joined, paired
from lrerank.experiments.measures_table import MEASURES
from lrerank.experiments.precision import BothIntervals, Source, mean_over_worlds, moments
from lrerank.types import BoolArray, FloatArray, IntArray

Kind = Literal["bin", "running", "cumulative"]

_DRAWS = 4000
_CELLS = 1_000_000
_ENOUGH = 60
_ROUNDING = 1e-12
_SEED = 20_250_101


@dataclass(frozen=True, eq=False)
class Band:
    """A curve of paired differences with a simultaneous band.

    Attributes:
        kind: "bin": value of each time bin; "running": value of all impressions of the window up to the bin's end;
            "cumulative": total accumulated up to there.
        start, end: [t] impressions start..end-1 of each bin.
        value: [t] arm minus baseline; NaN where the group did not occur in a replicate.
        low, high: [t] the band; NaN where the replicates show no spread.
        critical: half width in standard errors.
        source: which uncertainty the band is, the wider of both.
        replicates, worlds: how many.
        note: what was left out, or why there is no band; "" for nothing.
    """

    kind: Kind
    start: IntArray
    end: IntArray
    value: FloatArray
    low: FloatArray
    high: FloatArray
    critical: float
    source: Source
    level: float
    replicates: int
    worlds: int
    note: str

    @property
    def clear_from(self) -> int | None:
        """First impression of the bin from which on the lower band stays above zero to the end; None where never."""
        at = _stays(self.low > 0)
        return None if at is None else int(self.start[at])


@dataclass(frozen=True, eq=False)
class NetReturn:
    """What exploration brought: the arm's reward minus that of its twin without exploration, accumulated.

    Attributes:
        band: the accumulated difference with its simultaneous band.
        break_even: end of the first bin from which on the mean net return stays at 0 or more to the end of the figures;
            None where it never does. The crossing itself lies within that bin, or before all figures if it is the first.
        cautious: the same for the lower end of the band: where the net return is shown to be 0 or more from there on.
    """

    band: Band
    break_even: int | None
    cautious: int | None


@dataclass(frozen=True, slots=True)
class Contender:
    """One of the settings that are compared.

    Attributes:
        value: on its own.
        difference: to the best by the figures, paired; None for that one. Its interval holds on its own, and the best
            is picked by the same figures: `kept` is what allows for both.
        kept: whether it may be the truly best one.
    """

    arm: str
    value: BothIntervals
    difference: BothIntervals | None
    kept: bool


@dataclass(frozen=True, slots=True)
class Contenders:
    """Settings, best figure first, and those among them that can't be told from the best.

    Attributes:
        rows: every arm.
        level: probability that the truly best arm is among the kept.
        note: what was left out; "" for nothing.
    """

    rows: tuple[Contender, ...]
    level: float
    note: str

    @property
    def kept(self) -> tuple[str, ...]:
        """The arms that may be the best one."""
        return tuple(row.arm for row in self.rows if row.kept)


def difference_band(
    figures: pd.DataFrame,
    arm: str,
    baseline: str,
    measure: str,
    *,
    kind: Kind = "bin",
    start: int | None = None,
    end: int | None = None,
    by: str = "all",
    group: str = "",
    level: float = 0.95,
) -> Band:
    """The curve of paired differences over time with a band that contains the whole true curve.

    The half width is `critical` standard errors of each bin, see `critical_value`. With one world it is simulation
    noise; with several the wider (on average over bins) of simulation noise and world uncertainty.

    Args:
        kind: see `Band`.
        figures, arm, baseline, measure, start, end, by, group, level: as in `compare`.

    Raises:
        LrerankError: as `paired`; or an accumulated difference where the arms' weights differ, since totals over
            different numbers of things can't be subtracted.
    """
    check_level(level)
    pairs = paired(figures, (arm, baseline), measure, start=start, end=end, by=by, group=group)
    curves, sizes = _curves(pairs, kind)
    worlds = np.unique(pairs.worlds, return_inverse=True)[1]
    found: BoolArray = np.asarray(np.isfinite(curves).all(axis=0))
    count = int(worlds.max()) + 1
    means = np.stack([curves[worlds == world].mean(axis=0) for world in range(count)])
    options: list[tuple[Source, FloatArray, IntArray]] = []
    if np.bincount(worlds).min() > 1:
        options.append(("simulation noise", curves, worlds))
    if count > 1:
        options.append(("world uncertainty", means, np.zeros(count, dtype=np.int64)))
    half, critical = np.full(len(found), np.nan), float("nan")
    source: Source = "simulation noise"
    for name, values, strata in options:
        spread = moments(values[:, found], strata)
        varies = np.sqrt(spread.variance) > _ROUNDING * sizes[found]
        used = np.flatnonzero(found)[varies]
        if not len(used):
            continue
        factor = _of_curve(curves=values, used=used, strata=strata, pairs=pairs, kind=kind, level=level)
        width = np.full(len(found), np.nan)
        width[used] = factor * np.sqrt(spread.variance[varies])
        if not np.isfinite(half).any() or np.nanmean(width) > np.nanmean(half):
            half, critical, source = width, factor, name
    value = means.mean(axis=0)
    notes = [pairs.note]
    if not np.isfinite(half).any():
        notes.append("no band: one replicate, or no spread between replicates")
    elif not found.all():
        notes.append(f"{int((~found).sum())} bins are left out, where the group did not occur in a replicate")
    return Band(
        kind, pairs.start, pairs.end, value, value - half, value + half, critical, source, level, len(worlds), count,
        joined(*notes),
    )  # fmt: skip


def net_return(
    figures: pd.DataFrame,
    arm: str,
    twin: str,
    measure: str = "reward",
    *,
    start: int | None = None,
    end: int | None = None,
    level: float = 0.95,
) -> NetReturn:
    """Net return of exploration: the arm's accumulated reward minus that of its twin without exploration.

    Raises:
        LrerankError: as `difference_band`.
    """
    band = difference_band(figures, arm, twin, measure, kind="cumulative", start=start, end=end, level=level)
    even, sure = _stays(band.value >= 0), _stays(band.low >= 0)
    return NetReturn(band, *(None if at is None else int(band.end[at]) for at in (even, sure)))


def indistinguishable(
    figures: pd.DataFrame,
    arms: Sequence[str],
    measure: str,
    *,
    start: int | None = None,
    end: int | None = None,
    by: str = "all",
    group: str = "",
    better: Literal["more", "less"] | None = None,
    level: float = 0.95,
) -> Contenders:
    """Which settings can't be told from the best one: multiple comparisons with the best.

    Guarantee: the truly best arm (each of them, if several are equally best) is kept with probability `level`, whatever
    the others are and however many. Every arm is tested as if it were the best one, one-sided against all the others
    together; only the truly best ones can be lost by mistake, so no further correction is needed (J. C. Hsu,
    "Simultaneous confidence intervals for all distances from the 'best'", Annals of Statistics 9, 1981). An arm that is
    kept is not shown to be good: few replicates keep many. With several worlds an arm is dropped only where simulation
    noise and world uncertainty both speak against it.

    Args:
        figures, measure, start, end, by, group: as in `compare`.
        arms: at least two.
        better: which direction is good; None for what the table of measures says.

    Raises:
        LrerankError: as `paired`; fewer than two arms; a measure without a direction.
    """
    check_level(level)
    if len(arms) < 2:
        raise LrerankError("there must be at least two arms", path="arms", value=list(arms))
    good = better or (MEASURES[measure].better if measure in MEASURES else None)
    if good is None:
        remedy = "Say which: better='more' or better='less'"
        raise LrerankError("nobody knows which direction of it is good", path="measure", value=measure, remedy=remedy)
    pairs = paired(figures, arms, measure, start=start, end=end, by=by, group=group)
    values, worlds = pairs.values(), np.unique(pairs.worlds, return_inverse=True)[1]
    scale = float(np.abs(values).max())
    of_world = np.stack([values[worlds == world].mean(axis=0) for world in range(int(worlds.max()) + 1)])
    sign = 1.0 if good == "more" else -1.0
    dropped = np.ones(len(arms), dtype=bool)
    tested = False
    for units, strata in ((values, worlds), (of_world, np.zeros(len(of_world), dtype=np.int64))):
        if np.bincount(strata).min() > 1:
            dropped &= _worse(sign * units, strata, level, scale)
            tested = True
    mean = of_world.mean(axis=0)
    order = np.argsort(-sign * mean, kind="stable")
    first = int(order[0])
    rows = tuple(
        Contender(
            arms[i],
            mean_over_worlds(values[:, i], pairs.worlds, level),
            None if i == first else mean_over_worlds(values[:, i] - values[:, first], pairs.worlds, level, scale),
            not (tested and bool(dropped[i])),
        )
        for i in map(int, order)
    )
    return Contenders(rows, level, joined(pairs.note, "" if tested else "one replicate can't tell arms apart"))


def critical_value(values: FloatArray, strata: IntArray, level: float, sums: FloatArray | None = None) -> float:
    """How many standard errors to either side contain all of several means at once.

    The largest |t| is simulated for normal units with the correlation that the residuals show, each t with its own
    estimated variance from as many units as there are. A correlation from few units is poor, so the simulation is done
    with the estimated one and with one shrunk towards independence by the optimal amount of Schäfer and Strimmer ("A
    shrinkage approach to large-scale covariance matrix estimation", SAGMB 4, 2005), and the larger value counts;
    Bonferroni's is the ceiling. The simulation is a numerical integral, so its seed is fixed: the same figures give the
    same band.

    Measured on normal units before the larger of both was taken (4 and 5 units with 10 and 40 bins, 10 units with 10;
    independent, autoregressive, exchangeable and heteroscedastic bins; 400 experiments each, standard error 0.011):
    the estimated correlation alone covers 0.92 to 0.98, the shrunk one 0.92 to 0.99. Per bin the width is Bonferroni's
    within 2 %, and within 10 % where bins correlate at 0.9, since with few units the tails of t decide and not the
    correlation; accumulated curves get bands that are 10 to 50 % narrower. The least covered (0.92 to 0.95) are
    accumulated curves whose neighbouring bins have a correlation of -0.49. The method as it is, on simulated static
    arms with 5 and 10 replicates and 10 bins (`benchmarks/coverage.py`, 1,000 experiments each): 0.937 and 0.940 per
    bin, 0.953 and 0.948 accumulated, standard error 0.008.

    Args:
        values: [n, k] of the units.
        strata: [n] 0.., each with at least two units.
        level: of the band.
        sums: [k, m] the m linear combinations of the columns that are meant; None for the columns themselves.
    """
    from scipy.special import stdtrit

    largest: tuple[list[FloatArray], list[FloatArray]] = ([], [])
    for i, units, sizes in _draws(values, strata):
        t = np.abs(_statistics(units if sums is None else units @ sums.astype(np.float32), sizes))
        largest[i].append(t.max(axis=1))
    drawn = max(float(np.quantile(np.concatenate(some), level)) for some in largest)
    members = values.shape[1] if sums is None else sums.shape[1]
    df = float(moments(values, strata).df.min())
    return min(drawn, float(stdtrit(df, 1.0 - (1.0 - level) / 2.0 / members)))


def _critical_against(values: FloatArray, strata: IntArray, level: float) -> FloatArray:
    """[a] how many standard errors the others may be above each arm, all together, if it is the best: one-sided."""
    from scipy.special import stdtrit

    largest: tuple[list[FloatArray], list[FloatArray]] = ([], [])
    for i, units, sizes in _draws(values, strata):
        mean = np.zeros(units.shape[1:], dtype=np.float32)  # [draws, a]
        covariance = np.zeros((*units.shape[1:], units.shape[2]), dtype=np.float32)  # [draws, a, a]
        begin = 0
        for size in sizes:
            part = units[begin : begin + size]
            begin += size
            mean += part.mean(axis=0)
            residual = np.moveaxis(part - part.mean(axis=0), 0, 2)  # [draws, a, size]
            covariance += residual @ residual.transpose(0, 2, 1) / np.float32((size - 1) * size)
        own = np.diagonal(covariance, axis1=1, axis2=2)
        variance = own[:, :, None] + own[:, None, :] - 2.0 * covariance
        spread = variance > 1e-6 * own.max()  # rounding of single precision, and the diagonal
        above = np.divide(
            mean[:, None, :] - mean[:, :, None],
            np.sqrt(variance, where=spread, out=variance),
            where=spread,
            out=np.zeros_like(variance),
        )
        largest[i].append(np.asarray(above.max(axis=2), dtype=np.float64))
    drawn = np.max([np.quantile(np.concatenate(some), level, axis=0) for some in largest], axis=0)
    df = float(moments(values, strata).df.min())
    return np.asarray(np.minimum(drawn, float(stdtrit(df, 1.0 - (1.0 - level) / (values.shape[1] - 1)))))


def _draws(values: FloatArray, strata: IntArray) -> Iterator[tuple[int, NDArray[np.float32], list[int]]]:
    """Blocks of simulated experiments without an effect: (0 estimated or 1 shrunk correlation, units, strata's sizes).

    Units are [n, draws, k], stratum by stratum, in units of the largest standard deviation.
    """
    sizes = np.bincount(strata).tolist()
    centred = values - np.stack([values[strata == s].mean(axis=0) for s in range(len(sizes))])[strata]
    df = len(values) - len(sizes)
    sd = np.sqrt((centred**2).sum(axis=0) / df)
    standardised = np.divide(centred, sd, out=np.zeros_like(centred), where=sd > 0)
    shrunk = _shrinkage(standardised, df)
    # A square root of the estimated correlation with as few rows as its rank; single precision is plenty for a draw.
    root = np.asarray(np.linalg.qr(standardised / np.sqrt(df), mode="r"), dtype=np.float32)
    scales = (sd / max(float(sd.max()), float(np.finfo(np.float64).tiny))).astype(np.float32)
    if df > _ENOUGH:
        # From here on t hardly changes, and fewer degrees err on the side of a wider band.
        sizes = [_ENOUGH + 1]
    n, columns = sum(sizes), values.shape[1]
    rng = np.random.default_rng(_SEED)
    step = max(1, _CELLS // (max(n, columns) * columns))
    for begin in range(0, _DRAWS, step):
        draws = min(step, _DRAWS - begin)
        alike = rng.standard_normal((n, draws, len(root)), dtype=np.float32) @ root
        apart = rng.standard_normal((n, draws, columns), dtype=np.float32)
        yield 0, alike * scales, sizes
        yield 1, (np.float32(np.sqrt(1.0 - shrunk)) * alike + np.float32(np.sqrt(shrunk)) * apart) * scales, sizes


def _of_curve(
    *, curves: FloatArray, used: IntArray, strata: IntArray, pairs: Paired, kind: Kind, level: float
) -> float:
    """The critical value of a curve; accumulated ones are simulated as sums of their bins' increments."""
    if kind == "bin":
        return critical_value(curves[:, used], strata, level)
    if kind == "running":
        # In proportion to a sum of increments: t does not change when all units are scaled alike.
        curves = curves * pairs.weights[:, 1].sum(axis=0).cumsum()
    whole = np.where(np.isfinite(curves), curves, 0.0)
    increments = np.diff(whole, axis=1, prepend=0.0)
    sums = np.triu(np.ones((len(pairs.start), len(pairs.start))))[:, used]
    return critical_value(increments, strata, level, sums)


def _curves(pairs: Paired, kind: Kind) -> tuple[FloatArray, FloatArray]:
    """[n, t] difference in each replicate, and [t] the size of the numbers that it is a difference of."""
    totals, weights = pairs.totals, pairs.weights
    if kind == "cumulative":
        if not np.allclose(weights[:, 0], weights[:, 1], rtol=1e-9, atol=0.0):
            raise LrerankError(
                "the arms have different weights, so their totals can't be subtracted",
                path="kind",
                value=kind,
                remedy="Use kind='running', the value of all impressions up to then",
            )
        each = totals.cumsum(axis=2)
    else:
        if kind == "running":
            totals, weights = totals.cumsum(axis=2), weights.cumsum(axis=2)
        each = np.divide(totals, weights, out=np.full_like(totals, np.nan), where=weights > 0)
    size = np.abs(np.nan_to_num(each)).max(axis=(0, 1))
    return np.asarray(each[:, 0] - each[:, 1]), np.asarray(size)


def _worse(values: FloatArray, strata: IntArray, level: float, scale: float) -> BoolArray:
    """[a] whether an arm is shown to be worse than some other one; larger values are better."""
    # What all arms share in a replicate cancels in their differences, and would hide how they differ from shrinkage.
    values = values - values.mean(axis=1, keepdims=True)
    critical = _critical_against(values, strata, level)
    worse = np.zeros(values.shape[1], dtype=bool)
    for i in range(len(worse)):
        spread = moments(values - values[:, [i]], strata)
        error = np.sqrt(spread.variance)
        varies = error > _ROUNDING * scale
        worse[i] = (spread.mean[varies] > critical[i] * error[varies]).any()
    return worse


def _statistics(units: NDArray[np.float32], sizes: list[int]) -> FloatArray:
    """[draws, m] t of the mean over strata, from [n, draws, m] units, stratum by stratum; 0 without spread."""
    mean, variance = np.zeros(units.shape[1:]), np.zeros(units.shape[1:])
    begin = 0
    for size in sizes:
        part = units[begin : begin + size]
        begin += size
        middle = part.mean(axis=0)
        mean += middle
        variance += ((part - middle) ** 2).sum(axis=0) / ((size - 1) * size)
    # A combination without spread is a rounding error away from 0 / 0.
    spread = variance > 1e-12 * variance.max()
    return np.divide(mean, np.sqrt(variance), out=np.zeros_like(mean), where=spread)


def _shrinkage(standardised: FloatArray, df: int) -> float:
    """The share of independence that makes the estimated correlation best in mean square: 0..1.

    Args:
        standardised: [n, k] residuals in units of their standard deviations.
    """
    if df < 3:
        return 1.0
    n = len(standardised)
    products = standardised.T @ standardised
    squares = (standardised**2).T @ (standardised**2)
    noise = n / (n - 1.0) ** 3 * (squares - products**2 / n)
    off = ~np.eye(len(products), dtype=bool)
    signal = float(((products[off] / df) ** 2).sum())
    return 1.0 if signal == 0 else float(np.clip(noise[off].sum() / signal, 0.0, 1.0))


def _stays(true: BoolArray) -> int | None:
    """The first index from which on all are true; None where the last is not."""
    if not len(true) or not true[-1]:
        return None
    false = np.flatnonzero(~true)
    return int(false[-1]) + 1 if len(false) else 0
