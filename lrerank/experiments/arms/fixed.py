"""Arms that learn nothing: retrieval order, the lexical `rerank`, `mmr` and chance."""

from __future__ import annotations

import numpy as np

from lrerank.experiments.arms.base import Outcomes, Requests, Served
from lrerank.experiments.arms.lists import best, by_value, certain, incoming_order
from lrerank.experiments.search import ABSENT, Search
from lrerank.stages.mmr import relevance, select
from lrerank.types import FloatArray, IntArray
from simulators.variates import uniforms

# What the variates decide; no channel of a world has this number.
_DRAW = 3_001
_REMEMBERED_LISTS = 50_000


class _Fixed:
    """An arm that does not change."""

    def learn(self, requests: Requests, served: Served, outcomes: Outcomes) -> None:
        """Nothing comes of it."""


class RetrievalOrder(_Fixed):
    """The candidates as the stages before hand them on."""

    def __init__(self, slots: int) -> None:
        self.slots = slots

    def rank(self, requests: Requests) -> Served:
        return incoming_order(requests, self.slots)


class LexicalRerank(_Fixed):
    """The order of the stage `rerank` with its lexical model."""

    def __init__(self, search: Search, slots: int) -> None:
        self.search, self.slots = search, slots
        self._lists = best(search.rows, search.lexical, slots)

    def rank(self, requests: Requests) -> Served:
        query, rows = requests.query, requests.rows
        if self.search.is_whole(query, rows):
            return certain(self._lists[query])
        return by_value(requests, self.search.lexical_of(query, rows), self.slots)


class MMR(_Fixed):
    """The order of the stage `mmr`.

    Args:
        weight: the stage's `lambda`: 0 = diversity only, 1 = relevance only.
    """

    def __init__(self, search: Search, slots: int, weight: float = 0.5) -> None:
        self.search, self.slots, self.weight = search, slots, weight
        self._lists: dict[tuple[int, bytes, bytes], IntArray] = {}

    def rank(self, requests: Requests) -> Served:
        columns = np.full((len(requests), self.slots), ABSENT, np.int64)
        for place, query in enumerate(requests.query.tolist()):
            # Which candidates there are changes when documents are launched, and scores where they are learned.
            key = query, requests.rows[place].tobytes(), requests.scores[place].tobytes()
            if key not in self._lists:
                if len(self._lists) >= _REMEMBERED_LISTS:
                    self._lists.clear()
                self._lists[key] = self._select(requests.rows[place], requests.scores[place])
            picked = self._lists[key]
            columns[place, : len(picked)] = picked
        return certain(columns)

    def _select(self, rows: IntArray, scores: FloatArray) -> IntArray:
        there = np.flatnonzero(rows >= 0)
        if not len(there):
            return there
        embeddings = self.search.index().document_embeddings[rows[there]]
        picked: IntArray = there[select(relevance(scores[there]), embeddings, self.weight, self.slots)]
        return picked


class Uniform(_Fixed):
    """A random list: each slot's document is drawn uniformly from those not yet placed.

    The greedy list is the incoming order; a slot is explored where it does not hold the first of what remains of it.

    Args:
        seed: of the draws, which are looked up by impression and document, so that batches change none.
    """

    def __init__(self, slots: int, seed: np.random.SeedSequence) -> None:
        self.slots = slots
        self.seed = int(seed.generate_state(1, np.uint64)[0])

    def rank(self, requests: Requests) -> Served:
        there = requests.rows >= 0
        keys = uniforms(self.seed, requests.impression[:, None], requests.rows, _DRAW)
        drawn = by_value(requests, keys, self.slots).columns
        greedy = incoming_order(requests, self.slots).columns
        remaining = there.sum(axis=1)[:, None] - np.arange(drawn.shape[1])
        propensities = np.where(drawn >= 0, 1.0 / np.maximum(remaining, 1), 1.0)
        explored = np.zeros(drawn.shape, bool)
        left = there.copy()
        every = np.arange(len(requests))
        for slot in range(drawn.shape[1]):
            placed = drawn[:, slot]
            explored[:, slot] = (placed >= 0) & (placed != np.argmax(left, axis=1))
            left[every[placed >= 0], placed[placed >= 0]] = False
        return Served(drawn, propensities, explored, greedy)
