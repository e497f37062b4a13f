"""The strongest arm that is not personal and looks at no features: what everybody clicks, corrected for position."""

from __future__ import annotations

import numpy as np

from lrerank.experiments.arms.base import Outcomes, Requests, Served
from lrerank.experiments.arms.lists import by_value, shown_rows
from lrerank.experiments.arms.rates import Rates
from lrerank.experiments.search import Search
from lrerank.types import FloatArray


class Popularity:
    """Orders by the reward that users together gave each document for this query, per examination.

    Where a document was hardly shown for a query, it counts what it earned for others, and its static rank.
    """

    def __init__(self, search: Search, slots: int) -> None:
        self.search, self.slots = search, slots
        self.rates = Rates(search, slots)

    def rank(self, requests: Requests) -> Served:
        return by_value(requests, self.values(requests), self.slots)

    def values(self, requests: Requests) -> FloatArray:
        """[m, c] expected reward of each candidate once it is examined."""
        return self.rates.values(requests.query, self.search.columns(requests.query, requests.rows))

    def learn(self, requests: Requests, served: Served, outcomes: Outcomes) -> None:
        columns = self.search.columns(requests.query, shown_rows(requests, served))
        self.rates.add(requests.query, columns, outcomes.clicks.astype(np.float64), outcomes.reward)
