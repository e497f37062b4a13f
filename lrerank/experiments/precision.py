"""How precise a mean over replicates is, and how many replicates a wanted precision needs.

The unit is the replicate: one run of a world with its users, arrivals and luck drawn anew. Nothing here treats the
impressions of one run as independent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, inf, isfinite, nan, sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from lrerank.errors import LrerankError
from lrerank.evaluation.intervals import Estimate
from lrerank.types import FloatArray, IntArray

if TYPE_CHECKING:
    from lrerank.experiments.compare import Comparison

Source = Literal["simulation noise", "world uncertainty"]

NOISE_METHOD = "t over replicates within worlds"
WORLD_METHOD = "t over the worlds' means"
_FIELLER = "Fieller, "
_ROUNDING = 1e-12
_MOST = 10**9


@dataclass(frozen=True, slots=True)
class BothIntervals:
    """One quantity with both of its uncertainties.

    Attributes:
        noise: simulation noise: these worlds, other replicates of them. It shrinks with computing.
        worlds: world uncertainty: other worlds of the same distribution. It has no interval where there is one world.
        source: which of them is the headline: the wider one.
    """

    noise: Estimate
    worlds: Estimate
    source: Source

    @property
    def headline(self) -> Estimate:
        """The wider interval of the two."""
        return self.noise if self.source == "simulation noise" else self.worlds

    @property
    def value(self) -> float:
        """The point estimate, which both share."""
        return self.noise.value

    def per(self, units: float) -> BothIntervals:
        """The same for so many units instead of one: per 1000 impressions."""
        return BothIntervals(_scaled(self.noise, units), _scaled(self.worlds, units), self.source)


@dataclass(frozen=True, slots=True)
class Moments:
    """A mean over strata of equal weight, from independent units within them; each [...].

    Attributes:
        mean: mean over the strata of the means within.
        variance: estimated variance of that mean.
        df: degrees of freedom of the variance.
    """

    mean: FloatArray
    variance: FloatArray
    df: FloatArray


@dataclass(frozen=True, slots=True)
class Needed:
    """How many replicates (per world) or worlds a wanted precision needs.

    Attributes:
        expected: if the spread is what the present replicates show; None where they show none.
        cautious: if the spread is at the upper end of its own 90 % one-sided interval: few replicates say little about
            it.
        note: "" or why there is no answer.
    """

    expected: int | None
    cautious: int | None
    note: str = ""


def moments(values: FloatArray, strata: IntArray) -> Moments:
    """Mean over strata with the variance that the units within them show.

    The degrees of freedom are Welch's second form, (sum v)^2 / sum(v^2 / (f + 2)) - 2 with v the strata's shares of the
    variance on f degrees ("The generalization of 'Student's' problem when several different population variances are
    involved", Biometrika 34, 1947). With one stratum that is n - 1. The better known form without the twos is far too
    low for many strata of two units: it expects a third of the degrees that there are.

    Args:
        values: [n, ...] of the units.
        strata: [n] stratum of each, 0..; every stratum has at least two units.
    """
    sizes = np.bincount(strata).astype(np.float64)
    shape = (len(sizes), *values.shape[1:])
    sums = np.zeros(shape)
    np.add.at(sums, strata, values)
    wide = sizes.reshape(-1, *(1,) * (values.ndim - 1))
    means = sums / wide
    squares = np.zeros(shape)
    np.add.at(squares, strata, (values - means[strata]) ** 2)
    part = squares / (wide - 1.0) / wide / len(sizes) ** 2
    variance = part.sum(axis=0)
    below = (part**2 / (wide + 1.0)).sum(axis=0)
    df = (
        np.divide(variance**2, below, out=np.full_like(variance, len(values) - len(sizes) + 2.0), where=below > 0) - 2.0
    )
    return Moments(means.mean(axis=0), variance, df)


def mean_over_worlds(values: FloatArray, worlds: IntArray, level: float, scale: float | None = None) -> BothIntervals:
    """Mean of the replicates' values, worlds weighted equally, with both intervals.

    Simulation noise takes the worlds as given; world uncertainty takes their means as the draws. Worlds with one
    replicate each have the latter only, which contains the former.

    Args:
        values: [n] value of each replicate, finite.
        worlds: [n] world of each.
        level: of both intervals.
        scale: size of the numbers that the values are differences of: spread within their rounding is none.
    """
    _, stratum = np.unique(worlds, return_inverse=True)
    size = float(np.abs(values).max()) if scale is None else scale
    means = _stratum_means(values, stratum)
    noise = _mean(values, stratum, level, size, NOISE_METHOD)
    between = _mean(means, np.zeros(len(means), dtype=np.int64), level, size, WORLD_METHOD)
    between = replace(between, groups=len(means), n=len(values))
    if len(means) == 1:
        between = replace(between, note="one world can't tell how much worlds differ")
    return BothIntervals(noise, between, _wider(noise, between))


def ratio_over_worlds(
    numerator: FloatArray, denominator: FloatArray, worlds: IntArray, level: float, scale: float | None = None
) -> BothIntervals:
    """Ratio of two means over replicates, with both intervals by Fieller's theorem.

    Why Fieller and not the delta method: where the denominator is far from zero they agree; where it is not (rare
    purchases, a small gap) the delta interval stays finite and is wrong, while Fieller's set becomes unbounded, which
    is then said instead of an interval. For normal replicates of one world it is exact (E. C. Fieller, "Some problems
    in interval estimation", JRSS B 16, 1954).

    Args:
        numerator, denominator: [n] of the same replicates, finite.
        worlds: [n].
        level: of both intervals.
        scale: as in `mean_over_worlds`.
    """
    _, stratum = np.unique(worlds, return_inverse=True)
    size = float(max(np.abs(numerator).max(), np.abs(denominator).max())) if scale is None else scale
    above, below = _stratum_means(numerator, stratum), _stratum_means(denominator, stratum)
    noise, noise_open = _fieller(numerator, denominator, stratum, level, size, _FIELLER + NOISE_METHOD)
    single = np.zeros(len(above), dtype=np.int64)
    between, world_open = _fieller(above, below, single, level, size, _FIELLER + WORLD_METHOD)
    between = replace(between, groups=len(above), n=len(numerator))
    if len(above) == 1:
        between = replace(between, note="one world can't tell how much worlds differ")
    source: Source = "world uncertainty" if world_open else "simulation noise"
    return BothIntervals(noise, between, source if noise_open or world_open else _wider(noise, between))


def replicates_needed(comparison: Comparison, half_width: float) -> Needed:
    """Replicates per world, in the present worlds, for an interval of `difference` +- half_width (simulation noise).

    Raises:
        LrerankError: the half width is not a positive number.
    """
    _check_half_width(half_width)
    _, stratum = np.unique(comparison.worlds, return_inverse=True)
    if comparison.difference.noise.low is None:
        return Needed(None, None, comparison.difference.noise.note)
    count = int(stratum.max()) + 1
    variance = _within(comparison.differences, stratum)
    upper = variance * _upper_factor(len(stratum) - count)
    expected, cautious = (_smallest(v / count, count, half_width, comparison.level) for v in (variance, upper))
    return Needed(expected, cautious)


def worlds_needed(comparison: Comparison, half_width: float) -> Needed:
    """Worlds, each with as many replicates as now, for an interval of `difference` +- half_width (world uncertainty).

    Raises:
        LrerankError: the half width is not a positive number.
    """
    _check_half_width(half_width)
    if comparison.difference.worlds.low is None:
        return Needed(None, None, comparison.difference.worlds.note)
    _, stratum = np.unique(comparison.worlds, return_inverse=True)
    means = _stratum_means(comparison.differences, stratum)
    variance = float(np.var(means, ddof=1))
    upper = variance * _upper_factor(len(means) - 1)
    expected, cautious = (_smallest(v, 1, half_width, comparison.level) for v in (variance, upper))
    return Needed(expected, cautious)


def minimum_detectable(comparison: Comparison, replicates: int, power: float = 0.8) -> float | None:
    """The smallest true difference that so many replicates per world show as different from zero with this power.

    Two-sided test at 1 - level against simulation noise; exact for normal replicates with equal spread in all worlds
    (noncentral t). None where the present replicates show no spread.

    Raises:
        LrerankError: fewer than two replicates, or a power not between the test's size and 1.
    """
    from scipy.optimize import brentq
    from scipy.special import nctdtr, stdtrit

    size = 1.0 - comparison.level
    if replicates < 2:
        raise LrerankError("one replicate can't detect anything", path="replicates", value=replicates)
    if not size < power < 1:
        raise LrerankError("the power is not between the size of the test and 1", path="power", value=power)
    if comparison.difference.noise.low is None:
        return None
    _, stratum = np.unique(comparison.worlds, return_inverse=True)
    count = int(stratum.max()) + 1
    df = count * (replicates - 1)
    t = float(stdtrit(df, 1.0 - size / 2.0))

    def missing(shift: float) -> float:
        # The far tail is 1e-6 from a shift of 3 on, and scipy has no number for it further out.
        return power - (1.0 - float(nctdtr(df, shift, t)) + (float(nctdtr(df, shift, -t)) if shift < 3 else 0.0))

    high = 4.0
    while missing(high) > 0:
        high *= 1.5
    shift = float(brentq(missing, 0.0, high))
    return shift * sqrt(_within(comparison.differences, stratum) / (count * replicates))


def _mean(values: FloatArray, stratum: IntArray, level: float, size: float, method: str) -> Estimate:
    from scipy.special import stdtrit

    value = float(_stratum_means(values, stratum).mean())
    found, n = value, len(values)
    refusal = _no_spread(values, stratum, size)
    if refusal:
        return Estimate(found, None, None, n, n, method, level, refusal)
    spread = moments(values, stratum)
    half = float(stdtrit(spread.df, (1.0 + level) / 2.0) * np.sqrt(spread.variance))
    return Estimate(found, found - half, found + half, n, n, method, level)


def _fieller(
    numerator: FloatArray, denominator: FloatArray, stratum: IntArray, level: float, size: float, method: str
) -> tuple[Estimate, bool]:
    """The ratio of means, and whether its set is unbounded."""
    from scipy.special import stdtrit

    above, below = float(_stratum_means(numerator, stratum).mean()), float(_stratum_means(denominator, stratum).mean())
    n = len(numerator)
    if abs(below) <= _ROUNDING * size:
        return Estimate(nan, None, None, n, n, method, level, "the denominator is 0"), False
    value = above / below
    refusal = _no_spread(numerator - value * denominator, stratum, size)
    if refusal:
        return Estimate(value, None, None, n, n, method, level, refusal), False
    parts = np.stack(
        [numerator, denominator, numerator + denominator, numerator - denominator, numerator - value * denominator], 1
    )
    spread = moments(parts, stratum)
    square = float(stdtrit(spread.df[4], (1.0 + level) / 2.0)) ** 2
    cross = float(spread.variance[2] - spread.variance[3]) / 4.0
    a = below**2 - square * float(spread.variance[1])
    b = above * below - square * cross
    c = above**2 - square * float(spread.variance[0])
    if a <= 0:
        note = "the denominator can't be told from 0, so the ratio has no bounded interval"
        return Estimate(value, None, None, n, n, method, level, note), True
    root = sqrt(max(b * b - a * c, 0.0))
    return Estimate(value, (b - root) / a, (b + root) / a, n, n, method, level), False


def _no_spread(values: FloatArray, stratum: IntArray, size: float) -> str:
    """Why there can be no interval; "" where there can."""
    sizes = np.bincount(stratum)
    if sizes.min() < 2:
        lonely = "one replicate" if len(sizes) == 1 else "a world with one replicate"
        return f"{lonely} can't tell how much replicates differ"
    if np.abs(values - _stratum_means(values, stratum)[stratum]).max() <= _ROUNDING * size:
        return "all replicates give exactly the same, so they can't tell how far it may be off"
    return ""


def _wider(noise: Estimate, worlds: Estimate) -> Source:
    if worlds.low is None or worlds.high is None:
        return "simulation noise"
    if noise.low is None or noise.high is None:
        return "world uncertainty"
    return "simulation noise" if noise.high - noise.low >= worlds.high - worlds.low else "world uncertainty"


def _stratum_means(values: FloatArray, stratum: IntArray) -> FloatArray:
    return np.asarray(np.bincount(stratum, weights=values) / np.bincount(stratum), dtype=np.float64)


def _within(values: FloatArray, stratum: IntArray) -> float:
    """Variance of one replicate, averaged over worlds."""
    sizes = np.bincount(stratum)
    residual = values - _stratum_means(values, stratum)[stratum]
    return float((np.bincount(stratum, weights=residual**2) / (sizes - 1)).mean())


def _upper_factor(df: int) -> float:
    """How many times larger the variance may be: the upper end of its one-sided 90 % interval."""
    from scipy.special import chdtri

    return df / float(chdtri(df, 0.9))


def _smallest(variance: float, strata: int, half_width: float, level: float) -> int:
    """The smallest n >= 2 whose t interval, on strata * (n - 1) degrees, is half_width wide to either side."""
    from scipy.special import stdtrit

    def half(n: int) -> float:
        return float(stdtrit(strata * (n - 1), (1.0 + level) / 2.0)) * sqrt(variance / n)

    low, high = 1, 2
    while half(high) > half_width:
        low, high = high, high * 2
        if high > _MOST:
            # So many that t is normal: the plain formula, and whoever reads it will not run them.
            return ceil(float(stdtrit(inf, (1.0 + level) / 2.0)) ** 2 * variance / half_width**2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if half(middle) <= half_width else (middle, high)
    return high


def _check_half_width(half_width: float) -> None:
    if not (isfinite(half_width) and half_width > 0):
        raise LrerankError("the half width is not a positive number", path="half_width", value=half_width)


def _scaled(estimate: Estimate, units: float) -> Estimate:
    low = None if estimate.low is None else estimate.low * units
    high = None if estimate.high is None else estimate.high * units
    return replace(estimate, value=estimate.value * units, low=low, high=high)
