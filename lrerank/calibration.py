"""Values -> probabilities of engagement, and how well those hold.

A `Link` is the monotone g of `personalization_score = g(value)`. It is fitted by isotonic regression on a histogram of
(value, engaged) pairs, which should be predictions made before the outcome was known (progressive validation).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lrerank.errors import DataError
from lrerank.types import BoolArray, FloatArray, IntArray

_KNOTS = 20
_MARGIN = 1e-6  # knots stay this far from 0 and 1: nothing is certain
_SLOPE_SHARE = 1e-5
_PRIOR_WEIGHT = 50.0
_GROUP_WEIGHT = 50.0
_GROUP_EVENTS = 5.0

_CELLS = 600
_LINEAR_BELOW = 0.01
_LARGEST = 20.0
_REACH = float(np.arcsinh(_LARGEST / _LINEAR_BELOW))


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """A strictly increasing function from all values to the open interval (0, 1).

    g(v) = (1 - s) * piecewise linear through the knots, flat outside + s * (1 + v / (1 + |v|)) / 2, with s = 1e-5. The
    second part moves no probability by more than 1e-5, which leaves even a rate of 0.1 % unharmed, and it keeps values
    that differ by 1e-6 apart in double precision up to |v| = 20. A logistic part would not: it is flat there.

    Attributes:
        values: [m] knots, strictly increasing, m >= 1.
        probabilities: [m] piecewise linear part at the knots, not decreasing, in [1e-6, 1 - 1e-6].
    """

    values: FloatArray
    probabilities: FloatArray

    def __post_init__(self) -> None:
        values, probabilities = self.values, self.probabilities
        if not (
            values.ndim == 1
            and len(values) > 0
            and values.shape == probabilities.shape
            and np.isfinite(values).all()
            and (np.diff(values) > 0).all()
            and (np.diff(probabilities) >= 0).all()
            and probabilities[0] >= _MARGIN
            and probabilities[-1] <= 1 - _MARGIN
        ):
            raise DataError(
                "a link needs increasing values with non-decreasing probabilities above 0 and below 1",
                path="link",
                value={"values": values.tolist(), "probabilities": probabilities.tolist()},
                remedy="Train the model again",
            )

    def __call__(self, values: FloatArray) -> FloatArray:
        """Any shape -> the same shape; finite values -> probabilities above 0 and below 1."""
        linear = np.interp(values, self.values, self.probabilities)
        increasing: FloatArray = 0.5 + 0.5 * values / (1.0 + np.abs(values))
        return (1.0 - _SLOPE_SHARE) * linear + _SLOPE_SHARE * increasing

    def to_json(self) -> dict[str, Any]:
        """Numbers and lists only; `from_json` gives back the same bits."""
        return {"values": self.values.tolist(), "probabilities": self.probabilities.tolist()}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Link:
        """The inverse of `to_json`.

        Raises:
            DataError: not what `to_json` writes.
        """
        return cls(_array(saved, "values", "link"), _array(saved, "probabilities", "link"))


class LinkEstimator:
    """Accumulates (value, engaged) pairs in a fixed histogram and fits a `Link` to it when asked.

    600 cells, 3e-4 wide around 0 and 3 % of the value beyond 0.01, from -20 to 20; a value outside counts as -20 or 20.
    Each cell remembers the mean of its values, so the cells' width does not shift the link. Estimators merge with `+`.

    Args:
        half_life: pairs after which a pair counts half; None to weigh all alike. Exact within a call too, so how pairs
            are batched makes no difference; merged estimators count each other's pairs as if they had come last.
    """

    def __init__(self, half_life: float | None = None) -> None:
        if half_life is not None and not half_life > 0:
            raise ValueError(f"half_life must be above 0, not {half_life}")
        self.half_life = half_life
        self.seen = 0
        self._sums = np.zeros((3, _CELLS))  # rows: weight, weight * value, weight * engaged

    def add(self, values: FloatArray, engaged: FloatArray | BoolArray, weights: FloatArray | None = None) -> None:
        """Add pairs, oldest first.

        Args:
            values: [n] finite values, as they were when the document was shown.
            engaged: [n] 0 or 1 (or bool), or a share in between.
            weights: [n] finite, >= 0; 1 each by default.

        Raises:
            ValueError: shapes that differ, or a number that is not what it should be.
        """
        values = np.asarray(values, dtype=np.float64)
        engaged = np.asarray(engaged, dtype=np.float64)
        weights = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
        if not values.shape == engaged.shape == weights.shape == (len(values),):
            raise ValueError(f"shapes differ: values {values.shape}, engaged {engaged.shape}, weights {weights.shape}")
        if not (np.isfinite(values).all() and np.isfinite(weights).all() and (weights >= 0).all()):
            raise ValueError("values and weights must be finite, weights not negative")
        if not ((engaged >= 0) & (engaged <= 1)).all():
            raise ValueError("engaged must be 0 to 1")
        values = np.clip(values, -_LARGEST, _LARGEST)
        if self.half_life is not None:
            self._sums *= 0.5 ** (len(values) / self.half_life)
            weights = weights * 0.5 ** (np.arange(len(values) - 1, -1, -1) / self.half_life)
        place = (np.arcsinh(values / _LINEAR_BELOW) / _REACH + 1.0) * (_CELLS / 2)
        cells = np.clip(place, 0, _CELLS - 1).astype(np.int64)
        for row, added in zip(self._sums, (weights, weights * values, weights * engaged), strict=True):
            np.add.at(row, cells, added)
        self.seen += len(values)

    def __add__(self, other: LinkEstimator) -> LinkEstimator:
        """Both estimators' pairs; the same half-life is required."""
        if self.half_life != other.half_life:
            raise ValueError(f"half-lives differ: {self.half_life} and {other.half_life}")
        merged = LinkEstimator(self.half_life)
        merged.seen = self.seen + other.seen
        merged._sums = self._sums + other._sums
        return merged

    def link(self) -> Link:
        """The link for what has been added so far; without any pair, the identity cut to (0, 1).

        Neighbouring cells are pooled into at most 20 groups of about equal weight, with at least 50 pairs and 5 of the
        rarer outcome each on average, made monotone by isotonic regression, and joined at the groups' means. The
        outer slopes, at most 1, go on beyond the data until they reach the bounds. The result is mixed with the
        identity, which counts as much as 50 pairs: a value estimates a reward in which a click counts 1.
        """
        weight = float(self._sums[0].sum())
        prior = np.array([_MARGIN, 1 - _MARGIN])
        if weight <= 0:
            return Link(prior, prior)
        values, rates = _monotone(*_grouped(self._sums))
        values, rates = _with_tails(values, rates)
        trust = weight / (weight + _PRIOR_WEIGHT)
        knots = np.unique(np.concatenate((values, prior)))
        mixed = trust * np.interp(knots, values, rates) + (1 - trust) * np.interp(knots, prior, prior)
        # Rounding may leave a step down of one unit in the last place, or a step outside the bounds.
        return Link(knots, np.maximum.accumulate(np.clip(mixed, _MARGIN, 1 - _MARGIN)))

    def to_json(self) -> dict[str, Any]:
        """Filled cells only; numbers and lists."""
        filled = self._sums[0].nonzero()[0]
        weight, value, engaged = self._sums[:, filled].tolist()
        return {
            "half_life": self.half_life,
            "seen": self.seen,
            "cells": filled.tolist(),
            "weight": weight,
            "value": value,
            "engaged": engaged,
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> LinkEstimator:
        """The inverse of `to_json`.

        Raises:
            DataError: not what `to_json` writes.
        """
        where, remedy = "link estimator", "Train the model again"
        cells = _array(saved, "cells", where)
        weight, value, engaged = columns = [_array(saved, name, where) for name in ("weight", "value", "engaged")]
        if not (
            all(column.shape == cells.shape == (len(cells),) and np.isfinite(column).all() for column in columns)
            and np.isin(cells, np.arange(_CELLS)).all()
            and len(np.unique(cells)) == len(cells)
            and (weight >= 0).all()
            and (np.abs(value) <= weight * _LARGEST * (1 + 1e-9)).all()
            and ((engaged >= 0) & (engaged <= weight * (1 + 1e-9))).all()
        ):
            raise DataError("the cells are damaged", path=where, remedy=remedy)
        try:
            estimator = cls(saved["half_life"])
            estimator.seen = int(saved["seen"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError("half_life or seen is missing or no number", path=where, remedy=remedy) from error
        estimator._sums[:, cells.astype(np.int64)] = columns
        return estimator


def fit_link(values: FloatArray, engaged: FloatArray | BoolArray, weights: FloatArray | None = None) -> Link:
    """The link of a batch of pairs; see `LinkEstimator.add` for the arguments and `LinkEstimator.link` for the fit."""
    estimator = LinkEstimator()
    estimator.add(values, engaged, weights)
    return estimator.link()


@dataclass(frozen=True, slots=True, eq=False)
class ReliabilityTable:
    """Predicted against observed, one row per bin, by increasing prediction; all arrays [b].

    Attributes:
        count: pairs in the bin.
        predicted: mean prediction.
        observed: share engaged.
        low, high: Wilson's score interval for the share, at the confidence asked for.
    """

    count: IntArray
    predicted: FloatArray
    observed: FloatArray
    low: FloatArray
    high: FloatArray


def reliability_table(
    predicted: FloatArray, observed: FloatArray | BoolArray, bins: int = 10, confidence: float = 0.95
) -> ReliabilityTable:
    """Bins of about equal size; equal predictions are never split, so there may be fewer bins than asked for.

    Args:
        predicted: [n] probabilities.
        observed: [n] 0 or 1 (or bool). The intervals take them as independent.
        bins: most bins.
        confidence: of the intervals.

    Raises:
        DataError: no pairs, or pairs that are not probabilities with outcomes.
    """
    from scipy.special import ndtri

    predicted = np.asarray(predicted, dtype=np.float64)
    observed = np.asarray(observed, dtype=np.float64)
    if predicted.ndim != 1 or predicted.shape != observed.shape or len(predicted) == 0:
        raise DataError(
            "calibration needs as many predictions as outcomes, at least one",
            value=(predicted.shape, observed.shape),
            remedy="Give one outcome per prediction",
        )
    if not ((predicted >= 0) & (predicted <= 1)).all() or not ((observed == 0) | (observed == 1)).all():
        raise DataError("predictions must be 0 to 1 and outcomes 0 or 1", remedy="Leave out pairs without an outcome")
    _, inverse, ties = np.unique(predicted, return_inverse=True, return_counts=True)
    middle = (ties.cumsum() - ties / 2) / len(predicted)
    bin_of = (middle * bins).astype(np.int64)[inverse]
    _, bin_of, count = np.unique(bin_of, return_inverse=True, return_counts=True)
    mean_predicted = np.bincount(bin_of, predicted) / count
    share = np.bincount(bin_of, observed) / count
    z = float(ndtri(0.5 + confidence / 2))
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return ReliabilityTable(
        count=count.astype(np.int64),
        predicted=mean_predicted,
        observed=share,
        low=np.maximum(centre - half, 0.0),
        high=np.minimum(centre + half, 1.0),
    )


def expected_calibration_error(predicted: FloatArray, observed: FloatArray | BoolArray, bins: int = 10) -> float:
    """Mean over pairs of |mean predicted - share observed| of their bin, with the bins of `reliability_table`.

    Perfect predictions do not give 0 but about 0.8 * sqrt(p (1 - p) * bins / n), the noise of the shares themselves.
    """
    table = reliability_table(predicted, observed, bins)
    return float(np.average(np.abs(table.predicted - table.observed), weights=table.count))


def _grouped(sums: FloatArray) -> FloatArray:
    """[3, _CELLS] sums -> [3, g] weight, mean value and rate of at most `_KNOTS` groups of neighbouring cells."""
    # What has decayed to almost nothing says nothing, and its mean may have lost all digits.
    filled = sums[:, sums[0] > 1e-9 * sums[0].max()]
    weight, _, engaged = filled.sum(axis=1)
    rarer = min(engaged, weight - engaged)
    groups = int(np.clip(min(weight / _GROUP_WEIGHT, rarer / _GROUP_EVENTS), 1, _KNOTS))
    middle = (filled[0].cumsum() - filled[0] / 2) / weight
    _, starts = np.unique((middle * groups).astype(np.int64), return_index=True)
    pooled: FloatArray = np.add.reduceat(filled, starts, axis=1)
    pooled[1:] /= pooled[0]
    return pooled


def _monotone(weight: FloatArray, values: FloatArray, rates: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Isotonic regression; one knot per block of equal rates, at the block's mean value."""
    from scipy.optimize import isotonic_regression

    fitted: FloatArray = isotonic_regression(rates, weights=weight).x
    starts = (np.diff(fitted, prepend=-1.0) > 0).nonzero()[0]
    means = np.add.reduceat(weight * values, starts) / np.add.reduceat(weight, starts)
    # Cells that almost touch can have means that rounding makes equal.
    keep = np.diff(means, prepend=-np.inf) > 0
    return means[keep], fitted[starts][keep]


def _with_tails(values: FloatArray, rates: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Continue the outer slopes to the bounds, so that the best documents of all do not share one probability."""
    if len(values) == 1:
        return values, rates
    slopes = np.minimum(np.diff(rates) / np.diff(values), 1.0)
    below = values[0] - max(rates[0] - _MARGIN, 0.0) / slopes[0]
    above = values[-1] + max(1 - _MARGIN - rates[-1], 0.0) / slopes[-1]
    values = np.concatenate(([below], values, [above]))
    rates = np.concatenate(([min(_MARGIN, rates[0])], rates, [max(1 - _MARGIN, rates[-1])]))
    keep = np.diff(values, prepend=-np.inf) > 0
    return values[keep], rates[keep]


def _array(saved: Mapping[str, Any], name: str, path: str) -> FloatArray:
    try:
        return np.asarray(saved[name], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{name} must be a list of numbers", path=path, value=saved, remedy="Train the model again"
        ) from error
