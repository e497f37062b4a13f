"""The documents' side of taste: what their values show, and latent vectors that nothing of them shows.

Inner products with users are elementwise arithmetic in a fixed order, so that a document's is the same number to the
last bit, whatever else is asked for in the same call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from simulators.preferences import shown_factors


class DocumentFactors:
    """The documents' side of taste, fixed by the world.

    Attributes:
        covariance: [v, v] of the shown factors over the documents.
        hidden_covariance: [h, h] of the hidden ones.
        mean: [v] of the values, scaled to length 1, over the documents.
    """

    def __init__(self, rng: np.random.Generator, values: NDArray[np.float64], dimensions: int, *, hide: bool) -> None:
        """
        Args:
            values: [documents, v] indicators of 0 and 1.
            dimensions: length of the hidden vectors.
            hide: whether there is a hidden part, which needs more documents than values.

        Raises:
            ValueError: fewer documents than needed to hide anything from the values.
        """
        shown = shown_factors(values)
        self.covariance = shown.T @ shown / len(shown)
        counts = values.sum(axis=1).astype(np.int64)
        scale = 1.0 / np.sqrt(np.maximum(counts, 1))
        self.mean = np.asarray((values * scale[:, None]).mean(axis=0))
        self._scale = scale.astype(np.float32)
        # [power of two, documents] values by number, filled up with `nothing`, whose liking is 0. Documents go last
        # here and below, since numpy is fast along the last axis if it is long.
        nothing = values.shape[1]
        self._values = np.full((_power_of_two(int(counts.max(initial=1))), len(values)), nothing, np.int64)
        rows, codes = np.nonzero(values)
        self._values[np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows], rows] = codes
        latent = _unseen(rng, values, shown, dimensions) if hide else np.zeros((len(values), dimensions))
        self.hidden_covariance = latent.T @ latent / len(latent)
        self._latent = np.zeros((_power_of_two(dimensions), len(values)), np.float32)
        self._latent[:dimensions] = latent.T

    def visible(self, likings: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """[m, c] the documents' inner products with likings [m, v + 2], as `with_offset` makes them."""
        index = self._values.take(rows, axis=1)
        index += (np.arange(len(rows)) * likings.shape[1])[:, None]
        liked = _tree_sum(likings.ravel().take(index))
        return np.asarray(liked * self._scale[rows] - likings[:, -1, None])

    def hidden(self, affinity: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """[m, c] the documents' inner products with affinities [m, h], h filled up to a power of two with zeros."""
        return _tree_sum(self._latent.take(rows, axis=1) * affinity.T[:, :, None])

    def with_offset(self, likings: NDArray[np.float64]) -> NDArray[np.float32]:
        """[..., v + 2] likings of values, of nothing (0) and of the mean document."""
        ends = np.stack([np.zeros(likings.shape[:-1]), likings @ self.mean], axis=-1)
        return np.concatenate([likings, ends], axis=-1).astype(np.float32)

    def filled(self, affinity: NDArray[np.float64]) -> NDArray[np.float32]:
        """[..., power of two] affinities with zeros at the end."""
        wide = np.zeros((*affinity.shape[:-1], len(self._latent)), np.float32)
        wide[..., : affinity.shape[-1]] = affinity
        return wide


def _unseen(
    rng: np.random.Generator, values: NDArray[np.float64], shown: NDArray[np.float64], dimensions: int
) -> NDArray[np.float64]:
    """[documents, dimensions] random vectors, orthogonal to the constant and to the values, as they are and scaled.

    Raises:
        ValueError: the values tell all documents apart, so that nothing can be hidden from them.
    """
    told = np.column_stack([np.ones(len(values)), values, shown])
    gram = told.T @ told
    # A ridge makes dependent values harmless and falsifies the rest a little; repeating it removes what it left.
    solve = cho_factor(gram + 1e-9 * np.trace(gram) / len(gram) * np.eye(len(gram)))
    latent = rng.standard_normal((len(values), dimensions))
    for _ in range(3):
        latent -= told @ cho_solve(solve, told.T @ latent)
    if np.square(latent).mean() < 1e-3:
        raise ValueError(f"{len(values)} documents are too few to hide taste from {values.shape[1]} values")
    return latent


def _power_of_two(n: int) -> int:
    return 1 << max(0, n - 1).bit_length()


def _tree_sum(terms: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sum over the first axis, a power of two, in an order that does not depend on the other axes."""
    while len(terms) > 1:
        half = len(terms) // 2
        terms = terms[:half] + terms[half:]
    return np.asarray(terms[0])
