"""What is known of a user: aggregates of their behaviour, and the segment they suggest.

A profile holds how often the user clicked documents of each class of a feature (`category=shoes`). Nothing else: no list
of documents, no queries. The taste for a class is the logarithm of these clicks over those of an average user with as
many clicks, shrunk towards 0: two clicks count at once, one lucky click does not count for much, and a click never
lowers the taste for what was clicked.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        clicked: their clicks.
        terms: [m] the terms clicked so far, ascending.
        clicks: [m] clicks per term, weighted by the term's value in the document.
    """

    impressions: int = 0
    engaged: int = 0
    clicked: int = 0
    terms: IntArray32 = field(default_factory=lambda: np.zeros(0, np.int32))
    clicks: FloatArray = field(default_factory=lambda: np.zeros(0))

    def click(self, terms: IntArray32, values: NDArray[np.float32]) -> None:
        """Counts a click on a document of these [T] terms, each once, and values (0 where a term stands for no class)."""
        self.engaged += 1
        self.clicked += 1
        used = values.nonzero()[0]
        wanted, amounts = terms[used], values[used].astype(np.float64)
        places = self.terms.searchsorted(wanted)
        known = self.terms.take(places, mode="clip") == wanted if len(self.terms) else np.zeros(len(wanted), np.bool_)
        if not known.all():
            merged = np.concatenate((self.terms, wanted[~known]))
            merged.sort()
            clicks = np.zeros(len(merged))
            clicks[merged.searchsorted(self.terms)] = self.clicks
            self.terms, self.clicks = merged, clicks
            places = merged.searchsorted(wanted)
        self.clicks[places] += amounts

    def purchase(self) -> None:
        self.engaged += 1

    def tastes(self, shares: FloatArray) -> NDArray[np.float32]:
        """[m] taste: above 0 where the user clicks that class more than others do.

        Args:
            shares: [m] what one click of an average user gives each of the profile's terms.
        """
        expected = self.clicked * shares
        return np.log((self.clicks + _SHRINKAGE) / (expected + _SHRINKAGE)).astype(np.float32)

    def segment(self, candidates: range, names: Sequence[str], tastes: NDArray[np.float32]) -> str:
        """A name from behaviour alone: `newcomer`, `generalist`, or the class most clicked beyond expectation.

        Args:
            candidates: the terms of the field that names segments.
            names: [vocabulary] names of terms, `category=shoes`.
            tastes: [m] from `tastes`.
        """
        if self.engaged < 2:
            return "newcomer"
        first, end = self.terms.searchsorted((candidates.start, candidates.stop))
        if first == end:
            return "generalist"
        best = int(first + np.argmax(tastes[first:end]))
        if tastes[best] < _ENTHUSIAST:
            return "generalist"
        return "_".join(names[self.terms[best]].partition("=")[2].lower().split()) + "_enthusiast"


def strongest(terms: IntArray32, tastes: NDArray[np.float32]) -> list[tuple[int, float]]:
    """The few tastes that say most about a user, strongest first: what the model crosses with documents."""
    order = (-np.abs(tastes)).argsort(kind="stable")[:_MOST_TASTES]
    found = zip(terms[order].tolist(), tastes[order].tolist(), strict=True)
    return [(term, taste) for term, taste in found if taste != 0.0]
