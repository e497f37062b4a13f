"""What stands at each place of a ranking when tied documents are in random order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lrerank.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Places:
    """The n places of all queries' rankings, one query after another. Documents that tie form a group.

    The methods take a quantity per document [n], in the order the documents were given, and return one per place [n].

    Attributes:
        query: [n] query of the place.
        place: [n] 1-based place within the query.
        order: [n] document at the place, in one of the possible orders.
        query_start: [n] index of the query's first place.
        group: [n] tie group of the place.
        group_start: [groups] index of the group's first place.
        group_size: [groups].
    """

    query: IntArray
    place: IntArray
    order: IntArray
    query_start: IntArray
    group: IntArray
    group_start: IntArray
    group_size: IntArray

    def mean(self, quantity: FloatArray) -> FloatArray:
        """Expected quantity at the place: the mean over its group."""
        return (self._group_sum(quantity) / self.group_size)[self.group]

    def hits_up_to(self, relevant: FloatArray) -> FloatArray:
        """Expected number of relevant documents down to and including the place, given that one stands there.

        With r relevant ones among the n of the group, each of the i - 1 places above within the group holds one of
        the r - 1 others among n - 1.
        """
        hits, size = self._group_sum(relevant)[self.group], self.group_size[self.group]
        others = np.where(size > 1, (hits - 1.0) / np.maximum(size - 1, 1), 0.0)
        return self._before_group(relevant) + 1.0 + (self._within() - 1) * others

    def first(self, relevant: FloatArray) -> FloatArray:
        """Probability that the first relevant document of the query stands at the place.

        It is in the first group that has any; there it stands at i with probability C(n - i, r - 1) / C(n, r).
        """
        hits = self._group_sum(relevant)[self.group].astype(np.int64)
        size, within = self.group_size[self.group], self._within()
        possible = (hits > 0) & (self._before_group(relevant) == 0) & (within <= size - hits + 1)
        n, r, i = size[possible], hits[possible], within[possible]
        log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, self.group_size.max(initial=0) + 1)))])

        def log_choose(a: IntArray, b: IntArray) -> FloatArray:
            return np.asarray(log_factorial[a] - log_factorial[b] - log_factorial[a - b])

        probability = np.zeros(len(self.place))
        probability[possible] = np.exp(log_choose(n - i, r - 1) - log_choose(n, r))
        return probability

    def _within(self) -> IntArray:
        """1-based place within the group: [n]."""
        return np.asarray(np.arange(len(self.place)) - self.group_start[self.group] + 1)

    def _group_sum(self, quantity: FloatArray) -> FloatArray:
        totals = np.bincount(self.group, weights=quantity[self.order], minlength=len(self.group_start))
        return np.asarray(totals, dtype=np.float64)

    def _before_group(self, relevant: FloatArray) -> FloatArray:
        """Relevant documents of the query above the place's group: [n]."""
        before = np.cumsum(relevant[self.order]) - relevant[self.order]
        return np.asarray(before[self.group_start[self.group]] - before[self.query_start])


def place_in_expectation(query: IntArray, scores: FloatArray) -> Places:
    """Order documents by score within their query, largest first; equal scores tie.

    Args:
        query: [n] number of the query.
        scores: [n] finite.
    """
    order = np.lexsort((-scores, query))
    ordered_query, ordered_score = query[order], scores[order]
    new_query = np.ones(len(order), dtype=np.bool_)
    new_query[1:] = ordered_query[1:] != ordered_query[:-1]
    new_group = new_query.copy()
    new_group[1:] |= ordered_score[1:] != ordered_score[:-1]
    group_start = np.flatnonzero(new_group)
    query_start = np.flatnonzero(new_query)[np.cumsum(new_query) - 1]
    return Places(
        query=ordered_query,
        place=np.arange(len(order)) - query_start + 1,
        order=order,
        query_start=query_start,
        group=np.cumsum(new_group) - 1,
        group_start=group_start,
        group_size=np.diff(np.append(group_start, len(order))),
    )
