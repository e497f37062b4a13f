"""Streaming histograms for what is no sum: calibration error and quantiles of latency. Memory is fixed."""

from __future__ import annotations

import numpy as np

from lrerank.types import BoolArray, FloatArray, IntArray

_BINS = 10
_LOG_ODDS = 11.5  # ± this: 1e-5 to 1 − 1e-5
_WIDTH = 0.05
_CELLS = round(2 * _LOG_ODDS / _WIDTH)

_SHORTEST, _LONGEST, _RATIO = 1e-3, 1e5, 1.02
_LATENCIES = int(np.ceil(np.log(_LONGEST / _SHORTEST) / np.log(_RATIO)))


class CalibrationHistogram:
    """Predictions and clicks per position, in cells 0.05 wide in log-odds; what is beyond ±11.5 shares the outer cells.

    A cell keeps the exact sums, so only the edges of the bins of the error are approximate: they lie on the cells'.
    """

    def __init__(self, slots: int) -> None:
        self._sums = np.zeros((3, slots * _CELLS))  # predictions, sum of probabilities, clicks
        self._slots = slots

    def add(self, position: IntArray, probability: FloatArray, click: BoolArray) -> None:
        """All [n]; position from 0, probabilities in 0..1."""
        odds = np.clip(probability, 1e-6, 1 - 1e-6)
        place = (np.log(odds / (1.0 - odds)) + _LOG_ODDS) / _WIDTH
        cell = position * _CELLS + np.clip(place, 0, _CELLS - 1).astype(np.int64)
        for row, weights in zip(self._sums, (None, probability, click), strict=True):
            row += np.bincount(cell, weights, minlength=len(row))

    def error(self, position: int | None = None) -> float:
        """Expected calibration error in ten bins of about equal size, whole cells each; NaN without predictions.

        A cell goes to the bin that its middle prediction falls into, as in `lrerank.calibration.reliability_table`.

        Args:
            position: from 0; None for all positions together.
        """
        cells = self._sums.reshape(3, self._slots, _CELLS)
        sums = cells.sum(axis=1) if position is None else cells[:, position]
        filled = sums[:, sums[0] > 0]
        count = filled[0]
        if len(count) == 0:
            return float("nan")
        middle = (count.cumsum() - count / 2) / count.sum()
        _, starts = np.unique((middle * _BINS).astype(np.int64), return_index=True)
        gap = np.add.reduceat(filled[1] - filled[2], starts)
        return float(np.abs(gap).sum() / count.sum())


class LatencyHistogram:
    """Milliseconds in cells that are 2 % wide, from 0.001 to 100,000; what is beyond shares the outer cells."""

    def __init__(self) -> None:
        self._counts = np.zeros(_LATENCIES, dtype=np.int64)

    def add(self, milliseconds: FloatArray) -> None:
        """[n], 0 or more."""
        place = np.log(np.maximum(milliseconds, _SHORTEST) / _SHORTEST) / np.log(_RATIO)
        self._counts += np.bincount(np.minimum(place, _LATENCIES - 1).astype(np.int64), minlength=_LATENCIES)

    def quantile(self, share: float) -> float:
        """The geometric middle of the cell that holds the ⌈share · n⌉-th smallest, within 1 % of it; NaN without any."""
        total = int(self._counts.sum())
        if total == 0:
            return float("nan")
        cell = int(np.searchsorted(self._counts.cumsum(), np.ceil(share * total)))
        return float(_SHORTEST * _RATIO ** (cell + 0.5))
