"""How documents and positions were engaged with up to now: counts that only ever see the past.

The same counts serve a replayed file and the live loop, so a rate used for a request is what was known then. A
document shown low on the page is expected to be clicked less; its rate is therefore clicks over *expected* clicks
(Zhang and Jones, "Comparing click logs and editorial labels for training query rewriting", 2007), with the
expectation from the click rate of the positions it was shown at, and shrunk towards 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lrerank.types import FloatArray, IntArray

POSITIONS = 50
_PRIOR_IMPRESSIONS = 20.0
_PRIOR_RATE = 0.1
_SHRINKAGE = 2.0


class Engagement:
    """Counts over a catalog's documents and over positions.

    Attributes:
        impressions, clicks, purchases, expected: [documents]; `expected` is the clicks that documents shown at the
            same positions had on average.
    """

    def __init__(self, documents: int) -> None:
        self.impressions: FloatArray = np.zeros(documents)
        self.clicks: FloatArray = np.zeros(documents)
        self.purchases: FloatArray = np.zeros(documents)
        self.expected: FloatArray = np.zeros(documents)
        self._shown_at = np.zeros(POSITIONS)
        self._clicked_at = np.zeros(POSITIONS)

    def mean_rate(self) -> float:
        """Clicks per document shown up to now, over all positions; shrunk towards what is usual."""
        shown, clicked = self._shown_at.sum(), self._clicked_at.sum()
        return float((clicked + _PRIOR_IMPRESSIONS * _PRIOR_RATE) / (shown + _PRIOR_IMPRESSIONS))

    def show(self, rows: IntArray, positions: IntArray, mean: float | None = None) -> FloatArray:
        """Counts documents shown at 1-based positions; [k] the clicks to expect of them by what was known before.

        Args:
            mean: `mean_rate` before the page began, where these documents are not its first; as of now by default.
        """
        places = np.clip(positions, 1, POSITIONS) - 1
        mean = self.mean_rate() if mean is None else mean
        expected: FloatArray = (self._clicked_at[places] + _PRIOR_IMPRESSIONS * mean) / (
            self._shown_at[places] + _PRIOR_IMPRESSIONS
        )
        np.add.at(self._shown_at, places, 1.0)
        np.add.at(self.impressions, rows, 1.0)
        np.add.at(self.expected, rows, expected)
        return expected

    def click(self, row: int, position: int | None) -> None:
        self.clicks[row] += 1.0
        if position is not None:
            self._clicked_at[min(max(position, 1), POSITIONS) - 1] += 1.0

    def purchase(self, row: int) -> None:
        self.purchases[row] += 1.0

    def features(self, names: tuple[str, ...], rows: IntArray) -> NDArray[np.float32]:
        """[n, names] the model's view of the rates: logarithm of observed over expected, 0 where nothing is known."""
        views = np.zeros((len(rows), len(names)), np.float32)
        for place, name in enumerate(names):
            observed, expected = self._observed(name, rows)
            views[:, place] = np.log((observed + _SHRINKAGE) / (expected + _SHRINKAGE))
        return views

    def rate(self, name: str, row: int) -> float | None:
        """The rate as people read it; None where a document was never shown (or, for conversion, never clicked)."""
        shown = (self.clicks if name.endswith("conversion_rate") else self.impressions)[row]
        observed = (self.clicks if name.endswith("click_through_rate") else self.purchases)[row]
        return float(observed / shown) if shown else None

    def _observed(self, name: str, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        if name == "engagement.click_through_rate":
            return self.clicks[rows], self.expected[rows]
        clicks = self.clicks.sum()
        purchases_per_click = self.purchases.sum() / clicks if clicks else 0.0
        base = self.expected if name == "engagement.purchase_rate" else self.clicks
        return self.purchases[rows], base[rows] * purchases_per_click
