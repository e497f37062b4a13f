"""Means with intervals where the values come in groups.

Queries that are variants of one another, or requests of one user, tell less than as many unrelated ones. Groups, not
values, are taken as the independent draws here. Every group of a sample keeps its size: the mean is over values.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from lrerank.types import FloatArray, IntArray

_BOOTSTRAP_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and how sure it is.

    Attributes:
        value: the point estimate; NaN where there is nothing to estimate from.
        low: lower end of the interval; None where the data can't give one, and `note` says why.
        high: upper end, or None.
        groups: independent groups behind it.
        n: values behind it.
        method: how the interval was made.
        level: share of samples whose interval is meant to cover the truth.
        note: what the reader must know; "" for nothing.
    """

    value: float
    low: float | None
    high: float | None
    groups: int
    n: int
    method: str
    level: float = 0.95
    note: str = ""


def mean_by_group(values: ArrayLike, groups: ArrayLike, level: float = 0.95) -> Estimate:
    """Mean over values with a cluster-robust interval over groups.

    The variance is CR2, the t quantile has Bell and McCaffrey's degrees of freedom ("Bias reduction in standard errors
    for linear regression with multi-stage samples", Survey Methodology 28, 2002). With groups of equal size that is
    exactly the t interval over the groups' means, on groups - 1.

    Why not the plain cluster-robust variance on groups - 1: with few large groups among many small ones it promises too
    much. Measured with 5 to 50 groups, sizes from a Zipf law (1.8, at most 123, like the near-duplicate queries of
    `msrd`) and a correlation of 0.3: it covers in 75 to 83 % of samples instead of 95, this one in 93 to 95 %; where
    the groups' effects are exponential, 74 to 80 % and 90 to 95 %.

    Args:
        values: [n] finite.
        groups: [n] label of the group of each value. One label per value gives the i.i.d. t interval.
        level: of the interval, between 0 and 1.

    Raises:
        ValueError: the shapes differ or a value is not finite: leave out what has no value before, and count it.
    """
    from scipy.special import stdtrit

    totals, sizes = _sums(values, groups)
    method = "cluster-robust CR2, t with Bell-McCaffrey degrees of freedom"
    estimate, count = _mean(totals, sizes), int(sizes.sum())
    refusal = _no_interval(totals, sizes)
    if refusal:
        return Estimate(estimate, None, None, len(sizes), count, method, level, refusal)
    share = sizes / count
    residual = totals - sizes * estimate
    error = sqrt(np.sum(residual**2 / (1.0 - share))) / count
    half = float(stdtrit(_degrees_of_freedom(share), (1.0 + level) / 2.0)) * error
    return Estimate(estimate, estimate - half, estimate + half, len(sizes), count, method, level)


def paired_difference(first: ArrayLike, second: ArrayLike, groups: ArrayLike, level: float = 0.95) -> Estimate:
    """Mean of `first - second` over the same queries, with the interval over groups.

    Args:
        first: [n] values of one system.
        second: [n] values of the other for the same queries, in the same order.
        groups: [n] label of each query's group.
        level: of the interval.

    Raises:
        ValueError: as `mean_by_group`.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != other.shape:
        raise ValueError(f"the systems have values of different shapes: {one.shape}, {other.shape}")
    return mean_by_group(one - other, groups, level)


def bootstrap_by_group(
    values: ArrayLike, groups: ArrayLike, rng: np.random.Generator, draws: int = 2000, level: float = 0.95
) -> Estimate:
    """The same mean with a percentile interval from drawing whole groups again: a cross-check of `mean_by_group`.

    It assumes no distribution, but is too narrow where there are few groups or a few large ones carry the mean.

    Raises:
        ValueError: as `mean_by_group`.
    """
    totals, sizes = _sums(values, groups)
    method = f"cluster bootstrap, percentiles of {draws} draws"
    estimate, count = _mean(totals, sizes), int(sizes.sum())
    refusal = _no_interval(totals, sizes)
    if refusal:
        return Estimate(estimate, None, None, len(sizes), count, method, level, refusal)
    equal = np.full(len(sizes), 1.0 / len(sizes))
    step = max(1, _BOOTSTRAP_CELLS // len(sizes))
    means = []
    for start in range(0, draws, step):
        times = rng.multinomial(len(sizes), equal, size=min(step, draws - start))  # [draws of this step, groups]
        means.append((times @ totals) / (times @ sizes))
    low, high = np.quantile(np.concatenate(means), [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Estimate(estimate, float(low), float(high), len(sizes), count, method, level)


def proportion(successes: int, n: int, level: float = 0.95) -> Estimate:
    """Share of successes in n independent trials with Wilson's score interval, which keeps a width at 0 and at 1.

    Raises:
        ValueError: not 0 <= successes <= n.
    """
    from scipy.special import ndtri

    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes in {n} trials")
    if n == 0:
        return Estimate(float("nan"), None, None, 0, 0, "Wilson score", level, "there are no trials")
    z, share = float(ndtri((1.0 + level) / 2.0)), successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share)
    return Estimate(share, low, high, n, n, "Wilson score", level)


def _degrees_of_freedom(share: FloatArray) -> float:
    """Satterthwaite's match of the CR2 variance when values are independent with equal variance.

    Args:
        share: [groups] share of the values that is in the group.

    The variance is a quadratic form in the residuals of the groups' totals. With D the diagonal of the shares h, those
    have a covariance in proportion to D - h h', so df = tr(A)^2 / tr(A^2) for A = C (D - h h'), with C the diagonal
    of 1 / (1 - h).
    """
    weight = 1.0 / (1.0 - share)
    trace = np.sum(weight * (share - share**2))
    squared = np.sum(weight**2 * share**2) - 2.0 * np.sum(weight**2 * share**3) + np.sum(weight * share**2) ** 2
    return float(trace**2 / squared)


def _sums(values: ArrayLike, groups: ArrayLike) -> tuple[FloatArray, IntArray]:
    """Sum and number of the values of each group: [groups], [groups]."""
    value, label = np.asarray(values, dtype=np.float64), np.asarray(groups)
    if value.ndim != 1 or value.shape != label.shape:
        raise ValueError(f"values and groups have shapes {value.shape} and {label.shape}")
    if not np.isfinite(value).all():
        raise ValueError("a value is not finite")
    _, group, sizes = np.unique(label, return_inverse=True, return_counts=True)
    totals = np.asarray(np.bincount(group, weights=value, minlength=len(sizes)), dtype=np.float64)
    return totals, sizes.astype(np.int64)


def _mean(totals: FloatArray, sizes: IntArray) -> float:
    return float(totals.sum() / sizes.sum()) if len(sizes) else float("nan")


def _no_interval(totals: FloatArray, sizes: IntArray) -> str:
    """Why there can be no interval; "" where there can."""
    if len(sizes) == 0:
        return "there are no values"
    if len(sizes) == 1:
        return "one group can't tell how much groups differ"
    residual = totals - sizes * _mean(totals, sizes)
    if np.abs(residual).max() <= 1e-12 * np.abs(totals).max():
        return "all groups have the same mean, so the data can't tell how far it may be off"
    return ""
