"""What a document has, as values of finite vocabularies: what taste can be about, and what statistics are kept by."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lrerank.data.catalog import BooleanColumn, Catalog, CategoricalColumn, Column, ListColumn, NumericColumn

MOST_CLASSES = 120


def classes(column: Column) -> ListColumn | None:
    """A column as classes: its values, or the five parts of its numbers that its quintiles separate.

    Dates are numbers. A document whose value is missing is in no class; None for a field without classes (text, or
    numbers that are all missing).
    """
    match column:
        case ListColumn():
            return column
        case CategoricalColumn(codes=codes, vocabulary=vocabulary):
            return _one_each(codes, vocabulary)
        case BooleanColumn(values=flags):
            return _one_each(flags.astype(np.int32), ("no", "yes"))
        case NumericColumn(values=numbers):
            known = np.isfinite(numbers)
            if not known.any():
                return None
            edges = np.unique(np.quantile(numbers[known], (0.2, 0.4, 0.6, 0.8)))
            parts = np.where(known, np.searchsorted(edges, np.where(known, numbers, 0.0), side="right"), -1)
            bounds = ["", *(format(edge, ".6g") for edge in edges), ""]
            names = [f"{low}..{high}" for low, high in pairwise(bounds)]
            return _one_each(parts.astype(np.int32), names)
        case _:
            return None


def catalog_classes(catalog: Catalog, fields: Sequence[str] | None = None) -> dict[str, ListColumn]:
    """Path → classes of every field that has at most `MOST_CLASSES`, in the catalog's order.

    Args:
        fields: paths to look at; those that are features by default.
    """
    found = {}
    for known in catalog.fields:
        if known.path in fields if fields is not None else known.feature:
            column = classes(catalog.column(known.path))
            if column is not None and len(column.vocabulary) <= MOST_CLASSES:
                found[known.path] = column
    return found


def _one_each(codes: np.ndarray[tuple[int], np.dtype[np.int32]], vocabulary: Sequence[str]) -> ListColumn:
    known = codes >= 0
    return ListColumn(np.concatenate([[0], np.cumsum(known)]).astype(np.int64), codes[known], vocabulary)
