"""What is known of a user: aggregates of their behaviour, and the segment they suggest.

A profile holds, per class of a document feature (`category=shoes`), how often the user clicked shown documents of
that class and how often an average user would have, given the positions. Nothing else: no list of documents, no
queries. The taste for a class is the logarithm of clicked over expected, shrunk towards 0, so two clicks count at
once and one lucky click does not count for much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lrerank.types import FloatArray

IntArray32: TypeAlias = NDArray[np.int32]

_SHRINKAGE = 1.0
_ENTHUSIAST = 0.4
_MOST_TASTES = 8


@dataclass(slots=True)
class Profile:
    """One user's aggregates over a vocabulary of terms.

    Attributes:
        impressions: lists shown to the user.
        engaged: their clicks and purchases; what ends the cold start.
        clicks, expected: term → clicks, and those expected of an average user.
    """

    impressions: int = 0
    engaged: int = 0
    clicks: dict[int, float] = field(default_factory=dict)
    expected: dict[int, float] = field(default_factory=dict)

    def show(self, terms: NDArray[np.int32], values: NDArray[np.float32], expected: FloatArray) -> None:
        """Counts documents shown: [k, T] terms and values (0 where a term stands for no class), [k] expected clicks."""
        self.impressions += 1
        _add(self.expected, terms.ravel(), (values * expected[:, None].astype(np.float32)).ravel())

    def click(self, terms: NDArray[np.int32], values: NDArray[np.float32]) -> None:
        """Counts a click on a document of these [T] terms."""
        self.engaged += 1
        _add(self.clicks, terms, values)

    def purchase(self) -> None:
        self.engaged += 1

    def tastes(self) -> tuple[IntArray32, NDArray[np.float32]]:
        """([m] terms, [m] taste): above 0 where the user clicks that class more than the average user."""
        terms = sorted(self.clicks.keys() | self.expected.keys())
        clicks = np.array([self.clicks.get(term, 0.0) for term in terms])
        expected = np.array([self.expected.get(term, 0.0) for term in terms])
        return np.array(terms, np.int32), np.log((clicks + _SHRINKAGE) / (expected + _SHRINKAGE)).astype(np.float32)

    def segment(self, named: Mapping[int, str], terms: IntArray32, tastes: NDArray[np.float32]) -> str:
        """A name from behaviour alone: `newcomer`, `generalist`, or the class most clicked beyond expectation.

        Args:
            named: term → the value's name, for the terms of the catalog's segment field.
            terms, tastes: from `tastes`.
        """
        if self.engaged < 2:
            return "newcomer"
        known = zip(terms.tolist(), tastes.tolist(), strict=True)
        taste, name = max(((taste, named[term]) for term, taste in known if term in named), default=(0.0, ""))
        return "_".join(name.lower().split()) + "_enthusiast" if taste >= _ENTHUSIAST else "generalist"


def strongest(terms: IntArray32, tastes: NDArray[np.float32]) -> list[tuple[int, float]]:
    """The few tastes that say most about a user, strongest first: what the model crosses with documents."""
    order = np.argsort(-np.abs(tastes), kind="stable")[:_MOST_TASTES]
    return [(int(terms[place]), float(tastes[place])) for place in order if tastes[place] != 0.0]


def _add(totals: dict[int, float], terms: IntArray32, amounts: NDArray[np.float32]) -> None:
    for place in np.flatnonzero(amounts):
        term = int(terms[place])
        totals[term] = totals.get(term, 0.0) + float(amounts[place])
