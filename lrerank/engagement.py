"""How documents and positions were engaged with up to now: counts that only ever see the past.

The same counts serve a replayed file and the live loop, so a rate used for a request is what was known then. A
document shown low on the page is expected to be clicked less; its rate is therefore clicks over *expected* clicks
(Zhang and Jones, "Comparing click logs and editorial labels for training query rewriting", 2007), with the
expectation from the click rate of the positions it was shown at, and shrunk towards 1. The rate of a document for one
query is counted in the same way and shrunk towards what the document is worth for all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lrerank.types import FloatArray, IntArray

POSITIONS = 50
_PRIOR_IMPRESSIONS = 20.0
_PRIOR_RATE = 0.1
_SHRINKAGE = 2.0


CLICK_RATE = "engagement.click_through_rate"
QUERY_RATE = "engagement.query_click_through_rate"


class _OfQuery:
    """Counts of the documents that were shown for one query.

    Attributes:
        rows: [d] the documents, ascending.
        counts: [3, d] impressions, clicks and expected clicks.
    """

    __slots__ = ("counts", "rows")

    def __init__(self) -> None:
        self.rows: IntArray = np.zeros(0, np.int64)
        self.counts: FloatArray = np.zeros((3, 0))

    def at(self, rows: IntArray) -> FloatArray:
        """[3, n] counts of these documents."""
        if len(self.rows) == 0:
            return np.zeros((3, len(rows)))
        places = np.minimum(self.rows.searchsorted(rows), len(self.rows) - 1)
        found: FloatArray = self.counts[:, places] * (self.rows[places] == rows)
        return found

    def show(self, rows: IntArray, expected: FloatArray) -> None:
        """Counts different documents that were shown."""
        places = self._places(rows)
        self.counts[0, places] += 1.0
        self.counts[2, places] += expected

    def click(self, row: int) -> None:
        place = self.rows.searchsorted(row)
        if place == len(self.rows) or self.rows[place] != row:
            place = self._places(np.array([row]))[0]
        self.counts[1, place] += 1.0

    def _places(self, rows: IntArray) -> IntArray:
        """[k] places of documents, made for those that are new."""
        places = self.rows.searchsorted(rows)
        known = self.rows.take(places, mode="clip") == rows if len(self.rows) else np.zeros(len(rows), np.bool_)
        if known.all():
            return places
        merged = np.union1d(self.rows, rows[~known])
        counts = np.zeros((3, len(merged)))
        counts[:, merged.searchsorted(self.rows)] = self.counts
        self.rows, self.counts = merged, counts
        return merged.searchsorted(rows)


class Engagement:
    """Counts over a catalog's documents, over queries and over positions.

    Attributes:
        impressions, clicks, purchases, expected: [documents]; `expected` is the clicks that documents shown at the
            same positions had on average.
    """

    def __init__(self, documents: int) -> None:
        self.impressions: FloatArray = np.zeros(documents)
        self.clicks: FloatArray = np.zeros(documents)
        self.purchases: FloatArray = np.zeros(documents)
        self.expected: FloatArray = np.zeros(documents)
        self._all_clicks = self._all_purchases = 0.0
        self._all_shown = self._all_clicked = 0.0  # at known positions
        self._shown_at = np.zeros(POSITIONS)
        self._clicked_at = np.zeros(POSITIONS)
        self._of_query: dict[str, _OfQuery] = {}

    def mean_rate(self) -> float:
        """Clicks per document shown up to now, over all positions; shrunk towards what is usual."""
        return (self._all_clicked + _PRIOR_IMPRESSIONS * _PRIOR_RATE) / (self._all_shown + _PRIOR_IMPRESSIONS)

    def show(self, rows: IntArray, positions: IntArray, mean: float | None = None, query: str = "") -> FloatArray:
        """Counts documents shown at 1-based positions; [k] the clicks to expect of them by what was known before.

        Args:
            mean: `mean_rate` before the page began, where these documents are not its first; as of now by default.
            query: what they were shown for; "" where nothing was asked.
        """
        places = np.minimum(np.maximum(positions, 1), POSITIONS) - 1
        mean = self.mean_rate() if mean is None else mean
        expected: FloatArray = (self._clicked_at[places] + _PRIOR_IMPRESSIONS * mean) / (
            self._shown_at[places] + _PRIOR_IMPRESSIONS
        )
        np.add.at(self._shown_at, places, 1.0)
        self._all_shown += len(places)
        np.add.at(self.impressions, rows, 1.0)
        np.add.at(self.expected, rows, expected)
        if query:
            self._of_query.setdefault(query, _OfQuery()).show(rows, expected)
        return expected

    def click(self, row: int, position: int | None, query: str = "") -> None:
        self.clicks[row] += 1.0
        self._all_clicks += 1.0
        if query and position is not None:
            self._of_query.setdefault(query, _OfQuery()).click(row)
        if position is not None:
            self._clicked_at[min(max(position, 1), POSITIONS) - 1] += 1.0
            self._all_clicked += 1.0

    def purchase(self, row: int) -> None:
        self.purchases[row] += 1.0
        self._all_purchases += 1.0

    def features(self, names: tuple[str, ...], rows: IntArray, query: str = "") -> NDArray[np.float32]:
        """[n, names] the model's view of the rates: logarithm of observed over expected, 0 where nothing is known."""
        counts = np.empty((2, len(names), len(rows)))
        for place, name in enumerate(names):
            counts[0, place], counts[1, place] = self._observed(name, rows, query)
        counts += _SHRINKAGE
        views: NDArray[np.float32] = np.log(counts[0] / counts[1]).T.astype(np.float32)
        return views

    def rate(self, name: str, row: int, query: str = "") -> float | None:
        """The rate as people read it; None where a document was never shown (or, for conversion, never clicked)."""
        if name == QUERY_RATE:
            of_query = self._of_query.get(query)
            impressions, clicks, _ = of_query.at(np.array([row]))[:, 0] if of_query is not None else np.zeros(3)
            return float(clicks / impressions) if impressions else None
        shown = (self.clicks if name.endswith("conversion_rate") else self.impressions)[row]
        observed = (self.clicks if name == CLICK_RATE else self.purchases)[row]
        return float(observed / shown) if shown else None

    def _observed(self, name: str, rows: IntArray, query: str) -> tuple[FloatArray, FloatArray]:
        if name == QUERY_RATE:
            of_query = self._of_query.get(query)
            if of_query is None:
                return np.zeros(len(rows)), np.zeros(len(rows))
            _, clicks, expected = of_query.at(rows)
            # Beyond what the document earns with other queries.
            ratio = (self.clicks[rows] - clicks + _SHRINKAGE) / (self.expected[rows] - expected + _SHRINKAGE)
            return clicks, expected * ratio
        if name == CLICK_RATE:
            return self.clicks[rows], self.expected[rows]
        purchases_per_click = self._all_purchases / self._all_clicks if self._all_clicks else 0.0
        base = self.expected if name == "engagement.purchase_rate" else self.clicks
        return self.purchases[rows], base[rows] * purchases_per_click
