"""What a catalog holds, field by field: kinds, missing and distinct values, uses, and how the values are spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from lrerank.charts.figures import LIFTS, NEUTRAL, Figure, array, layout
from lrerank.data.catalog import (
    BooleanColumn,
    Catalog,
    CategoricalColumn,
    Column,
    ListColumn,
    NumericColumn,
    TextColumn,
)
from lrerank.data.describing import describe
from lrerank.errors import LrerankError
from lrerank.experiments.intents import generated_queries, own_queries
from lrerank.store import Store
from lrerank.types import FloatArray, IntArray
from lrerank.ui.words import amount

MOST_VALUES = 15

_BINS = 24
_PREVIEW = 25
_LONGEST = 200
# From so many times the median on, the largest number leaves the others in one bin.
_TAIL = 50


@dataclass(frozen=True, slots=True)
class Distribution:
    """How the values of a field are spread.

    Attributes:
        labels: values, the most frequent first, or the bounds of bins in order.
        counts: [labels] documents.
        what: what the labels are: `values`, `words per text`.
        others: documents whose value is none of the labels.
        is_scale: whether the labels are parts of a scale and not values.
    """

    labels: tuple[str, ...]
    counts: IntArray
    what: str = "values"
    others: int = 0
    is_scale: bool = False


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field in the table.

    Attributes:
        kind: how its values are read.
        uses: what it is used to do: rank, search, name segments.
        missing: documents without a value.
        filled: share of documents with one.
        values: the range, or examples.
    """

    path: str
    kind: str
    uses: tuple[str, ...]
    missing: int
    filled: float
    distinct: int
    values: str
    distribution: Distribution


def field_rows(catalog: Catalog) -> list[FieldRow]:
    """Every field of a catalog, in its order."""
    rows = []
    for one in describe(catalog):
        used = [
            ("rank", one.feature),
            ("search", one.searched),
            ("title", one.path in catalog.text_paths[:1]),
            ("segments", one.path == catalog.segment_path),
        ]
        rows.append(
            FieldRow(
                path=one.path,
                kind=one.kind,
                uses=tuple(use for use, true in used if true),
                missing=len(catalog) - round(one.filled * len(catalog)),
                filled=one.filled,
                distinct=one.distinct,
                values=_extent(catalog.column(one.path), one.kind)
                or " · ".join(_cut(value, 48) for value in one.examples),
                distribution=distribution(catalog, one.path),
            )
        )
    return rows


def distribution(catalog: Catalog, path: str) -> Distribution:
    """How the values of one field are spread over the documents that have one."""
    match catalog.column(path):
        case CategoricalColumn(codes=codes, vocabulary=vocabulary):
            return _frequent(np.bincount(codes[codes >= 0], minlength=len(vocabulary)), vocabulary)
        case ListColumn(codes=codes, vocabulary=vocabulary):
            return _frequent(np.bincount(codes, minlength=len(vocabulary)), vocabulary)
        case BooleanColumn(values=flags):
            return _frequent(np.array([(flags == 1).sum(), (flags == 0).sum()]), ("yes", "no"))
        case TextColumn(values=texts):
            words = np.array([len(text.split()) for text in texts if text], np.float64)
            return _binned(words, "words per text", is_date=False)
        case NumericColumn(values=numbers):
            is_date = any(known.path == path and known.kind == "date" for known in catalog.fields)
            return _binned(numbers[np.isfinite(numbers)], "dates" if is_date else "values", is_date=is_date)


def figure(spread: Distribution) -> Figure:
    """Bars: lying where values have names, standing along a scale."""
    labels = [_short(label) for label in spread.labels]
    if spread.is_scale:
        bars: dict[str, Any] = {
            "type": "bar",
            "x": labels,
            "y": array(spread.counts),
            "marker": {"color": LIFTS},
            "hovertemplate": "%{x}: %{y:,} documents<extra></extra>",
        }
        drawn = layout(spread.what, "documents", bargap=0.06, hovermode="closest", showlegend=False, margin={"t": 8})
        drawn["xaxis"] |= {"type": "category", "nticks": 8, "tickangle": 0, "showgrid": False}
        return {"traces": [bars], "layout": drawn}
    # Twice the same short label would be one bar.
    places = list(range(len(labels)))
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": array(spread.counts),
        "y": places,
        "text": [f"{count:,}" for count in spread.counts],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": LIFTS},
        "customdata": labels,
        "hovertemplate": "%{customdata}: %{x:,} documents<extra></extra>",
    }
    if spread.others:
        labels.append("all others")
        places.append(len(places))
        colours = [LIFTS] * len(spread.counts) + [NEUTRAL]
        counts = [*spread.counts.tolist(), spread.others]
        bars |= {"x": array(counts), "y": places, "text": [f"{count:,}" for count in counts], "customdata": labels}
        bars["marker"] = {"color": colours}
    drawn = layout("documents", "", bargap=0.25, hovermode="closest", showlegend=False, margin={"t": 8, "r": 48})
    drawn["yaxis"] |= {
        "autorange": "reversed",
        "zeroline": False,
        "tickvals": places,
        "ticktext": labels,
        "showgrid": False,
    }
    return {"traces": [bars], "layout": drawn}


def preview(catalog: Catalog, rows: int = _PREVIEW) -> pd.DataFrame:
    """The first documents as they were read; long texts are cut, dates are dates."""
    found: dict[str, list[object]] = {"id": list(catalog.ids[:rows])}
    names = [known.name for known in catalog.fields]
    for known in catalog.fields:
        name = known.name if names.count(known.name) == 1 and known.name != "id" else known.path
        values = [catalog.value(known.path, row) for row in range(min(rows, len(catalog)))]
        found[name] = [_shown(value, known.kind) for value in values]
    return pd.DataFrame(found)


def asked(catalog: Catalog, store: Store) -> tuple[tuple[str, ...], str]:
    """What simulated users will type, and where it comes from.

    Raises:
        LrerankError: there is nothing that they could ask for.
    """
    if own := own_queries(catalog, store):
        return tuple(own[0]["query"].head(1000)), f"{len(own[0]):,} queries with judgments come with it"
    queries = generated_queries(catalog)["query"]
    return tuple(queries), f"{len(queries):,} queries are made from its values"


def why_not_simulated(error: LrerankError) -> str:
    """The refusal of `asked` in terms of this page."""
    return (
        f"Simulated users can't search this catalog: {error.message}. Let at least one column of words that several "
        "documents share (a category, tags, a brand) be searched."
    )


def _frequent(counts: IntArray, vocabulary: Sequence[str]) -> Distribution:
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    top = order[:MOST_VALUES]
    others = int(counts[order[MOST_VALUES:]].sum())
    return Distribution(tuple(vocabulary[place] for place in top), counts[top].astype(np.int64), "values", others)


def _binned(numbers: FloatArray, what: str, *, is_date: bool) -> Distribution:
    if not len(numbers):
        return Distribution((), np.zeros(0, np.int64), what, is_scale=True)
    low, middle, high = np.quantile(numbers, (0, 0.5, 1))
    write = _date if is_date else amount
    if len(distinct := np.unique(numbers)) <= MOST_VALUES:
        counts = np.array([(numbers == value).sum() for value in distinct], np.int64)
        return Distribution(tuple(map(write, distinct.tolist())), counts, what, is_scale=True)
    is_whole = False
    if is_date:
        edges = np.linspace(low, high, _BINS + 1)
    elif low > 0 and high > _TAIL * middle:
        edges = np.geomspace(low, high, _BINS + 1)
        edges[0], edges[-1] = low, high
        what = f"{what}, each bar the same ratio wide"
    else:
        is_whole = bool((numbers % 1 == 0).all())
        edges = _round_edges(low, high, is_whole=is_whole)
    counts = np.histogram(numbers, edges)[0].astype(np.int64)
    parts = [(write(first), write(last - 1 if is_whole else last)) for first, last in pairwise(edges.tolist())]
    labels = [first if first == last else f"{first} to {last}" for first, last in parts]
    if len(set(labels)) < len(labels):  # bounds that are written alike would fall on one bar
        labels = [f"{first!r} to {last!r}" for first, last in pairwise(edges.tolist())]
    return Distribution(tuple(labels), counts, what, is_scale=True)


def _round_edges(low: float, high: float, *, is_whole: bool) -> FloatArray:
    """Bounds of at most `_BINS` bins of one width, which is 1, 2 or 5 times a power of ten."""
    width = (high - low) / (_BINS - 1)
    power = 10.0 ** np.floor(np.log10(width))
    width = next(times * power for times in (1, 2, 5, 10) if times * power >= width)
    width = max(1.0, width) if is_whole else width
    first = np.floor(low / width)
    edges: FloatArray = np.round(np.arange(first, np.floor(high / width) + 2) * width, 12)
    return edges


def _extent(column: Column, kind: str) -> str:
    if not isinstance(column, NumericColumn) or not (known := column.values[np.isfinite(column.values)]).size:
        return ""
    write = _date if kind == "date" else amount
    low, high = write(float(known.min())), write(float(known.max()))
    return low if low == high else f"{low} to {high}"


def _shown(value: object, kind: str) -> object:
    if kind == "date" and isinstance(value, float):
        return _date(value)
    return _cut(value, _LONGEST) if isinstance(value, str) else value


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _short(label: str) -> str:
    # Plotly reads a few tags of HTML in labels; what a catalog holds is words.
    return _cut(label, 36).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _date(value: float) -> str:
    try:
        return datetime.fromtimestamp(value, tz=UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return amount(value)
