"""What is known of a user: aggregates of their behaviour, and the segment they suggest.

A profile holds, per class of a document feature (`category=shoes`), how often the user clicked shown documents of
that class and how often an average user would have, given the positions. Nothing else: no list of documents, no
queries. The taste for a class is the logarithm of clicked over expected, shrunk towards 0, so two clicks count at
once and one lucky click does not count for much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lrerank.types import FloatArray, IntArray

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
        terms: [m] the terms met so far, ascending.
        clicks, expected: [m] clicks per term, and those expected of an average user.
    """

    impressions: int = 0
    engaged: int = 0
    terms: IntArray32 = field(default_factory=lambda: np.zeros(0, np.int32))
    clicks: FloatArray = field(default_factory=lambda: np.zeros(0))
    expected: FloatArray = field(default_factory=lambda: np.zeros(0))

    def show(
        self, terms: IntArray32, values: NDArray[np.float32], expected: FloatArray, *, new_page: bool = True
    ) -> None:
        """Counts documents shown: [k, T] terms and values (0 where a term stands for no class), [k] expected clicks."""
        self.impressions += new_page
        places, sums = self._places(terms.ravel(), (values * expected[:, None]).ravel())
        self.expected[places] += sums

    def click(self, terms: IntArray32, values: NDArray[np.float32]) -> None:
        """Counts a click on a document of these [T] terms."""
        self.engaged += 1
        places, sums = self._places(terms, values.astype(np.float64))
        self.clicks[places] += sums

    def purchase(self) -> None:
        self.engaged += 1

    def tastes(self) -> tuple[IntArray32, NDArray[np.float32]]:
        """([m] terms, [m] taste): above 0 where the user clicks that class more than the average user."""
        return self.terms, np.log((self.clicks + _SHRINKAGE) / (self.expected + _SHRINKAGE)).astype(np.float32)

    def _places(self, terms: IntArray32, amounts: FloatArray) -> tuple[IntArray, FloatArray]:
        """Where the terms with an amount stand, made room for where they are new, and the sum of their amounts."""
        used = amounts != 0
        wanted, which = np.unique(terms[used], return_inverse=True)
        sums = np.bincount(which, amounts[used], minlength=len(wanted))
        places = np.searchsorted(self.terms, wanted)
        new = places == len(self.terms)
        new[~new] = self.terms[places[~new]] != wanted[~new]
        if new.any():
            self.clicks = np.insert(self.clicks, places[new], 0.0)
            self.expected = np.insert(self.expected, places[new], 0.0)
            self.terms = np.insert(self.terms, places[new], wanted[new])
            places = np.searchsorted(self.terms, wanted)
        return places, sums

    def segment(self, candidates: range, names: Sequence[str], tastes: NDArray[np.float32]) -> str:
        """A name from behaviour alone: `newcomer`, `generalist`, or the class most clicked beyond expectation.

        Args:
            candidates: the terms of the field that names segments.
            names: [vocabulary] names of terms, `category=shoes`.
            tastes: [m] from `tastes`.
        """
        if self.engaged < 2:
            return "newcomer"
        first, end = np.searchsorted(self.terms, (candidates.start, candidates.stop))
        if first == end:
            return "generalist"
        best = int(first + np.argmax(tastes[first:end]))
        if tastes[best] < _ENTHUSIAST:
            return "generalist"
        return "_".join(names[self.terms[best]].partition("=")[2].lower().split()) + "_enthusiast"


def strongest(terms: IntArray32, tastes: NDArray[np.float32]) -> list[tuple[int, float]]:
    """The few tastes that say most about a user, strongest first: what the model crosses with documents."""
    order = np.argsort(-np.abs(tastes), kind="stable")[:_MOST_TASTES]
    return [(int(terms[place]), float(tastes[place])) for place in order if tastes[place] != 0.0]

