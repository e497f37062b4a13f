"""What many users together do with each document of each query, corrected for where it was shown.

Reward of document d shown for query q in slot k is modelled as theta_k * alpha_qd: a position-based model. Its rates
are clicks over expected clicks (Zhang and Jones 2007) taken further in three ways, since this is what the strongest
rival that knows nothing of persons would do:

- theta is not the slots' mean click rate, which mixes examination with what was put there, but estimated together with
  alpha from documents that were shown in several slots: the fixed point of theta_k = clicks in k / sum alpha shown in k.
  theta starts as 1/k, a convention; as long as every document only ever had one slot, it stays near what that and the
  worth of the static order say together.
- alpha_qd backs off to s_r * delta_d: what the static rank r is worth (never rising with r; at first 1/log2(1 + r)), and
  what the document is worth beside it, from all queries.
- how far each level is trusted is estimated from how much its rates differ beyond chance (method of moments of a
  gamma prior), so rates that are all alike stay together.
"""

from __future__ import annotations

import numpy as np

from lrerank.experiments.search import Search
from lrerank.types import FloatArray, IntArray

_RANK_TRUST = 10.0
_SLOT_TRUST = 20.0
_MOST_TRUST = 1000.0
_FIRST_TRUST = 4.0
_ROUNDS = 10
_BETWEEN_FITS = 100
_GROWTH_BETWEEN_FITS = 0.1


class Rates:
    """Counts of (query, document, slot), and the rates that follow from them.

    Args:
        slots: of a list; what was shown further down counts as shown in the last one.

    Attributes:
        examination: [slots] theta, 1 for the first slot.
        level: mean reward of a document that is examined.
    """

    def __init__(self, search: Search, slots: int) -> None:
        self._search = search
        queries, candidates = search.rows.shape
        self._convention: FloatArray = 1.0 / np.arange(1, slots + 1)
        self.examination = self._convention
        self.level = 0.1
        self._documents = np.maximum(search.rows, 0)
        self._shown = np.zeros((queries, candidates, slots))
        self._clicked_at = np.zeros(slots)
        self._clicks = np.zeros((queries, candidates))
        self._rewards = np.zeros((queries, candidates))
        self._squared = 0.0
        self._examined = np.zeros((queries, candidates))
        self._rank_worth = 1.0 / np.log2(np.arange(2, candidates + 2))
        self._document_rewards: FloatArray = np.zeros(len(search.catalog))
        self._document_expected: FloatArray = np.zeros(len(search.catalog))
        self._document_trust = self._pair_trust = _FIRST_TRUST
        self._pages = 0
        self._next_fit = _BETWEEN_FITS

    def add(self, query: IntArray, columns: IntArray, clicks: FloatArray, rewards: FloatArray) -> None:
        """Counts pages.

        Args:
            query: [m].
            columns: [m, k] of the scene's candidates, slot 1 first; -1 for none.
            clicks, rewards: [m, k].
        """
        page, slot = np.nonzero(columns >= 0)
        pair = query[page], columns[page, slot]
        place = np.minimum(slot, len(self.examination) - 1)
        clicked, rewarded = clicks[page, slot], rewards[page, slot]
        np.add.at(self._shown, (*pair, place), 1.0)
        np.add.at(self._clicked_at, place, clicked)
        np.add.at(self._clicks, pair, clicked)
        np.add.at(self._rewards, pair, rewarded)
        np.add.at(self._examined, pair, self.examination[place])
        documents = self._documents[pair]
        np.add.at(self._document_rewards, documents, rewarded)
        np.add.at(self._document_expected, documents, self.examination[place] * self._static(pair[1]))
        self._squared += float(np.square(rewarded).sum())
        self._pages += len(query)
        if self._pages >= self._next_fit:
            self._fit()
            self._next_fit = next_fit(self._pages)

    @property
    def dispersion(self) -> float:
        """Variance of a sum of rewards as a multiple of its mean, were they independent: 1 for clicks."""
        rewards = self._rewards.sum()
        return float(self._squared / rewards) if rewards > 0 else 1.0

    def values(self, query: IntArray, columns: IntArray) -> FloatArray:
        """[m, c] alpha: expected reward of each candidate once it is examined; columns [m, c] as in `add`."""
        expected, pair = self._prior(query, columns)
        return expected * ratio(self._rewards[pair], self._examined[pair] * expected, self._pair_trust)

    def features(self, query: IntArray, columns: IntArray) -> FloatArray:
        """[m, c, 4] what a ranker can use: log alpha, the document's and the pair's share of it, log examinations."""
        expected, pair = self._prior(query, columns)
        own = ratio(self._rewards[pair], self._examined[pair] * expected, self._pair_trust)
        document = expected / self._static(pair[1])
        return np.stack(
            [np.log(expected * own), np.log(document), np.log(own), np.log1p(self._examined[pair])], axis=-1
        )

    def _prior(self, query: IntArray, columns: IntArray) -> tuple[FloatArray, tuple[IntArray, IntArray]]:
        """[m, c] what is expected of a pair before its own rewards count, and the index of the pairs."""
        pair = query[:, None], columns
        static = self._static(columns)
        return self._expected(static, self._rewards[pair], self._examined[pair], self._documents[pair]), pair

    def _expected(
        self, static: FloatArray, rewards: FloatArray, examined: FloatArray, documents: IntArray
    ) -> FloatArray:
        """What pairs are worth by static rank and by what their document earned for other queries; all of one shape."""
        elsewhere = self._document_rewards[documents] - rewards
        expected = self._document_expected[documents] - examined * static
        # A difference of sums that should be 0 may be a little less.
        return static * ratio(elsewhere, np.maximum(expected, 0.0), self._document_trust)

    def _static(self, columns: IntArray) -> FloatArray:
        static: FloatArray = self.level * self._rank_worth[columns]
        return static

    def _fit(self) -> None:
        """Estimates everything anew from the counts."""
        seen = np.nonzero(self._shown.any(axis=2))
        shown, clicks, rewards = self._shown[seen], self._clicks[seen], self._rewards[seen]
        if not rewards.sum() > 0 or not clicks.sum() > 0:
            return
        columns, documents = seen[1], self._documents[seen]
        theta = self.examination
        for _ in range(_ROUNDS):
            alpha = self._levels(clicks, shown @ theta, columns, documents, 1.0)
            theta = (self._clicked_at + _SLOT_TRUST * self._convention) / (alpha @ shown + _SLOT_TRUST)
            theta = theta / theta[0]
        self.examination = theta
        self._levels(rewards, shown @ self.examination, columns, documents, self.dispersion)
        self._examined = self._shown @ self.examination

    def _levels(
        self, totals: FloatArray, examined: FloatArray, columns: IntArray, documents: IntArray, dispersion: float
    ) -> FloatArray:
        """[pairs] alpha, and sets every level on the way.

        Args:
            totals: [pairs] clicks or rewards.
            examined: [pairs] expected examinations.
            columns, documents: [pairs].
            dispersion: variance of a total as a multiple of its mean.
        """
        worth = 1.0 / np.log2(np.arange(2, self._search.rows.shape[1] + 2))
        # Workers of arms that need no rates are not kept waiting for it.
        from scipy.optimize import isotonic_regression

        expected = _sums(columns, examined, len(worth))
        worth = worth / (worth @ expected / expected.sum())
        self.level = totals.sum() / examined.sum()
        by_rank = _sums(columns, totals, len(worth)) / self.level
        more = _RANK_TRUST / self.level
        raw = (by_rank + more * worth) / (expected + more)
        self._rank_worth = isotonic_regression(raw, weights=expected + more, increasing=False).x
        static = self._static(columns)
        size = len(self._document_rewards)
        self._document_rewards = _sums(documents, totals, size)
        self._document_expected = _sums(documents, examined * static, size)
        self._document_trust = trust(self._document_rewards, self._document_expected, dispersion)
        prior = self._expected(static, totals, examined, documents)
        self._pair_trust = trust(totals, examined * prior, dispersion)
        return prior * ratio(totals, examined * prior, self._pair_trust)


def _sums(places: IntArray, amounts: FloatArray, size: int) -> FloatArray:
    """[size] sum of the amounts at each place."""
    return np.bincount(places, weights=amounts, minlength=size).astype(np.float64)


def ratio(observed: FloatArray, expected: FloatArray, weight: float) -> FloatArray:
    """Observed over expected, shrunk towards 1 with the weight of so many expected."""
    shrunk: FloatArray = (observed + weight) / (expected + weight)
    return shrunk


def next_fit(pages: int) -> int:
    """After how many pages to estimate anew what was estimated after so many: soon at first, then ever more rarely."""
    return pages + max(_BETWEEN_FITS, int(_GROWTH_BETWEEN_FITS * pages))


def trust(observed: FloatArray, expected: FloatArray, dispersion: float) -> float:
    """How many expected events the prior weighs: 1 over the variance of the true ratios, times the dispersion.

    The ratios' variance is what the squares of observed - expected exceed dispersion * expected by, over those of
    expected.
    """
    beyond = float((np.square(observed - expected) - dispersion * expected).sum())
    size = float(np.square(expected).sum())
    return min(_MOST_TRUST, dispersion * size / beyond) if beyond > 0 else _MOST_TRUST
