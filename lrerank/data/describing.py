"""What a catalog holds, field by field: what `lrerank data show` prints and what inferred kinds are checked by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from lrerank.data.catalog import (
    BooleanColumn,
    Catalog,
    CategoricalColumn,
    Field,
    ListColumn,
    NumericColumn,
    TextColumn,
)
from lrerank.types import FieldKind


@dataclass(frozen=True, slots=True)
class FieldSummary:
    """One field in figures.

    Attributes:
        path: where it is in the documents.
        kind: how its values are read.
        feature: whether `features: "auto"` may use it.
        searched: whether text search looks into it.
        filled: share of documents that have a value, 0..1.
        distinct: number of different values; of items for lists.
        examples: a few values, the most frequent first; numbers and dates as minimum, median and maximum.
        range: `3.5 … 1,200`, for numbers and dates; else "".
    """

    path: str
    kind: FieldKind
    feature: bool
    searched: bool
    filled: float
    distinct: int
    examples: tuple[str, ...]
    range: str


def describe(catalog: Catalog, examples: int = 3) -> list[FieldSummary]:
    """Every field of a catalog in figures, in the catalog's order."""
    return [_summary(catalog, known, examples) for known in catalog.fields]


def _summary(catalog: Catalog, known: Field, limit: int) -> FieldSummary:
    extent = ""
    match catalog.column(known.path):
        case CategoricalColumn(codes=codes, vocabulary=vocabulary):
            present = codes >= 0
            counts = np.bincount(codes[present], minlength=len(vocabulary))
            shown = _frequent(counts, vocabulary, limit)
            distinct = len(vocabulary)
        case ListColumn(offsets=offsets, codes=codes, vocabulary=vocabulary):
            present = np.diff(offsets) > 0
            shown = _frequent(np.bincount(codes, minlength=len(vocabulary)), vocabulary, limit)
            distinct = len(vocabulary)
        case BooleanColumn(values=flags):
            present = flags >= 0
            shares = Counter(flags[present].tolist())
            shown = tuple("true" if flag else "false" for flag, _ in shares.most_common())
            distinct = len(shares)
        case TextColumn(values=texts):
            present = np.array([bool(text) for text in texts])
            shown = tuple(text if len(text) <= 60 else text[:59] + "…" for text in texts if text)[:limit]
            distinct = len({text for text in texts if text})
        case NumericColumn(values=numbers):
            present = np.isfinite(numbers)
            written = _date if known.kind == "date" else _number
            kept = numbers[present]
            distinct = len(np.unique(kept))
            shown = tuple(written(float(value)) for value in np.quantile(kept, [0, 0.5, 1])) if len(kept) else ()
            extent = f"{shown[0]} … {shown[-1]}" if shown else ""
    filled = float(present.mean())
    searched = known.path in catalog.text_paths
    return FieldSummary(known.path, known.kind, known.feature, searched, filled, distinct, shown, extent)


def _frequent(counts: NDArray[np.int64], vocabulary: Sequence[str], limit: int) -> tuple[str, ...]:
    return tuple(vocabulary[place] for place in np.argsort(-counts, kind="stable")[:limit])


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:,.4g}"


def _date(value: float) -> str:
    try:
        return datetime.fromtimestamp(value, tz=UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return _number(value) + " s"
