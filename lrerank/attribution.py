"""From a linear model's terms to what is said about a document: additive contributions of its features.

A document feature's contribution is the sum of weight × value over its terms: its own, its pairs with the user's and
the moment's, and its match with the profile. All contributions and the base sum to the value. What is shown is centred
on the candidates' mean, so that it explains the *order*: centred contributions sum to value minus list mean. In an
explored slot they explain the value, not the placement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrerank.types import FloatArray


@dataclass(frozen=True, slots=True)
class Contributions:
    """What each feature adds to each document's value.

    Attributes:
        features: [F] names; the first `documents_own` are the document's, the rest come with the request.
        documents_own: how many features belong to the document (fields, then engagement rates).
        raw: [n, F] contributions.
        base: what all documents share: constant, user and moment alone, position.
    """

    features: Sequence[str]
    documents_own: int
    raw: FloatArray
    base: float

    @property
    def centred(self) -> FloatArray:
        """[n, F] relative to the other candidates."""
        if not len(self.raw):
            return self.raw
        centred: FloatArray = self.raw - self.raw.mean(axis=0, keepdims=True)
        return centred

    @property
    def values(self) -> FloatArray:
        """[n] the sums: the model's values."""
        values: FloatArray = self.raw.sum(axis=1) + self.base
        return values


def top_features(centred: FloatArray, most: int) -> list[list[int]]:
    """For each document (rows of [n, F]) the features that lift it above the others, largest first; ties by feature."""
    order = np.argsort(-centred, axis=1, kind="stable")[:, :most]
    lifts = np.take_along_axis(centred, order, axis=1) > 0
    return [own[positive].tolist() for own, positive in zip(order, lifts, strict=True)]
