"""How relevant candidates are to their queries, whoever asks: from judgments, or by a stated assumption.

Judged. A grade g of a scale that ends at G is a relevance of 0.1 + 0.9 g/G: 0.1, 0.4, 0.7, 1 for grades 0 to 3, and
0.1 or 1 for binary judgments. Nothing is 0, since people do click on what a judge would not.

Grades of unjudged documents are not made up. Taking those of judged ones that match a query's words as well was tried
and is wrong: pools hold what is relevant first. On the marketplace that gave unjudged candidates a mean relevance of
0.71, where the generator knows 0.39.

Assumed. Where nothing is judged, z = a s + sqrt(1 - a²) e, with s the normal score of the candidate's static rank
within its query, e a standard normal variate of query and document, and a the static order's accuracy, 0..1; relevance
is 0.1 + 0.9 Φ(z)². At a = 1 the static order is the true one, at a = 0 it is noise.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from lrerank.types import FloatArray, IntArray
from simulators.variates import uniforms

LOWEST = 0.1
ACCURACY = 0.6
"""Of a static order about which nothing is known."""

# What the variates decide; no channel of a world has this number.
_NOISE = 2_001


def judged_relevance(grades: FloatArray, rows: IntArray) -> FloatArray:
    """Relevance by grade; a candidate that nobody judged counts as grade 0.

    Args:
        grades: [Q, c] 0 or more; NaN where nobody judged. The largest is the end of the scale.
        rows: [Q, c] rows of the catalog; -1 where there is no candidate.

    Returns:
        [Q, c] in 0..1; 0 where there is no candidate.

    Raises:
        ValueError: no candidate has a grade above 0.
    """
    known = np.where((rows >= 0) & np.isfinite(grades), grades, 0.0)
    highest = known.max(initial=0.0)
    if not highest > 0:
        raise ValueError("no candidate has a grade above 0")
    return np.where(rows >= 0, LOWEST + (1 - LOWEST) * known / highest, 0.0)


def assumed_relevance(rows: IntArray, queries: IntArray, accuracy: float, seed: int) -> FloatArray:
    """Relevance of candidates in static order, of which nobody judged any.

    Args:
        rows: [Q, c] rows of the catalog, best static score first; -1 after the last candidate.
        queries: [Q] numbers that identify the queries.
        accuracy: 0..1 correlation of the static order's normal scores with the truth's.
        seed: of the noise.

    Returns:
        [Q, c] in 0..1; 0 where there is no candidate.
    """
    present = rows >= 0
    count = present.sum(axis=1, keepdims=True)
    rank = np.where(present, np.arange(rows.shape[1]), 0)
    score = ndtri(1 - (rank + 0.5) / np.maximum(count, 1))
    noise = ndtri(uniforms(seed, queries[:, None], rows, _NOISE))
    truth = accuracy * score + np.sqrt(1 - accuracy**2) * noise
    return np.where(present, LOWEST + (1 - LOWEST) * ndtr(truth) ** 2, 0.0)
