"""Ranking metrics against graded judgments, exact where scores tie.

Where documents tie, their order is an accident of the sort. Every metric here is the expectation over all orders of the
tied documents, in closed form, so that equal scores earn what a random order would (McSherry and Najork, "Computing
information retrieval performance measures efficiently in the presence of tied scores", ECIR 2008).

Conventions, the same for all metrics:

- A document is relevant when its grade is 1 or more. Only NDCG looks at grades beyond that.
- A document that was judged but not retrieved counts in the ideal list, in recall and in average precision.
- A retrieved document that nobody judged has no grade: give it 0.
- A query without a relevant document can't tell one ranking from another. It has no value (NaN) under any metric
  and is counted in `PerQuery.excluded`, so all metrics of a table are means over the same queries.
- `precision@k` divides by k even where fewer documents were retrieved, and average precision by all relevant
  documents even where k is smaller (both as trec_eval does).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrerank.errors import DataError, LrerankError
from lrerank.evaluation.ties import Places, place_in_expectation
from lrerank.types import BoolArray, FloatArray, IntArray

RELEVANT_FROM = 1.0

MetricName = Literal["ndcg", "ndcg_linear", "mrr", "map", "precision", "recall"]
METRIC_NAMES: tuple[MetricName, ...] = get_args(MetricName)
QueryLabels: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric and its cutoff.

    Attributes:
        name: `ndcg` has the gain 2^grade - 1, `ndcg_linear` the grade itself (alike for grades 0 and 1), both with the
            discount 1 / log2(1 + place); `mrr` is the reciprocal place of the first relevant document; `map` is
            average precision; `precision` and `recall` are the share of the first k that is relevant and the share
            of the relevant that is among them.
        k: only the first k places count; None for all. `precision` needs it.

    Raises:
        LrerankError: an unknown name, a cutoff below 1 or a precision without cutoff.
    """

    name: MetricName
    k: int | None = None

    def __post_init__(self) -> None:
        if self.name not in METRIC_NAMES or (self.k is not None and self.k < 1):
            raise _unknown_metric(self.label)
        if self.name == "precision" and self.k is None:
            raise LrerankError(
                "precision needs a cutoff", path="metric", value=self.name, remedy="Write precision@10, say"
            )

    @property
    def label(self) -> str:
        """As `parse_metric` reads it: `ndcg@10`."""
        return self.name if self.k is None else f"{self.name}@{self.k}"


@dataclass(frozen=True, slots=True)
class PerQuery:
    """Metrics of many queries.

    Attributes:
        queries: [q] the queries' labels, ascending.
        values: metric label → [q] in 0..1, NaN where the query has no relevant document.
        counted: [q] whether the query has a relevant document, and so a value.
    """

    queries: QueryLabels
    values: Mapping[str, FloatArray]
    counted: BoolArray

    @property
    def excluded(self) -> int:
        """How many queries have no value because none of their documents is relevant."""
        return int(np.count_nonzero(~self.counted))


def parse_metric(text: str) -> Metric:
    """`ndcg@10` → Metric("ndcg", 10); case does not matter.

    Raises:
        LrerankError: no metric is written like this; the message lists those that exist.
    """
    match = re.fullmatch(r"([a-z_]+)(?:@([0-9]{1,9}))?", text.strip().lower())
    if match is None or match[1] not in METRIC_NAMES or (match[2] is not None and int(match[2]) < 1):
        raise _unknown_metric(text)
    return Metric(cast(MetricName, match[1]), None if match[2] is None else int(match[2]))


def by_order(metric: Metric, grades: ArrayLike, missing: ArrayLike = ()) -> float:
    """The metric of one ranked list.

    Args:
        metric: which.
        grades: [n] grades of the retrieved documents, best place first.
        missing: grades of the judged documents that were not retrieved.

    Returns:
        The value in 0..1; NaN where no document is relevant.

    Raises:
        DataError: a negative or non-finite grade.
    """
    retrieved = np.asarray(grades, dtype=np.float64)
    return by_scores(metric, retrieved, -np.arange(len(retrieved), dtype=np.float64), missing)


def by_scores(metric: Metric, grades: ArrayLike, scores: ArrayLike, missing: ArrayLike = ()) -> float:
    """The expected metric of one list ordered by score, largest first, exact ties in random order.

    Args:
        metric: which.
        grades: [n] grades of the retrieved documents.
        scores: [n] their finite scores.
        missing: grades of the judged documents that were not retrieved.

    Returns:
        The value in 0..1; NaN where no document is relevant.

    Raises:
        DataError: a negative or non-finite grade.
    """
    present, absent = np.asarray(grades, dtype=np.float64), np.asarray(missing, dtype=np.float64)
    if len(present) + len(absent) == 0:
        return float("nan")
    every = np.concatenate([present, absent])
    result = evaluate(
        [metric],
        np.zeros(len(every), dtype=np.int64),
        every,
        np.concatenate([np.asarray(scores, dtype=np.float64), np.zeros(len(absent))]),
        np.arange(len(every)) < len(present),
    )
    return float(result.values[metric.label][0])


def evaluate(
    metrics: Sequence[Metric],
    queries: ArrayLike,
    grades: ArrayLike,
    scores: ArrayLike,
    retrieved: ArrayLike | None = None,
) -> PerQuery:
    """Metrics of many queries at once. All arrays run over the n pairs of query and document, in any order.

    Args:
        metrics: which.
        queries: [n] label of the query (numbers or strings).
        grades: [n] grades, 0 or more.
        scores: [n] finite, the largest ranks first, exact ties in random order. For a ranked list: minus the place.
        retrieved: [n] False where the document was judged but is not in the ranking (its score is not looked at);
            None where all were retrieved.

    Raises:
        DataError: a negative or non-finite grade, or one too large for the exponential gain.
        ValueError: the arrays differ in length, or the score of a retrieved document is not finite.
    """
    labels, query = np.unique(np.asarray(queries), return_inverse=True)
    grade, score = np.asarray(grades, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    kept = np.ones(len(grade), dtype=np.bool_) if retrieved is None else np.asarray(retrieved, dtype=np.bool_)
    if not query.shape == grade.shape == score.shape == kept.shape:
        raise ValueError(f"shapes differ: {query.shape}, {grade.shape}, {score.shape}, {kept.shape}")
    if not np.isfinite(score[kept]).all():
        raise ValueError("the score of a retrieved document is not finite")
    bad = ~(np.isfinite(grade) & (grade >= 0))
    if bad.any():
        raise DataError(
            "a grade is a number of 0 or more", path="grade", value=float(grade[bad][0]), remedy="Drop or mend it"
        )
    relevant = (grade >= RELEVANT_FROM).astype(np.float64)
    total = np.asarray(np.bincount(query, weights=relevant, minlength=len(labels)), dtype=np.float64)
    counted = total > 0
    actual = place_in_expectation(query[kept], score[kept])
    ideal = place_in_expectation(query, grade)
    values = {}
    for metric in metrics:
        match metric.name:
            case "ndcg" | "ndcg_linear":
                gain = _gain(metric.name, grade)
                best = _dcg(metric.k, ideal, gain, len(labels))
                # Rounding can lift a perfect list above 1 by one unit in the last place.
                value = np.minimum(_divided(_dcg(metric.k, actual, gain[kept], len(labels)), best, counted), 1.0)
            case "mrr":
                value = _sum(metric.k, actual, actual.first(relevant[kept]) / actual.place, len(labels))
            case "map":
                precisions = actual.mean(relevant[kept]) * actual.hits_up_to(relevant[kept]) / actual.place
                value = _divided(_sum(metric.k, actual, precisions, len(labels)), total, counted)
            case "precision":
                value = _sum(metric.k, actual, actual.mean(relevant[kept]), len(labels)) / float(metric.k or 1)
            case "recall":
                found = _sum(metric.k, actual, actual.mean(relevant[kept]), len(labels))
                value = _divided(found, total, counted)
        values[metric.label] = np.where(counted, value, np.nan)
    return PerQuery(labels, values, counted)


def _gain(name: MetricName, grade: FloatArray) -> FloatArray:
    if name == "ndcg_linear":
        return grade
    # Beyond 53 the gain swallows every smaller grade, far beyond it overflows.
    if grade.max(initial=0.0) > 53:
        raise DataError(
            "a grade is too large for the gain 2^grade - 1",
            path="grade",
            value=float(grade.max()),
            remedy="Use ndcg_linear, or grades from a short scale",
        )
    return np.asarray(np.exp2(grade) - 1.0)


def _dcg(k: int | None, places: Places, gain: FloatArray, queries: int) -> FloatArray:
    return _sum(k, places, places.mean(gain) / np.log2(1.0 + places.place), queries)


def _sum(k: int | None, places: Places, terms: FloatArray, queries: int) -> FloatArray:
    """Sum per query over the first k places: [queries]."""
    counting: IntArray | slice = slice(None) if k is None else np.flatnonzero(places.place <= k)
    totals = np.bincount(places.query[counting], weights=terms[counting], minlength=queries)
    return np.asarray(totals, dtype=np.float64)


def _divided(numerator: FloatArray, denominator: FloatArray, where: BoolArray) -> FloatArray:
    quotient = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=where)
    return quotient


def _unknown_metric(text: str) -> LrerankError:
    known = ", ".join(METRIC_NAMES)
    return LrerankError(
        "there is no such metric",
        path="metric",
        value=text,
        remedy=f"Use one of {known}, with a cutoff of 1 or more as in ndcg@10",
    )
