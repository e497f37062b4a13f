"""LambdaMART on pooled clicks: the static `rerank` of a shop that trains it on its own log, once or every night."""

from __future__ import annotations

from collections import deque
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lrerank.data.catalog import CategoricalColumn
from lrerank.data.classes import MOST_CLASSES
from lrerank.experiments.arms.base import Outcomes, Requests, Served
from lrerank.experiments.arms.lists import by_value, incoming_order, shown_rows
from lrerank.experiments.arms.rates import Rates
from lrerank.experiments.search import Search
from lrerank.retrieval.ltr_features import FeatureMaker, FeatureSpec
from lrerank.types import FloatArray, IntArray

Float32Array: TypeAlias = NDArray[np.float32]

_DAY = 86_400.0
_MOST_PAGES = 20_000
_FEWEST_PAGES = 50
_ROUNDS = 50
# As the static model's, but for fewer and larger steps, since it is trained every night: 8,000 pages take 2 s on one
# core. Twice as many steps of half the size took twice as long and earned the same on the marketplace.
_PARAMETERS: dict[str, Any] = {
    "objective": "rank:ndcg",
    # A reward is no grade: its gain is the reward itself.
    "ndcg_exp_gain": False,
    "eta": 0.2,
    "max_depth": 4,
    "min_child_weight": 10,
    "subsample": 0.8,
    "colsample_bytree": 0.4,
    "max_bin": 64,
    "tree_method": "hist",
    "nthread": 1,
}


class Trees:
    """Trained on the shown documents of past pages with their rewards, the slot as a feature that serving holds at 1.

    Beside the slot the trees see what the trained `rerank` sees (words, fields, numbers), the incoming score and rank,
    categories, and what users together made of the document up to that page (`Rates.features`). Before anything is
    trained the incoming order stands.

    Args:
        retrain: `never`: on what was learned before the first request, and nothing changes after; `nightly`: then
            again with the first requests after each midnight, UTC, on the last 20,000 pages, while the rates are
            up to date with every page.
        seed: of the trees' sampling.
    """

    def __init__(
        self, search: Search, slots: int, *, retrain: Literal["never", "nightly"], seed: np.random.SeedSequence
    ) -> None:
        self.search, self.slots, self.retrain = search, slots, retrain
        self.rates = Rates(search, slots)
        self._seed = int(seed.generate_state(1)[0] >> 1)
        self._day: float | None = None
        self._booster: Any = None
        self._pages: deque[tuple[int, IntArray, IntArray, Float32Array, Float32Array]] = deque()
        self._kept = 0
        self._static: dict[int, Float32Array] = {}
        self._final: dict[int, FloatArray] = {}

    def rank(self, requests: Requests) -> Served:
        values = self.values(requests)
        return incoming_order(requests, self.slots) if values is None else by_value(requests, values, self.slots)

    def values(self, requests: Requests) -> FloatArray | None:
        """[m, c] what the candidates are worth, in no unit; None before anything is trained."""
        if len(requests):
            day = float(requests.timestamp[0] // _DAY)
            if self._day is None or (self.retrain == "nightly" and day > self._day):
                self._day = day
                self._train()
        if self._booster is None:
            return None
        columns = self.search.columns(requests.query, requests.rows)
        if self.retrain == "never":
            values = np.stack([self._finally(query) for query in requests.query.tolist()])
            return np.take_along_axis(values, columns, axis=1)
        return self._values(requests.query, columns)

    def learn(self, requests: Requests, served: Served, outcomes: Outcomes) -> None:
        if self.retrain == "never" and self._day is not None:
            return
        columns = self.search.columns(requests.query, shown_rows(requests, served))
        # What was known when the page was shown: before its own outcome counts.
        known = self.rates.features(requests.query, columns).astype(np.float32)
        self.rates.add(requests.query, columns, outcomes.clicks.astype(np.float64), outcomes.reward)
        telling = (outcomes.reward > 0).any(axis=1)
        rewards = outcomes.reward[telling].astype(np.float32)
        self._pages.append((len(requests), requests.query[telling], columns[telling], known[telling], rewards))
        self._kept += len(requests)
        while self._kept - self._pages[0][0] >= _MOST_PAGES:
            self._kept -= self._pages.popleft()[0]

    def _train(self) -> None:
        import xgboost

        if sum(len(query) for _, query, *_ in self._pages) < _FEWEST_PAGES:
            return
        features, rewards, pages = [], [], []
        count = 0
        for _, query, columns, known, rewarded in self._pages:
            page, slot = np.nonzero(columns >= 0)
            static = [self._of(one)[own] for one, own in zip(query.tolist(), columns, strict=True)]
            if static:
                position = np.minimum(slot + 1, self.slots)[:, None]
                features.append(np.hstack([np.stack(static)[page, slot], known[page, slot], position]))
                rewards.append(rewarded[page, slot])
                pages.append(page + count)
                count += len(query)
        data = xgboost.QuantileDMatrix(
            np.concatenate(features).astype(np.float32),
            np.concatenate(rewards),
            qid=np.concatenate(pages),
            max_bin=_PARAMETERS["max_bin"],
            nthread=1,
        )
        self._booster = xgboost.train({**_PARAMETERS, "seed": self._seed}, data, num_boost_round=_ROUNDS)

    def _finally(self, query: int) -> FloatArray:
        """[c] values of a query's candidates for a model that does not change any more."""
        if query not in self._final:
            columns = np.arange(self.search.rows.shape[1])[None, :]
            self._final[query] = self._values(np.array([query]), columns)[0]
        return self._final[query]

    def _values(self, query: IntArray, columns: IntArray) -> FloatArray:
        """[m, c]."""
        static = np.stack([self._of(one)[own] for one, own in zip(query.tolist(), columns, strict=True)])
        known = self.rates.features(query, columns).astype(np.float32)
        features = np.concatenate([static, known, np.ones((*columns.shape, 1), np.float32)], axis=2)
        found = self._booster.inplace_predict(features.reshape(-1, features.shape[2]))
        values: FloatArray = found.reshape(columns.shape).astype(np.float64)
        return values

    def _of(self, query: int) -> Float32Array:
        """[c, features] what never changes about a query's candidates; NaN after the last one."""
        if query not in self._static:
            catalog, index = self.search.catalog, self.search.index()
            rows = self.search.rows[query]
            rows = rows[rows >= 0]
            maker = FeatureMaker(FeatureSpec.of(catalog, index.encoder_name), catalog, index)
            incoming = np.column_stack([self.search.scores[query, : len(rows)], np.arange(1, len(rows) + 1)])
            codes = [column[rows] for column in self._categories]
            own = np.column_stack([maker.matrix(self.search.texts[query], rows), incoming, *codes])
            made = np.full((self.search.rows.shape[1], own.shape[1]), np.nan, np.float32)
            made[: len(rows)] = own
            self._static[query] = made
        return self._static[query]

    @cached_property
    def _categories(self) -> list[FloatArray]:
        """[n] of each categorical feature of few values its code, the most frequent value first; NaN where missing."""
        found = []
        for known in self.search.catalog.fields:
            column = self.search.catalog.column(known.path)
            if known.feature and isinstance(column, CategoricalColumn) and len(column.vocabulary) <= MOST_CLASSES:
                frequency = np.bincount(column.codes[column.codes >= 0], minlength=len(column.vocabulary))
                place = np.argsort(np.argsort(-frequency, kind="stable")).astype(np.float64)
                found.append(np.where(column.codes >= 0, place[column.codes], np.nan))
        return found
