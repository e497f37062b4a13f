"""From values to lists that are the same whenever the same is asked: what arms without chance show."""

from __future__ import annotations

import numpy as np

from lrerank.experiments.arms.base import Requests, Served
from lrerank.experiments.search import ABSENT
from lrerank.types import FloatArray, IntArray


def by_value(requests: Requests, values: FloatArray, slots: int, segments: list[str] | None = None) -> Served:
    """The candidates of largest value, best first; ties keep the incoming order.

    Args:
        values: [m, c] finite where there is a candidate.
        slots: of a list; where candidates are fewer, it ends before.
        segments: [m] of the users, where they are inferred.
    """
    return certain(best(requests.rows, values, slots), segments)


def best(rows: IntArray, values: FloatArray, slots: int) -> IntArray:
    """[m, slots] columns of the documents of largest value; arguments as for `by_value`, rows [m, c], -1 for none."""
    columns = np.full((len(rows), slots), ABSENT, np.int64)
    order = np.argsort(np.where(rows >= 0, -values, np.inf), axis=1, kind="stable")[:, :slots]
    there = np.take_along_axis(rows, order, axis=1) >= 0
    columns[:, : order.shape[1]] = np.where(there, order, ABSENT)
    return columns


def incoming_order(requests: Requests, slots: int) -> Served:
    """The candidates in the order in which they came."""
    return by_value(requests, np.zeros(requests.rows.shape), slots)


def certain(columns: IntArray, segments: list[str] | None = None) -> Served:
    """Lists [m, k] that were not drawn but chosen."""
    return Served(
        columns=columns,
        propensities=np.ones(columns.shape),
        explored=np.zeros(columns.shape, bool),
        greedy=columns,
        segments=segments,
    )


def shown_rows(requests: Requests, served: Served) -> IntArray:
    """[m, k] rows of the catalog that were shown; -1 where a list ends."""
    rows = np.take_along_axis(requests.rows, np.maximum(served.columns, 0), axis=1)
    return np.where(served.columns >= 0, rows, ABSENT)
